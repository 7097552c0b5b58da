//! Taking a fault back out: idempotent, by identity, and only what is ours.
//!
//! Used by the injector, by the guardian and by recovery at the next start. Leaves the ledger entries to whoever calls.
//! "Already gone" is success; "not ours" is refused.

mod apart;
mod folder;
mod group;
mod network;
mod pause;
mod process;
mod replay;
mod session;
mod storage;

use std::sync::Arc;
use std::time::Duration;

use deadstick_core::fault::Signal;
use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::{Intent, Undo};
use tokio::time::{Instant, sleep};

use crate::database::Server;
use crate::kernel::{Kernel, Linux};

pub(crate) use apart::{Apart, ONCE_IT_ANSWERS};
pub use folder::MARK_FILE;
pub(crate) use group::GROUP_PREFIX;
pub(crate) use network::TABLE_PREFIX;
pub(crate) use storage::FILL_PREFIX;

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
    /// The password of the database that the fault is about.
    pub password: Option<String>,
    /// Whether the variables in which the servers' own client programs look for a password are asked.
    environment: bool,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.password.is_some() { "Secrets(a password)" } else { "Secrets(none)" })
    }
}

impl Secrets {
    /// The password of one database, if it has one.
    #[must_use]
    pub const fn with(password: Option<String>) -> Self {
        Self { password, environment: false }
    }

    /// From `PGPASSWORD`, `MYSQL_PWD` and `REDISCLI_AUTH`, for a recovery that knows only the ledger.
    #[must_use]
    pub const fn from_environment() -> Self {
        Self { password: None, environment: true }
    }

    /// What to say of a failure that may have come of having no password.
    pub(crate) fn missing(&self, server: Server) -> String {
        match self.of(server) {
            Some(_) => String::new(),
            None => {
                format!(" (no password is known here; it may be given in {})", server.password_variable())
            }
        }
    }

    /// The password for a server of this kind.
    pub(crate) fn of(&self, server: Server) -> Option<String> {
        let asked = || self.environment.then(|| std::env::var(server.password_variable()).ok());
        self.password.clone().or_else(|| asked().flatten())
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
pub(crate) async fn undo_on(
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
        Undo::Resume { process } => process::resume(kernel, process).await,
        Undo::ResumeFamily { processes, except } => process::resume_family(kernel, processes, except).await,
        Undo::RestoreGroup { group, values } => group::restore(kernel, group, values).await,
        Undo::RemoveGroup { folder, home } => group::remove(kernel, folder, home).await,
        Undo::RestoreFileLimit { process, before, ours } => {
            process::restore_file_limit(kernel.as_ref(), process, *before, *ours)
        }
        Undo::RestoreOomScore { process, before, ours } => {
            process::restore_oom_score(kernel.as_ref(), process, *before, *ours)
        }
        Undo::RemoveFill { path } => storage::remove_fill(path),
        Undo::Thaw { path, device, boot } => storage::thaw(kernel, path, *device, boot, owner).await,
        Undo::RemoveTable { network, table } => network::remove_table(kernel, network, table, owner).await,
        Undo::ForgetRedirected { network, port } => {
            network::forget_redirected(kernel.as_ref(), network, *port)
        }
        Undo::RemoveQdisc { network, device, handle, mark, put_back } => {
            network::remove_qdisc(kernel.as_ref(), network, device, *handle, *mark, put_back)
        }
        Undo::RemoveDevice { network, device, mark } => {
            network::remove_device(kernel.as_ref(), network, device, *mark)
        }
        Undo::EndHolder { process, session } => {
            let holder = process::end(kernel, process, &[Signal::Kill]).await;
            let server = match session {
                Some(session) => session::end(session, secrets).await,
                None => Ok(Undone::AlreadyGone),
            };
            match (holder?, server?) {
                (Undone::AlreadyGone, Undone::AlreadyGone) => Ok(Undone::AlreadyGone),
                _ => Ok(Undone::Done),
            }
        }
        Undo::ResumeReplay { dsn, server } => replay::resume(dsn, server, secrets).await,
        Undo::EndPause { process, dsn, server, commands } => {
            pause::end(kernel, process, (dsn, server, *commands), secrets).await
        }
        // The lab's first process ends what is in it when asked; when it does not, its end does.
        Undo::EndLab { process } => process::end(kernel, process, &[Signal::Term, Signal::Kill]).await,
        Undo::RemoveFolder { path, mark } => folder::remove(path, mark).await,
        Undo::All { steps } => all(kernel, steps, owner, secrets).await,
    }
}

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
