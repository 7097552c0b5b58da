//! Runs the command of a checklist item: an argument list, never a shell (design law 12).
//!
//! Owns filling placeholders, bounding time and output, and finding `deadstick` itself without a search path.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use deadstick_core::template::{self, Variables};
use deadstick_core::text::{printable, redact_dsn};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// A command that has not ended by then is ended.
const LONGEST: Duration = Duration::from_secs(60);
/// How much of what a command prints is kept.
const KEPT: u64 = 64 * 1024;

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What was run, fit to be recorded.
    pub command: Vec<String>,
    /// Its exit status; none when it could not be started, or was ended.
    pub exit: Option<i32>,
    /// The end of what it printed, fit to be recorded: at most a few lines.
    pub output: String,
}

/// Runs a command. `program` stands in for a first word of `deadstick`; `environment` is added to ours.
pub async fn run_command(
    argv: &[String],
    variables: &Variables,
    program: &Path,
    environment: &[(String, String)],
) -> Ran {
    let recorded = argv.iter().map(|word| printable(&redact_dsn(word))).collect::<Vec<_>>();
    let failed = |why: String| Ran { command: recorded.clone(), exit: None, output: why };
    let filled: Result<Vec<String>, _> = argv.iter().map(|word| template::fill(word, variables)).collect();
    let words = match filled {
        Ok(words) => words,
        Err(unbound) => return failed(unbound.to_string()),
    };
    let Some((first, rest)) = words.split_first() else { return failed("the command is empty".to_owned()) };
    let mut command = if first == "deadstick" { Command::new(program) } else { Command::new(first) };
    command
        .args(rest)
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return failed(format!("{} cannot be started: {error}", printable(first))),
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = tokio::time::timeout(LONGEST, async {
        let read_out = async {
            match stdout {
                Some(pipe) => pipe.take(KEPT).read_to_end(&mut out).await,
                None => Ok(0),
            }
        };
        let read_err = async {
            match stderr {
                Some(pipe) => pipe.take(KEPT).read_to_end(&mut err).await,
                None => Ok(0),
            }
        };
        let (read_out, read_err) = tokio::join!(read_out, read_err);
        read_out.and(read_err)?;
        child.wait().await
    })
    .await;
    let status = match ended {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => return failed(format!("{} was lost sight of: {error}", printable(first))),
        Err(_) => return failed(format!("ended after {} s without an answer", LONGEST.as_secs())),
    };
    out.extend(err);
    Ran { command: recorded, exit: status.code(), output: last_lines(&String::from_utf8_lossy(&out)) }
}

/// The last few lines, printable, joined as one would read them out.
fn last_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(printable).filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn words_stay_words_and_output_is_kept() {
        let argv = ["printf".to_owned(), "%s|".to_owned(), "a b; $(id)".to_owned(), "{{x}}".to_owned()];
        let variables = Variables::from([("x".to_owned(), "filled".to_owned())]);
        let ran = run_command(&argv, &variables, Path::new("/nonexistent"), &[]).await;
        assert_eq!((ran.exit, ran.output.as_str()), (Some(0), "a b; $(id)|filled|"));
    }

    #[tokio::test]
    async fn what_cannot_be_run_says_why() {
        let argv = ["deadstick".to_owned(), "lab".to_owned()];
        let ran = run_command(&argv, &Variables::new(), Path::new("/nonexistent/deadstick"), &[]).await;
        assert!(ran.exit.is_none() && ran.output.contains("cannot be started"), "{ran:?}");
    }
}
