//! A file is locked, by `flock` or by `fcntl`.

use std::path::PathBuf;

use deadstick_core::fault::{FileLockCall, LockMode, ResolvedTarget};
use deadstick_core::ledger::Undo;

use super::holding::Look;
use super::{Means, Prepared, Site, Step, seen, unseen};
use crate::error::FaultError;
use crate::holder::What;
use crate::holder::file_lock::{open, try_lock};
use crate::holder::link::Holder;
use crate::injector::Proof;
use crate::plan::{Planned, PlannedObject};
use crate::undo::Secrets;

/// Plans a lock on a file.
pub(crate) fn plan(target: &ResolvedTarget, by: FileLockCall, mode: LockMode) -> Result<Planned, FaultError> {
    let path = target.path.clone().ok_or_else(|| {
        FaultError::refused(
            format!("file-lock needs a file, and {} has none", target.name),
            "name it by --path",
        )
    })?;
    let objects = vec![PlannedObject::new(
        format!("file {}: locked by {by} ({mode})", path.display()),
        "end the process that holds it",
    )];
    Ok(Planned::new(Locked { path, by, mode }, objects))
}

#[derive(Clone, Debug)]
struct Locked {
    path: PathBuf,
    by: FileLockCall,
    mode: LockMode,
}

impl Means for Locked {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let Self { path, by, mode } = self.clone();
            let holder = site.holder(What::FileLock { path, by, mode }).await?;
            let undo = Undo::EndHolder { process: holder.process.clone(), session: None };
            Ok(Prepared::held(undo, Secrets::default(), holder, self.clone()))
        })
    }
}

impl Look for Locked {
    fn look<'a>(&'a mut self, _: &'a Holder, _: &'a Site) -> Step<'a, Proof> {
        let Locked { path, by, mode } = self.clone();
        Box::pin(async move {
            // A shared lock keeps out only who wants the file alone.
            let tried = tokio::task::spawn_blocking(move || {
                let file = open(&path, by, LockMode::Exclusive)?;
                try_lock(&file, by, LockMode::Exclusive)
            });
            Ok(match tried.await.map_err(|_| FaultError::Lost)? {
                Ok(false) => seen(format!(
                    "a second process of the same file would wait: {by} gives it no lock ({mode})"
                )),
                Ok(true) => unseen(format!("{by} gives the same file to somebody else, too")),
                Err(error) => unseen(format!("the lock could not be tried from outside: {error}")),
            })
        })
    }
}
