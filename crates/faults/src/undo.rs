//! Taking a fault back out: idempotent, by identity, and only what is ours.
//!
//! Used by the injector, by the guardian and by recovery at the next start. Leaves the ledger entries to whoever calls.
//! "Already gone" is success; "not ours" is refused.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deadstick_core::fault::Signal;
use deadstick_core::identity::{NetworkIdentity, ProcessIdentity};
use deadstick_core::ledger::{Intent, Undo};
use tokio::time::{Instant, sleep};

use crate::database;
use crate::kernel::{Delivery, Kernel, KernelError, Linux, Sent};
use crate::network::NetworkError;
use crate::process::{self, Life};

/// What every table of ours is called, before the fault's id.
pub(crate) const TABLE_PREFIX: &str = "deadstick-";
/// The mark file of a folder of ours; its content is in the ledger.
pub const MARK_FILE: &str = ".deadstick-mark";

/// How a fault came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    /// We took it out.
    Done,
    /// It was out before we came.
    AlreadyGone,
}

/// It could not be taken out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}; by hand: {manual}")]
pub struct UndoFailure {
    /// What went wrong.
    pub why: String,
    /// The exact command a person can run.
    pub manual: String,
}

/// What an undo may need and the ledger must not hold.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// The password of the database.
    pub password: Option<String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.password.is_some() { "Secrets(a password)" } else { "Secrets(none)" })
    }
}

impl Secrets {
    /// From `PGPASSWORD`, for a recovery that knows only the ledger.
    #[must_use]
    pub fn from_environment() -> Self {
        Self { password: std::env::var("PGPASSWORD").ok() }
    }
}

/// Takes out what an intent describes.
///
/// # Errors
/// What is left, and how a person can remove it.
pub async fn undo(intent: &Intent, secrets: &Secrets) -> Result<Undone, UndoFailure> {
    undo_on(&(Arc::new(Linux) as Arc<dyn Kernel>), intent, secrets).await
}

/// The same on a given kernel.
///
/// # Errors
/// As [`undo`].
pub async fn undo_on(
    kernel: &Arc<dyn Kernel>,
    intent: &Intent,
    secrets: &Secrets,
) -> Result<Undone, UndoFailure> {
    carry_out(kernel, &intent.undo, &intent.owner, secrets).await
}

/// Every step is tried, whatever became of the one before.
async fn all(
    kernel: &Arc<dyn Kernel>,
    steps: &[Undo],
    owner: &ProcessIdentity,
    secrets: &Secrets,
) -> Result<Undone, UndoFailure> {
    let mut result = Ok(Undone::AlreadyGone);
    for step in steps {
        let next = Box::pin(carry_out(kernel, step, owner, secrets)).await;
        result = match (result, next) {
            (Ok(Undone::AlreadyGone), next) => next,
            (Ok(Undone::Done), Ok(_)) => Ok(Undone::Done),
            (Ok(Undone::Done), Err(failure)) | (Err(failure), Ok(_)) => Err(failure),
            (Err(first), Err(second)) => Err(UndoFailure {
                why: format!("{}; {}", first.why, second.why),
                manual: format!("{}; {}", first.manual, second.manual),
            }),
        };
    }
    result
}

async fn carry_out(
    kernel: &Arc<dyn Kernel>,
    undo: &Undo,
    owner: &ProcessIdentity,
    secrets: &Secrets,
) -> Result<Undone, UndoFailure> {
    match undo {
        Undo::Nothing { .. } => Ok(Undone::AlreadyGone),
        Undo::Resume { process } => resume(kernel, process).await,
        Undo::RemoveTable { network, table } => remove_table(kernel, network, table, owner).await,
        Undo::RemoveQdisc { network, device, handle } => {
            let manual = format!(
                "nsenter --net=/proc/{}/ns/net tc qdisc del dev {device} root handle {handle:x}:",
                network.holder.pid
            );
            match kernel.remove_root_qdisc(network, device, *handle) {
                Ok(true) => Ok(Undone::Done),
                // With its last process the network went, and its devices with it.
                Ok(false) | Err(KernelError::Network(NetworkError::Gone(_))) => Ok(Undone::AlreadyGone),
                Err(error) => Err(UndoFailure { why: error.to_string(), manual }),
            }
        }
        Undo::EndHolder { process, session } => {
            let holder = end(kernel, process, &[Signal::Kill]).await;
            let server = match session {
                Some(session) => database::end_session(session, secrets).await,
                None => Ok(Undone::AlreadyGone),
            };
            match (holder?, server?) {
                (Undone::AlreadyGone, Undone::AlreadyGone) => Ok(Undone::AlreadyGone),
                _ => Ok(Undone::Done),
            }
        }
        // The lab's first process ends what is in it when asked; when it does not, its end does.
        Undo::EndLab { process } => end(kernel, process, &[Signal::Term, Signal::Kill]).await,
        Undo::RemoveFolder { path, mark } => remove_folder(path, mark).await,
        Undo::All { steps } => all(kernel, steps, owner, secrets).await,
    }
}

/// How long processes that are being ended may still write into a folder.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// Asks a question every few milliseconds until the answer is yes or the time is over.
pub(crate) async fn until<E>(
    patience: Duration,
    mut is_so: impl FnMut() -> Result<bool, E>,
) -> Result<bool, E> {
    let deadline = Instant::now() + patience;
    loop {
        if is_so()? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        sleep(Duration::from_millis(3)).await;
    }
}

async fn resume(kernel: &Arc<dyn Kernel>, process: &ProcessIdentity) -> Result<Undone, UndoFailure> {
    let manual = format!("kill -CONT {}", process.pid);
    let failed = |error: KernelError| UndoFailure { why: error.to_string(), manual: manual.clone() };
    if kernel.signal(process, Sent::Continue).map_err(failed)? == Delivery::Gone {
        return Ok(Undone::AlreadyGone);
    }
    if until(Duration::from_secs(1), || Ok(kernel.life(process)? != Life::Stopped)).await.map_err(failed)? {
        Ok(Undone::Done)
    } else {
        Err(UndoFailure { why: format!("process {} does not go on", process.pid), manual })
    }
}

/// Sends the signals in turn until the process is gone.
async fn end(
    kernel: &Arc<dyn Kernel>,
    process: &ProcessIdentity,
    signals: &[Signal],
) -> Result<Undone, UndoFailure> {
    let manual = format!("kill -KILL {}", process.pid);
    let failed = |error: KernelError| UndoFailure { why: error.to_string(), manual: manual.clone() };
    for (turn, signal) in signals.iter().enumerate() {
        match kernel.signal(process, Sent::End(*signal)).map_err(failed)? {
            Delivery::Gone if turn == 0 => return Ok(Undone::AlreadyGone),
            Delivery::Gone => return Ok(Undone::Done),
            Delivery::Sent => {}
        }
        let patience =
            if *signal == Signal::Kill { Duration::from_secs(3) } else { Duration::from_millis(700) };
        if until(patience, || Ok(kernel.life(process)? == Life::Gone)).await.map_err(failed)? {
            return Ok(Undone::Done);
        }
    }
    Err(UndoFailure { why: format!("process {} does not end", process.pid), manual })
}

/// A table of ours lives by a socket of its owner: it is gone when the owner is. Here that is only checked.
async fn remove_table(
    kernel: &Arc<dyn Kernel>,
    network: &NetworkIdentity,
    table: &str,
    owner: &ProcessIdentity,
) -> Result<Undone, UndoFailure> {
    let manual = format!("kill -KILL {} # the table goes with its owner", owner.pid);
    if !table.starts_with(TABLE_PREFIX) {
        return Err(UndoFailure {
            why: format!("table {table} is not ours"),
            manual: "none: it is left alone".to_owned(),
        });
    }
    // A dying owner closes its sockets a little after its pipes.
    match until(Duration::from_secs(2), || kernel.has_table(network, table).map(|there| !there)).await {
        Ok(true) => Ok(Undone::AlreadyGone),
        Ok(false) => Err(UndoFailure {
            why: format!("table {table} is still there: process {} owns it and lives", owner.pid),
            manual,
        }),
        // Nobody is left in that network to stand for it. The socket was ours and is closed, or went with its owner.
        Err(KernelError::Network(NetworkError::Gone(_))) if is_me(owner) || !process::is_alive(owner) => {
            Ok(Undone::AlreadyGone)
        }
        Err(error) => Err(UndoFailure { why: error.to_string(), manual }),
    }
}

fn is_me(owner: &ProcessIdentity) -> bool {
    process::me().is_ok_and(|me| me == *owner)
}

async fn remove_folder(path: &Path, mark: &str) -> Result<Undone, UndoFailure> {
    let manual = format!("rm -r -- '{}'", path.display());
    let failed = |error: io::Error| UndoFailure {
        why: format!("{}: {error}", path.display()),
        manual: manual.clone(),
    };
    if !path.try_exists().map_err(failed)? {
        return Ok(Undone::AlreadyGone);
    }
    match fs::read_to_string(path.join(MARK_FILE)) {
        Ok(found) if found.trim() == mark.trim() => {}
        Ok(_) => return Err(UndoFailure { why: format!("{} carries another mark", path.display()), manual }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Made and not marked yet: only ever ours when it is empty, and then nothing is lost.
            if fs::remove_dir(path).is_ok() {
                return Ok(Undone::Done);
            }
            // Owner and guardian may both be at it: the other has just removed it.
            if !path.try_exists().map_err(failed)? {
                return Ok(Undone::AlreadyGone);
            }
            return Err(UndoFailure { why: format!("{} carries no mark of ours", path.display()), manual });
        }
        Err(error) => return Err(failed(error)),
    }
    // Processes that are being ended may still write for a moment: what came back is removed again.
    let deadline = Instant::now() + LAST_WRITES;
    loop {
        match remove_marked(path) {
            Ok(()) => return Ok(Undone::Done),
            Err(error) if Instant::now() >= deadline => return Err(failed(error)),
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

/// The mark goes last, so that a removal cut short is recognised and gone on with.
fn remove_marked(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        // Whoever made it has removed it as well.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name() == MARK_FILE {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())
        } else {
            fs::remove_file(entry.path())
        }?;
    }
    match fs::remove_file(path.join(MARK_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => other?,
    }
    fs::remove_dir(path)
}
