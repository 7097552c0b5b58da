//! The owner's end of a holder process.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::SessionIdentity;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::{Order, Said};
use crate::error::FaultError;
use crate::process;

/// The holders of this process that run now, which no fault of ours may hit.
static RUNNING: Mutex<Vec<ProcessIdentity>> = Mutex::new(Vec::new());

/// The holders of this process that run now.
pub(crate) fn running() -> Vec<ProcessIdentity> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A place among the running ones, for as long as it is kept.
#[derive(Debug)]
struct Listed(ProcessIdentity);

impl Listed {
    fn new(process: &ProcessIdentity) -> Self {
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).push(process.clone());
        Self(process.clone())
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).retain(|process| *process != self.0);
    }
}

/// A running holder; dropping it makes it let go.
#[derive(Debug)]
pub(crate) struct Holder {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    /// The process.
    pub(crate) process: ProcessIdentity,
    /// Its session on the server.
    pub(crate) session: Option<SessionIdentity>,
    listed: Listed,
}

impl Holder {
    /// Starts one and waits until all is prepared and nothing held yet. The order may hold a password, so it goes down
    /// the pipe and never onto the command line.
    pub(crate) async fn start(program: &Path, order: &Order) -> Result<Self, FaultError> {
        let failed = |error: std::io::Error| FaultError::Holder(format!("could not be started: {error}"));
        let mut child = Command::new(program)
            .arg("hold")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C at the terminal is for the owner, which undoes in order.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let pid = child.id().unwrap_or(0);
        let process = process::of(pid).map_err(|error| FaultError::Holder(error.to_string()))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(FaultError::Holder("has no pipes".to_owned()));
        };
        let listed = Listed::new(&process);
        let mut holder =
            Self { child, stdin, stdout: BufReader::new(stdout).lines(), process, session: None, listed };
        let refused = |why: String| {
            let (place, hint) = order.what.place();
            // Some errors say where they come from.
            let place = place.filter(|place| !why.contains(place.as_str()));
            let what = place.map_or(why.clone(), |place| format!("{place}: {why}"));
            FaultError::refused(what, format!("{hint}; nothing was touched"))
        };
        let order_line =
            serde_json::to_string(order).map_err(|error| FaultError::Holder(error.to_string()))?;
        holder.tell(&order_line).await.map_err(failed)?;
        match timeout(Duration::from_secs(10), holder.hear()).await {
            Ok(Said::Ready { session }) => holder.session = session,
            Ok(Said::Failed { why }) => return Err(refused(why)),
            Ok(Said::Held) => return Err(FaultError::Holder("spoke out of turn".to_owned())),
            Err(_) => return Err(FaultError::Holder("did not answer within 10 s".to_owned())),
        }
        Ok(holder)
    }

    /// Makes it take hold; ends when it holds. As long as the lock takes to get.
    pub(crate) async fn take_hold(&mut self) -> Result<(), String> {
        self.tell("go").await.map_err(|error| format!("the holder process has ended: {error}"))?;
        match self.hear().await {
            Said::Held => Ok(()),
            Said::Failed { why } => Err(why),
            Said::Ready { .. } => Err("the holder process spoke out of turn".to_owned()),
        }
    }

    /// Lets go, and waits a moment for it to end in order.
    pub(crate) async fn let_go(self) {
        let Self { mut child, stdin, listed, .. } = self;
        drop(stdin);
        // One that does not end in time is ended by the undo.
        drop(timeout(Duration::from_millis(200), child.wait()).await);
        drop(listed);
    }

    async fn tell(&mut self, line: &str) -> std::io::Result<()> {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await?;
        self.stdin.flush().await
    }

    async fn hear(&mut self) -> Said {
        let failed = |why: String| Said::Failed { why };
        match self.stdout.next_line().await {
            Ok(Some(line)) => serde_json::from_str(&line)
                .unwrap_or_else(|error| failed(format!("the holder process said {line:?}: {error}"))),
            Ok(None) => failed("the holder process has ended".to_owned()),
            Err(error) => failed(format!("the holder process: {error}")),
        }
    }
}
