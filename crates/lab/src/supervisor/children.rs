//! The supervisor's children: starting them, each through a launcher.
//!
//! A child's death signal is tied to the thread that started it: the main thread, or the thread of its network
//! namespace, and both live as long as the lab.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::child::Child;
use super::network::Namespace;
use super::reaper::Reaper;
use crate::process::Event;
use crate::wire::RunState;
use crate::{LabError, identity};

/// How long a launcher may take to become its program.
const LAUNCH_WITHIN: Duration = Duration::from_secs(10);
/// Everything that runs under this supervisor.
pub(crate) struct Children {
    label: String,
    reaper: Reaper,
    me: u32,
    program: PathBuf,
    logs: PathBuf,
}

/// A program that is not ours, and as whom it runs.
pub(crate) struct Foreign {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    /// User and group, if not the supervisor's own.
    pub(crate) user: Option<(u32, u32)>,
}

pub(crate) enum What {
    /// A part of this binary, with its options.
    Part(&'static str, Vec<(&'static str, OsString)>),
    Foreign(Foreign),
}

/// A child that is still its launcher.
struct Forked {
    pid: Pid,
    state: watch::Receiver<RunState>,
    events: mpsc::UnboundedReceiver<Event>,
    orders: pipe::Sender,
}

impl Children {
    /// None yet. Logs go to this folder; `label` is on every command line.
    pub(super) fn new(label: String, logs: PathBuf, reaper: Reaper) -> std::io::Result<Self> {
        Ok(Self { label, reaper, me: identity::mine()?.pid, program: std::env::current_exe()?, logs })
    }

    /// What everything of this lab can be recognised by.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Starts a child in a network namespace (in the supervisor's own, if none is given), and waits until it has
    /// become its program.
    pub(crate) async fn start(
        &self,
        who: &str,
        what: What,
        network: Option<&Namespace>,
    ) -> Result<Child, LabError> {
        let mut command = Command::new(&self.program);
        command.args(["lab-process", "launch", "--parent", &self.me.to_string(), "--log"]);
        command.arg(self.log_of(who));
        match what {
            What::Part(part, options) => {
                command.args(["--foreign", "false", "--"]).arg(&self.program);
                command.args(["lab-process", part, "--of", &self.label]);
                for (key, value) in options {
                    command.arg(format!("--{key}")).arg(value);
                }
            }
            What::Foreign(Foreign { program, args, user }) => {
                if let Some((user, group)) = user {
                    command.args(["--user", &user.to_string(), "--group", &group.to_string()]);
                }
                command.args(["--foreign", "true", "--"]).arg(program).args(args);
            }
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Forked { pid, state, mut events, orders } = self.fork(who, command, network)?;
        match timeout(LAUNCH_WITHIN, events.recv()).await {
            Ok(Some(Event::Launched { process, network })) => {
                Ok(Child { who: who.to_owned(), process, network, state, events, orders, pid })
            }
            Ok(Some(Event::Failed(detail))) => Err(LabError::spawn(who, detail)),
            Ok(other) => Err(LabError::spawn(who, format!("its launcher said {other:?}"))),
            Err(_) => Err(LabError::spawn(who, "its launcher says nothing")),
        }
    }

    /// Forks and enters the child into the table before anything else can run, so that its end is never missed.
    fn fork(&self, who: &str, mut command: Command, network: Option<&Namespace>) -> Result<Forked, LabError> {
        let failed = |e: std::io::Error| LabError::spawn(who, e);
        let mut spawned = match network {
            Some(namespace) => namespace.inside(move || command.spawn())?,
            None => command.spawn(),
        }
        .map_err(failed)?;
        let pid = Pid::from_raw(i32::try_from(spawned.id()).map_err(|e| LabError::spawn(who, e))?);
        let state = self.reaper.enter(pid);
        let (Some(stdin), Some(stdout)) = (spawned.stdin.take(), spawned.stdout.take()) else {
            return Err(LabError::spawn(who, "its pipes are missing"));
        };
        let orders = pipe::Sender::from_owned_fd(stdin.into()).map_err(failed)?;
        let said = pipe::Receiver::from_owned_fd(stdout.into()).map_err(failed)?;
        let (heard, events) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut lines = BufReader::new(said).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let event = serde_json::from_str(&line).unwrap_or(Event::Note(line));
                if heard.send(event).is_err() {
                    // Nobody cares any more, but the child must not be ended by a full or broken pipe.
                    while let Ok(Some(_)) = lines.next_line().await {}
                }
            }
        });
        Ok(Forked { pid, state, events, orders })
    }

    /// Where a child's complaints go.
    pub(crate) fn log_of(&self, who: &str) -> PathBuf {
        self.logs.join(format!("{who}.log"))
    }
}
