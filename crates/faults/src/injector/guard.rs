//! The owner's end of the guardian.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::{FaultId, Intent};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::error::FaultError;
use crate::guardian::{FromGuardian, ToGuardian};
use crate::process;

const PATIENCE: Duration = Duration::from_secs(10);

type Waiting = Arc<Mutex<HashMap<FaultId, oneshot::Sender<()>>>>;

/// A running guardian. Dropping it makes the guardian undo what is still armed, and end.
pub(crate) struct Guard {
    /// None once it was let go.
    stdin: tokio::sync::Mutex<Option<ChildStdin>>,
    waiting: Waiting,
    lost: watch::Receiver<bool>,
    /// The process.
    pub(crate) process: ProcessIdentity,
}

fn lost(error: impl std::fmt::Display) -> FaultError {
    FaultError::Guardian(format!("is lost: {error}"))
}

impl Guard {
    /// Starts it and waits until it listens.
    pub(crate) async fn start(program: &Path, ledger: &Path) -> Result<Self, FaultError> {
        let failed = |error: std::io::Error| FaultError::Guardian(format!("could not be started: {error}"));
        let mut child = Command::new(program)
            .arg("guardian")
            .arg("--ledger")
            .arg(ledger)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let process = process::of(child.id().unwrap_or(0)).map_err(lost)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(lost("it has no pipes"));
        };
        let mut lines = BufReader::new(stdout).lines();
        match timeout(PATIENCE, lines.next_line()).await {
            Ok(Ok(Some(line))) if matches!(serde_json::from_str(&line), Ok(FromGuardian::Ready)) => {}
            Ok(answer) => return Err(FaultError::Guardian(format!("did not start in order: {answer:?}"))),
            Err(_) => return Err(FaultError::Guardian("did not start within 10 s".to_owned())),
        }
        let waiting = Waiting::default();
        let (is_lost, lost) = watch::channel(false);
        tokio::spawn(follow(child, lines, Arc::clone(&waiting), is_lost));
        Ok(Self { stdin: tokio::sync::Mutex::new(Some(stdin)), waiting, lost, process })
    }

    /// Has it undo this one if we cannot; it has said so when this returns.
    pub(crate) async fn arm(
        &self,
        id: &FaultId,
        intent: &Intent,
        password: Option<String>,
    ) -> Result<(), FaultError> {
        let (armed, is_armed) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), armed);
        let order = ToGuardian::Arm { id: id.clone(), intent: Box::new(intent.clone()), password };
        self.tell(&order).await?;
        match timeout(PATIENCE, is_armed).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(lost("it ended before it answered")),
            Err(_) => Err(FaultError::Guardian("did not answer within 10 s".to_owned())),
        }
    }

    /// This one is undone.
    pub(crate) async fn disarm(&self, id: &FaultId) -> Result<(), FaultError> {
        self.tell(&ToGuardian::Disarm { id: id.clone() }).await
    }

    /// A call that applies or undoes this one has not come back: it may still be put in place, until this process has ended
    /// altogether.
    pub(crate) async fn hangs(&self, id: &FaultId) -> Result<(), FaultError> {
        self.tell(&ToGuardian::Hangs { id: id.clone() }).await
    }

    /// Ends when the guardian has. Does not keep it from being let go.
    pub(crate) fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut lost = self.lost.clone();
        async move {
            // An error means that its follower is gone, and that happens only with the runtime.
            drop(lost.wait_for(|lost| *lost).await);
        }
    }

    /// Lets it go; it undoes what is still armed and ends. Waits for that, but not for ever, and not at all where it in turn
    /// waits for the end of this process.
    pub(crate) async fn dismiss(&self, waits_for_us: bool) {
        self.stdin.lock().await.take();
        if !waits_for_us {
            drop(timeout(PATIENCE, self.lost()).await);
        }
    }

    async fn tell(&self, order: &ToGuardian) -> Result<(), FaultError> {
        let line = serde_json::to_string(order).map_err(lost)? + "\n";
        let mut stdin = self.stdin.lock().await;
        let stdin = stdin.as_mut().ok_or_else(|| lost("it was let go"))?;
        stdin.write_all(line.as_bytes()).await.map_err(lost)?;
        stdin.flush().await.map_err(lost)
    }
}

/// Passes its answers on until it ends, then reaps it.
async fn follow(
    mut child: Child,
    mut lines: Lines<BufReader<ChildStdout>>,
    waiting: Waiting,
    is_lost: watch::Sender<bool>,
) {
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(FromGuardian::Armed { id }) = serde_json::from_str(&line)
            && let Some(armed) = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
        {
            // Nobody waits any more when the injection was given up: then the answer is of no use.
            armed.send(()).unwrap_or_default();
        }
    }
    // Reaped, whatever it ended with: what it could not undo stands in the ledger.
    drop(child.wait().await);
    waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    is_lost.send_replace(true);
}
