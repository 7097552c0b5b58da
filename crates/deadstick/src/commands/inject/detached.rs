//! A fault held in the background: `deadstick inject --detach`, and the hidden process behind it.
//!
//! Owns the two ends of one pipe: who starts it hands over the order and reads events until the fault has landed or has
//! not; who holds it is a process in a session of its own, with its guardian beside it, and stays when nobody listens.

use std::io::Read;
use std::process::Stdio;

use deadstick_core::Timestamp;
use deadstick_core::event::Body;
use deadstick_runner::injection::Order;
use deadstick_runner::signals;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use super::hold_alone;
use super::lines::{Lines, short};
use crate::context::Context;
use crate::exit::{Answer, DONE, Failure, INTERNAL};

/// What is handed over: down a pipe, since a database URL may hold a password.
#[derive(Debug, Serialize, Deserialize)]
struct Handover {
    order: Order,
    incident: Option<String>,
}

/// An event as the other end prints it.
#[derive(Debug, Deserialize)]
struct Told {
    time: Timestamp,
    #[serde(flatten)]
    body: Body,
}

/// Starts the holding process, and returns when the fault has landed or the process has ended.
pub(super) async fn start(context: &Context, order: Order, incident: Option<String>) -> Answer {
    let (_stop, mut stop) = signals::until_stopped().map_err(Failure::internal)?;
    let lines = Lines::new(context, order.lease);
    let failed = |error: std::io::Error| Failure::internal(format!("the holding process: {error}"));
    let state = std::path::absolute(context.state()?.path()).map_err(failed)?;
    let mut child = Command::new(context.program()?)
        .arg("--state")
        .arg(state)
        .args(["--json", "--as", &context.me().to_string(), "inject-detached"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(mut stderr)) = (stdin, stdout, stderr) else {
        return Err(Failure::internal("the holding process has no pipes"));
    };
    let handover = serde_json::to_vec(&Handover { order, incident }).map_err(Failure::internal)?;
    stdin.write_all(&handover).await.map_err(failed)?;
    drop(stdin);
    let mut said = BufReader::new(stdout).lines();
    loop {
        let line = tokio::select! {
            line = said.next_line() => line.map_err(failed)?,
            _ = signals::stopped(&mut stop) => {
                // Whoever interrupts this wants none of it; it undoes and says so.
                if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
                    kill(Pid::from_raw(pid), Signal::SIGTERM).map_err(Failure::internal)?;
                }
                stop = tokio::sync::watch::channel(None).1;
                continue;
            }
        };
        let Some(line) = line else { break };
        let told = serde_json::from_str::<Told>(&line).ok();
        if context.json() {
            context.say(&line);
        } else if let Some(told) = &told {
            lines.event(told.time, &told.body);
        }
        if let Some(Told { body: Body::FaultProved { id, .. }, .. }) = told {
            if !context.json() && !context.quiet() {
                lines.remark(&format!(
                    "held by process {}; to end it: deadstick restore {}",
                    child.id().unwrap_or(0),
                    short(&id)
                ));
            }
            return Ok(DONE);
        }
    }
    let mut text = String::new();
    stderr.read_to_string(&mut text).await.map_err(failed)?;
    if !text.trim().is_empty() {
        context.warn(text.trim_end());
    }
    let status = child.wait().await.map_err(failed)?;
    // A process ended by a signal has no code; its guardian undoes.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(INTERNAL))
}

/// The body of `deadstick inject-detached`: the order comes on standard input.
pub(crate) fn run(context: &Context) -> Answer {
    // Away from the terminal: neither its Ctrl-C nor its end is meant for this.
    nix::unistd::setsid().map_err(|errno| Failure::internal(format!("no session of its own: {errno}")))?;
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(Failure::internal)?;
    let Handover { order, incident } = serde_json::from_str(&text).map_err(Failure::internal)?;
    hold_alone(context, order, incident.as_deref())
}
