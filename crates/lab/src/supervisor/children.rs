//! The supervisor's children: starting them, hearing them, ending them, and reaping every orphan.
//!
//! A child's death signal is tied to the thread that started it: the main thread, or the thread of its network
//! namespace, and both live as long as the lab.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadstick_core::identity::ProcessIdentity;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::network::Namespace;
use crate::process::{Event, Order};
use crate::wire::RunState;
use crate::{LabError, identity};

/// How long a launcher may take to become its program.
const LAUNCH_WITHIN: Duration = Duration::from_secs(10);
/// How long a child that was killed may take to be gone.
const KILL_WITHIN: Duration = Duration::from_secs(2);

type Table = Arc<Mutex<HashMap<Pid, watch::Sender<RunState>>>>;

/// Everything that runs under this supervisor.
pub(crate) struct Children {
    table: Table,
    me: u32,
    program: PathBuf,
    logs: PathBuf,
    first: bool,
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

/// A child, running or not.
pub(crate) struct Child {
    pub(crate) who: String,
    pub(crate) process: ProcessIdentity,
    /// Inode number of its network namespace.
    pub(crate) network: u64,
    pub(crate) state: watch::Receiver<RunState>,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    orders: pipe::Sender,
    pid: Pid,
}

/// A child that is still its launcher.
struct Forked {
    pid: Pid,
    state: watch::Receiver<RunState>,
    events: mpsc::UnboundedReceiver<Event>,
    orders: pipe::Sender,
}

impl Children {
    /// Starts reaping. Logs go to this folder. `first`: this process is the first one of a pid namespace made for it.
    pub(crate) fn watch(logs: PathBuf, first: bool) -> Result<Self, LabError> {
        let failed = |e: std::io::Error| LabError::start("watching over the lab's processes", e);
        let table = Table::default();
        let mut ended = signal(SignalKind::child()).map_err(failed)?;
        let reaping = Arc::clone(&table);
        tokio::spawn(async move {
            while ended.recv().await.is_some() {
                reap(&reaping);
            }
        });
        let program = std::env::current_exe().map_err(failed)?;
        Ok(Self { table, me: identity::mine().map_err(failed)?.pid, program, logs, first })
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
                command.args(["--foreign", "false", "--"]).arg(&self.program).args(["lab-process", part]);
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
        let (sender, state) = watch::channel(RunState::Running);
        lock(&self.table).insert(pid, sender);
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

    /// What can end everything when this is gone.
    pub(crate) fn ender(&self) -> Ender {
        Ender { table: Arc::clone(&self.table), first: self.first }
    }

    /// Where a child's complaints go.
    pub(crate) fn log_of(&self, who: &str) -> PathBuf {
        self.logs.join(format!("{who}.log"))
    }
}

/// See [`Children::ender`].
pub(crate) struct Ender {
    table: Table,
    first: bool,
}

impl Ender {
    /// Ends every child and waits until each is gone. For the first process of a pid namespace that is everything in
    /// it, including what a child may have left.
    pub(crate) fn end_all(&self) {
        if self.first && nix::unistd::getpid().as_raw() == 1 {
            // Everything in this pid namespace but this process. ESRCH: there is nothing else.
            kill(Pid::from_raw(-1), Signal::SIGKILL).ok();
            while !matches!(waitpid(None, None), Err(Errno::ECHILD)) {}
            return;
        }
        let pids: Vec<Pid> = lock(&self.table).keys().copied().collect();
        for &pid in &pids {
            // ESRCH: it was quicker.
            kill(pid, Signal::SIGKILL).ok();
        }
        for pid in pids {
            while matches!(waitpid(pid, None), Err(Errno::EINTR)) {}
        }
    }
}

fn lock(table: &Table) -> std::sync::MutexGuard<'_, HashMap<Pid, watch::Sender<RunState>>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

fn reap(table: &Table) {
    loop {
        let (pid, state) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => (pid, RunState::Exited { code }),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, RunState::Killed { signal: signal as i32 }),
            Err(Errno::EINTR) => continue,
            _ => return,
        };
        // Not in the table: somebody's orphan, which is reaped and forgotten.
        if let Some(sender) = lock(table).remove(&pid) {
            sender.send_replace(state);
        }
    }
}

impl Child {
    pub(crate) fn runs(&self) -> bool {
        *self.state.borrow() == RunState::Running
    }

    /// Signals it, if it still runs. It cannot be another process of the same number: only this thread reaps.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.runs() {
            // ESRCH: it ended this very moment.
            kill(self.pid, signal).ok();
        }
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) -> RunState {
        let mut state = self.state.clone();
        match state.wait_for(|state| *state != RunState::Running).await {
            Ok(state) => state.clone(),
            // The table is gone with the supervisor.
            Err(_) => RunState::Killed { signal: Signal::SIGKILL as i32 },
        }
    }

    /// Asks it to end, and ends it when it has not done so in time.
    pub(crate) async fn end(&self, grace: Duration) -> Result<(), LabError> {
        self.signal(Signal::SIGTERM);
        if timeout(grace, self.ended()).await.is_ok() {
            return Ok(());
        }
        self.signal(Signal::SIGKILL);
        timeout(KILL_WITHIN, self.ended())
            .await
            .map(drop)
            .map_err(|_| LabError::LeftBehind { left: format!("{} (pid {})", self.who, self.process.pid) })
    }

    /// The next event that `wanted` finds something in; what it does not want is passed over.
    pub(crate) async fn hear<T>(
        &mut self,
        within: Duration,
        mut wanted: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T, LabError> {
        let who = self.who.clone();
        let hearing = async {
            while let Some(event) = self.events.recv().await {
                if let Some(found) = wanted(&event) {
                    return Ok(found);
                }
                if let Event::Failed(detail) = event {
                    return Err(LabError::Failed { who: who.clone(), detail });
                }
            }
            Err(LabError::Failed { who: who.clone(), detail: "it ended".to_owned() })
        };
        let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        timeout(within, hearing)
            .await
            .unwrap_or_else(|_| Err(LabError::NoAnswer { who: who.clone(), within_ms }))
    }

    /// Has it take a setting, and waits until it says that it is in force.
    pub(crate) async fn set(&mut self, key: &str, value: &str) -> Result<(), LabError> {
        let order = Order::Set { key: key.to_owned(), value: value.to_owned() };
        let mut line = serde_json::to_string(&order).map_err(|e| LabError::protocol("this side", e))?;
        line.push('\n');
        self.orders.write_all(line.as_bytes()).await.map_err(|e| LabError::failed(&self.who, e))?;
        let seen = self
            .hear(Duration::from_secs(2), |event| match event {
                Event::Taken { key: taken, value } if taken == key => Some(value.clone()),
                _ => None,
            })
            .await?;
        if seen == value {
            return Ok(());
        }
        Err(LabError::NotTaken { key: key.to_owned(), wanted: value.to_owned(), seen })
    }
}
