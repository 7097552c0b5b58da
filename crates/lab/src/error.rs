//! What can go wrong with a lab.
//!
//! One enum for both sides of the control socket, so a refusal keeps its kind on the way from the supervisor to whoever
//! asked. Errors of the operating system travel as their text.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Why a lab could not be started, or did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", rename_all = "kebab-case")]
pub enum LabError {
    /// A program this lab needs is not installed.
    #[error("{program} was not found; install the package {package} (looked in {})", looked_in.join(", "))]
    Missing {
        /// The Debian package that has it.
        package: String,
        /// The program.
        program: String,
        /// Where it was looked for.
        looked_in: Vec<String>,
    },
    /// This process may not make what the lab is made of.
    #[error("not permitted to {what}: {detail}")]
    NotPermitted {
        /// What was tried.
        what: String,
        /// What the kernel said.
        detail: String,
    },
    /// A file or folder.
    #[error("could not {doing} {}: {detail}", path.display())]
    File {
        /// What was tried.
        doing: String,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// A process of the lab could not be started.
    #[error("could not start {program}: {detail}")]
    Spawn {
        /// Which.
        program: String,
        /// Why.
        detail: String,
    },
    /// One step of the start failed.
    #[error("the lab did not start: {step}: {detail}")]
    Start {
        /// The step.
        step: String,
        /// What went wrong, with the end of the program's own log where it has one.
        detail: String,
    },
    /// The network between the lab's hosts.
    #[error("the lab's network: could not {doing}: {detail}")]
    Network {
        /// What was tried.
        doing: String,
        /// What the kernel said.
        detail: String,
    },
    /// The supervisor is gone, and everything with it.
    #[error("the lab has ended")]
    Ended,
    /// Nothing answers for a lab in this folder.
    #[error("no lab answers in {}: {detail}", folder.display())]
    NoLab {
        /// Where it was looked for.
        folder: PathBuf,
        /// Why not.
        detail: String,
    },
    /// This lab has no such setting.
    #[error("lab {lab} has no setting {key:?}; it has: {}", known.join(", "))]
    UnknownSetting {
        /// The lab.
        lab: String,
        /// What was asked for.
        key: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A setting or option cannot take this value.
    #[error("{key} cannot be {value:?}; write {expected}")]
    BadValue {
        /// The setting or option.
        key: String,
        /// What was asked for.
        value: String,
        /// What it takes.
        expected: String,
    },
    /// This lab has no such command.
    #[error("lab {lab} has no command {command:?}; it has: {}", known.join(", "))]
    UnknownCommand {
        /// The lab.
        lab: String,
        /// What was asked for.
        command: String,
        /// What there is.
        known: Vec<String>,
    },
    /// This command has no such option.
    #[error("{command} has no option {option:?}; it has: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    UnknownOption {
        /// The command.
        command: String,
        /// What was asked for.
        option: String,
        /// What there is.
        known: Vec<String>,
    },
    /// This lab has no such host.
    #[error("lab {lab} has no host {host:?}; it has: {}", known.join(", "))]
    UnknownHost {
        /// The lab.
        lab: String,
        /// What was asked for.
        host: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The command is still running, and runs once at a time.
    #[error("{command} is still running (pid {pid})")]
    StillRunning {
        /// The command.
        command: String,
        /// Its process, as this host numbers it.
        pid: u32,
    },
    /// There is no process on this host that could be ended.
    #[error("nothing runs on lab host {host}")]
    NothingRuns {
        /// The host.
        host: String,
    },
    /// This lab has no database server.
    #[error("lab {lab} has no database server, so no sessions to terminate")]
    NoServer {
        /// The lab.
        lab: String,
    },
    /// The database has no such session.
    #[error("the primary has no session with backend pid {pid}")]
    NoSession {
        /// What was asked for.
        pid: i32,
    },
    /// Somebody did not answer in time.
    #[error("{who} did not answer within {within_ms} ms")]
    NoAnswer {
        /// Who.
        who: String,
        /// How long was waited, in milliseconds.
        within_ms: u64,
    },
    /// A value was set, and something else was read back.
    #[error("{key} was set to {wanted:?}, but {seen:?} is in force")]
    NotTaken {
        /// The setting.
        key: String,
        /// What was asked for.
        wanted: String,
        /// What was read back.
        seen: String,
    },
    /// A process of the lab ended, or failed, when it should have gone on.
    #[error("{who} failed: {detail}")]
    Failed {
        /// Who.
        who: String,
        /// How.
        detail: String,
    },
    /// The database refused.
    #[error("the database could not {doing}: {detail}")]
    Database {
        /// What was tried.
        doing: String,
        /// What it said.
        detail: String,
    },
    /// The other side of a pipe or socket said something that is no message of ours.
    #[error("{who} said something unexpected: {detail}")]
    Protocol {
        /// Who.
        who: String,
        /// What.
        detail: String,
    },
    /// The lab was told to end and something of it is still there.
    #[error("the lab did not end cleanly: {left} is still there")]
    LeftBehind {
        /// What.
        left: String,
    },
}

impl LabError {
    pub(crate) fn file(doing: &str, path: &Path, error: impl std::fmt::Display) -> Self {
        Self::File { doing: doing.to_owned(), path: path.to_owned(), detail: error.to_string() }
    }

    pub(crate) fn spawn(program: impl std::fmt::Display, error: impl std::fmt::Display) -> Self {
        Self::Spawn { program: program.to_string(), detail: error.to_string() }
    }

    pub(crate) fn start(step: &str, error: impl std::fmt::Display) -> Self {
        Self::Start { step: step.to_owned(), detail: error.to_string() }
    }

    pub(crate) fn network(doing: impl Into<String>, error: impl std::fmt::Display) -> Self {
        Self::Network { doing: doing.into(), detail: error.to_string() }
    }

    pub(crate) fn not_permitted(what: &str, error: impl std::fmt::Display) -> Self {
        Self::NotPermitted { what: what.to_owned(), detail: error.to_string() }
    }

    pub(crate) fn failed(who: impl Into<String>, error: impl std::fmt::Display) -> Self {
        Self::Failed { who: who.into(), detail: error.to_string() }
    }

    pub(crate) fn protocol(who: &str, error: impl std::fmt::Display) -> Self {
        Self::Protocol { who: who.to_owned(), detail: error.to_string() }
    }
}
