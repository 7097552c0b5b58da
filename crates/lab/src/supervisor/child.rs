//! One child of the supervisor: hearing it, telling it, ending it.

use std::time::Duration;

use deadstick_core::identity::ProcessIdentity;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::LabError;
use crate::process::{Event, Order};
use crate::wire::RunState;

/// How long a child may take to say that it serves.
const SERVE_WITHIN: Duration = Duration::from_secs(10);
/// How long a child may take to say that a setting is in force.
const TAKE_WITHIN: Duration = Duration::from_secs(2);
/// How long a child that was killed may take to be gone.
const KILL_WITHIN: Duration = Duration::from_secs(2);

/// A child, running or not.
pub(crate) struct Child {
    pub(crate) who: String,
    pub(crate) process: ProcessIdentity,
    /// Inode number of its network namespace.
    pub(crate) network: u64,
    pub(crate) state: watch::Receiver<RunState>,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(super) orders: pipe::Sender,
    pub(super) pid: Pid,
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

    /// Waits until it says on which port it serves.
    pub(crate) async fn port(&mut self) -> Result<u16, LabError> {
        let port = |event: &Event| match event {
            Event::Ready { port } => Some(*port),
            _ => None,
        };
        self.hear(SERVE_WITHIN, port).await
    }

    /// Has it take a setting, and waits until it says that it is in force.
    pub(crate) async fn set(&mut self, key: &str, value: &str) -> Result<(), LabError> {
        let order = Order::Set { key: key.to_owned(), value: value.to_owned() };
        let mut line = serde_json::to_string(&order).map_err(|e| LabError::protocol("this side", e))?;
        line.push('\n');
        self.orders.write_all(line.as_bytes()).await.map_err(|e| LabError::failed(&self.who, e))?;
        let seen = self
            .hear(TAKE_WITHIN, |event| match event {
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
