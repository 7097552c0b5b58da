//! What every command needs to know of its surroundings, and how it speaks.
//!
//! Owns the options that go for every command, the state folder, names, colour, and the two voices: text for people, one
//! JSON value for machines; in either, nothing that came from outside can move a terminal (design law 12). What only one command asks of the environment is read there.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use deadstick_core::event::Actor;
use deadstick_core::text::{masked, visible, visible_json};
use deadstick_runner::incidents;
use deadstick_runner::recovery::{self, Recovered};
use deadstick_timeline::{StateDir, StateEnv, StateError};
use serde::Serialize;
use tokio::runtime::Runtime;

use crate::args::{Cli, Colour, Global};
use crate::exit::{self, Failure};

/// A command's surroundings.
pub(crate) struct Context {
    global: Global,
}

impl Context {
    /// From the options that go for every command.
    pub(crate) fn new(global: Global) -> Self {
        Self { global }
    }

    /// Whether a machine reads along.
    pub(crate) fn json(&self) -> bool {
        self.global.json
    }

    /// Whether only what matters is to be said.
    pub(crate) fn quiet(&self) -> bool {
        self.global.quiet
    }

    /// Whether more than usual is to be said.
    pub(crate) fn verbose(&self) -> bool {
        self.global.verbose
    }

    /// Whether to colour what goes to a stream.
    pub(crate) fn colour(&self, stream: &impl IsTerminal) -> bool {
        match self.global.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => {
                let no = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                !no && stream.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }

    /// Who acts.
    pub(crate) fn me(&self) -> Actor {
        let named = self.global.name.clone();
        let named = named.or_else(|| std::env::var("DEADSTICK_NAME").ok());
        let named = named.or_else(|| std::env::var("USER").ok()).filter(|name| !name.trim().is_empty());
        Actor::person(named.as_deref().unwrap_or("responder"))
    }

    /// This binary.
    pub(crate) fn program(&self) -> Result<PathBuf, Failure> {
        std::env::current_exe()
            .map_err(|error| Failure::internal(format!("cannot find this program: {error}")))
    }

    /// The state folder; made if it is not there.
    pub(crate) fn state(&self) -> Result<StateDir, Failure> {
        self.state_by(StateDir::find)
    }

    /// The state folder, for whoever only looks: it need not be there.
    pub(crate) fn state_as_it_is(&self) -> Result<StateDir, Failure> {
        self.state_by(StateDir::locate)
    }

    fn state_by(
        &self,
        way: fn(Option<&Path>, &StateEnv, bool) -> Result<StateDir, StateError>,
    ) -> Result<StateDir, Failure> {
        let environment = StateEnv {
            deadstick_state: std::env::var_os("DEADSTICK_STATE"),
            xdg_state_home: std::env::var_os("XDG_STATE_HOME"),
            home: std::env::var_os("HOME"),
        };
        way(self.global.state.as_deref(), &environment, nix::unistd::geteuid().is_root())
            .map_err(|error| Failure::internal(error).hint("name a folder with --state DIR"))
    }

    /// The folder of the incident that is meant.
    pub(crate) fn incident(&self, asked: Option<&str>) -> Result<PathBuf, Failure> {
        let state = self.state()?;
        let id = incidents::find(&state, asked)?;
        state.incident(&id).map_err(Failure::internal)
    }

    /// A runtime; after this the process has threads.
    pub(crate) fn runtime(&self) -> Result<Runtime, Failure> {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::internal)
    }

    /// Does something to its end, and waits for nothing beyond it: a call of the kernel that has not come back is residue,
    /// and has been said.
    pub(crate) fn do_alone<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let runtime = self.runtime()?;
        let result = runtime.block_on(work);
        runtime.shutdown_background();
        result
    }

    /// Undoes what dead runs have left; residue blocks whoever asks.
    pub(crate) async fn recover(&self, ledgers: &Path) -> Result<(), Failure> {
        let Recovered { undone, residue, running: _ } = recovery::replay(ledgers).await?;
        for line in undone {
            self.note(&format!("an earlier run had left something behind; it was undone: {line}"));
        }
        if residue.is_empty() {
            return Ok(());
        }
        let lines = residue.join("\n  ");
        Err(Failure::new(
            exit::RESIDUE,
            format!("an earlier run has left residue, which blocks this one:\n  {lines}"),
        )
        .hint("remove it as said above, then run `deadstick restore`"))
    }

    /// Text for people, on stdout.
    pub(crate) fn say(&self, text: &str) {
        write_all(&mut std::io::stdout().lock(), text);
    }

    /// A remark for people, on stderr; --quiet keeps it back.
    pub(crate) fn note(&self, text: &str) {
        if !self.global.quiet {
            self.warn(text);
        }
    }

    /// What must be known, on stderr, however quiet it is to be.
    pub(crate) fn warn(&self, text: &str) {
        write_all(&mut std::io::stderr().lock(), text);
    }

    /// One value for machines, on one line.
    pub(crate) fn machine(&self, value: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(value).map_err(Failure::internal)?;
        write_raw(&mut std::io::stdout().lock(), &visible_json(&line));
        Ok(())
    }

    /// What may be coloured, on stdout: foreign text in it has been made fit by whoever coloured it.
    pub(crate) fn show(&self, coloured: &str) {
        write_raw(&mut std::io::stdout().lock(), coloured);
    }

    /// The value for machines if they read along, else the text for people.
    pub(crate) fn answer(
        &self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.json() {
            return self.machine(value);
        }
        self.say(text().trim_end_matches('\n'));
        Ok(())
    }

    /// Shows a failure; its exit code.
    pub(crate) fn fail(&self, failure: &Failure) -> u8 {
        let colour = self.colour(&std::io::stderr());
        let mut text = String::new();
        for problem in &failure.problems {
            text.push_str(&problem.render(colour));
            text.push('\n');
        }
        let (red, bold, off) = if colour { ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
        text.push_str(&format!("{red}error{off}{bold}: {}{off}", visible(&failure.message)));
        if let Some(hint) = &failure.hint {
            text.push_str(&format!("\n  {bold}help{off}: {}", visible(hint)));
        }
        write_raw(&mut std::io::stderr().lock(), &text);
        if self.json() {
            let Failure { code, message, hint, problems } = failure;
            let value = serde_json::json!({
                "error": { "exit": code, "message": message, "hint": hint, "problems": problems }
            });
            write_raw(&mut std::io::stdout().lock(), &visible_json(&value.to_string()));
        }
        failure.code
    }
}

/// Says what is wrong with a command line, or shows the help that it asks for; the exit code. What is repeated of it tells
/// no password and moves no terminal.
pub(crate) fn refuse(error: clap::Error) -> ExitCode {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let fit: Vec<String> = words.iter().map(|word| visible(&masked(word))).collect();
    // The same is wrong with the words as they may be shown, unless making them so has put it right.
    let error = if fit == words { error } else { Cli::try_parse_from(fit).err().unwrap_or(error) };
    // A reader who went away does not want it.
    drop(error.print());
    ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::DONE })
}

/// A line of progress: beside a machine's output on stderr, else on stdout.
pub(crate) fn line(text: &str, machine: bool) {
    if machine {
        write_all(&mut std::io::stderr().lock(), text);
    } else {
        write_all(&mut std::io::stdout().lock(), text);
    }
}

/// Writes text in which whatever others have put into it, such as the name of a file, moves no terminal.
fn write_all(stream: &mut impl Write, text: &str) {
    write_raw(stream, &visible(text));
}

/// Writes a line as it is. A reader who went away does not want it: what is being done goes on to its end all the same.
fn write_raw(stream: &mut impl Write, text: &str) {
    drop(writeln!(stream, "{text}").and_then(|()| stream.flush()));
}
