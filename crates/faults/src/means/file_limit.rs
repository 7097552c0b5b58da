//! Processes cannot open more files.

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::Undo;
use futures_util::future::BoxFuture;

use super::processes::{all_gone, lives, of_target, words};
use super::{Effect, Means, Prepared, Site, Step, seen, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::plan::{Planned, PlannedObject};

/// Plans a limit of open files.
pub(crate) fn plan(fault: &Fault, target: &ResolvedTarget, files: u64) -> Result<Planned, FaultError> {
    let processes = of_target(fault, target)?;
    let what = format!(
        "{}: may have {files} files open; what is open stays open, children inherit it",
        words(&processes)
    );
    let objects = vec![PlannedObject::new(
        what,
        "the old limit is set again, if ours is still there; not for children",
    )];
    Ok(Planned::new(FewFiles { processes, files }, objects))
}

#[derive(Clone, Debug)]
struct FewFiles {
    processes: Vec<ProcessIdentity>,
    files: u64,
}

struct Limiting {
    files: u64,
    /// With what each may open before.
    there: Vec<(ProcessIdentity, u64)>,
}

impl Means for FewFiles {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let files = self.files;
            let there = lives(site, &self.processes).await?;
            let limits = site.blocking(move |kernel| {
                let mut limits = Vec::new();
                for (process, _) in there {
                    if let Some(limit) = kernel.file_limit(&process)? {
                        limits.push((process, limit));
                    }
                }
                Ok(limits)
            });
            let mut there = Vec::new();
            for (process, limit) in limits.await? {
                if limit.soft <= files {
                    let what =
                        format!("process {} may have only {} files open already", process.pid, limit.soft);
                    return Err(FaultError::refused(what, "ask for fewer"));
                }
                there.push((process, limit.soft));
            }
            if there.is_empty() {
                return Err(all_gone(&self.processes));
            }
            let steps = there.iter().map(|(process, before)| Undo::RestoreFileLimit {
                process: process.clone(),
                before: *before,
                ours: files,
            });
            Ok(Prepared::new(Undo::All { steps: steps.collect() }, Limiting { files, there }))
        })
    }
}

impl Effect for Limiting {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        Box::pin(async move {
            let (files, there) = (self.files, self.there.clone());
            let set = site.blocking(move |kernel| {
                let mut set = 0;
                for (process, before) in &there {
                    set += usize::from(kernel.set_file_limit(process, *before, files)?);
                }
                Ok(set)
            });
            let processes: Vec<_> = self.there.iter().map(|(process, _)| process.clone()).collect();
            if set.await? == 0 { Err(all_gone(&processes)) } else { Ok(()) }
        })
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let mut evidence = Vec::new();
            for (process, before) in &self.there {
                let pid = process.pid;
                let Some(limit) = site.kernel.file_limit(process)? else { continue };
                if limit.soft != self.files {
                    return Ok(unseen(format!("process {pid} may have {} files open", limit.soft)));
                }
                let open = site.kernel.open_files(process)?;
                let room = self.files.saturating_sub(open as u64);
                evidence.push(format!(
                    "process {pid} may have {} files open instead of {before}; it has {open}, so {room} more",
                    self.files
                ));
            }
            Ok(if evidence.is_empty() {
                unseen("every one of the processes ended meanwhile")
            } else {
                seen(evidence.join("; "))
            })
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        // The undo that follows sets the old limit.
        Box::pin(async { false })
    }
}
