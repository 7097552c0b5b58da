//! A file system is full, up to a reserve.
//!
//! A process of ours holds a file without a name: with the process, however it ends, the space comes back.

use std::path::PathBuf;

use deadstick_core::fault::ResolvedTarget;
use deadstick_core::ledger::Undo;
use deadstick_core::units::Size;

use super::holding::Look;
use super::{Means, Prepared, Site, Step, seen, unseen};
use crate::error::FaultError;
use crate::holder::What;
use crate::holder::link::Holder;
use crate::injector::Proof;
use crate::kernel::Space;
use crate::plan::{Planned, PlannedObject};
use crate::undo::{FILL_PREFIX, Secrets};

/// What stays free at least, so that a ledger, a log or a shell's history can still be written.
const LEAST: u64 = 1 << 20;
/// What others may write or remove while it is looked.
const SLACK: u64 = 1 << 20;

/// Plans a full file system.
pub(crate) fn plan(target: &ResolvedTarget, reserve: Size) -> Result<Planned, FaultError> {
    let path = target.path.clone().ok_or_else(|| {
        FaultError::refused(
            format!("disk-fill needs a folder, and {} has none", target.name),
            "name one in the file system by --path",
        )
    })?;
    if reserve.0 < LEAST {
        return Err(FaultError::refused(
            format!("a reserve of {reserve} is as good as nothing"),
            format!("leave {} or more", Size(LEAST)),
        ));
    }
    let objects = vec![PlannedObject::new(
        format!(
            "a file {FILL_PREFIX}… in {}, which loses its name at once and grows until {reserve} stay available",
            path.display()
        ),
        "end the process that holds it, with which the space comes back",
    )];
    Ok(Planned::new(Filled { path, reserve: reserve.0 }, objects))
}

#[derive(Clone, Debug)]
struct Filled {
    path: PathBuf,
    reserve: u64,
}

struct Filling {
    means: Filled,
    before: Space,
}

impl Means for Filled {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let path = self.path.clone();
            let shown = path.display();
            if !path.is_dir() {
                return Err(FaultError::refused(
                    format!("{shown} is no folder"),
                    "name a folder that is there",
                ));
            }
            let own = path.clone();
            let before = site.blocking(move |kernel| kernel.space(&own)).await?;
            if before.available <= self.reserve {
                let what = format!(
                    "the file system of {shown} has only {} available already",
                    Size(before.available)
                );
                return Err(FaultError::refused(what, "leave less"));
            }
            let wanted = before.available - self.reserve;
            if before.is_memory && free_memory().is_some_and(|free| wanted > free / 2) {
                let what = format!(
                    "{shown} lives in memory, and {} more would take most of what is free",
                    Size(wanted)
                );
                return Err(FaultError::refused(what, "leave more, or name a folder on a disk"));
            }
            let file = path.join(format!("{FILL_PREFIX}{}", site.id));
            let holder = site.holder(What::Fill { file: file.clone(), reserve: self.reserve }).await?;
            let undo = Undo::All {
                steps: vec![
                    Undo::EndHolder { process: holder.process.clone(), session: None },
                    // For the moment in which it has its name.
                    Undo::RemoveFill { path: file },
                ],
            };
            Ok(Prepared::held(undo, Secrets::default(), holder, Filling { means: self.clone(), before }))
        })
    }
}

fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()?.saturating_mul(1_024))
}

impl Look for Filling {
    fn look<'a>(&'a mut self, _: &'a Holder, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let (path, reserve) = (self.means.path.clone(), self.means.reserve);
            let now = site.blocking(move |kernel| kernel.space(&path)).await?.available;
            let evidence = format!(
                "of {} {} were available before, now {} are",
                Size(self.before.total),
                Size(self.before.available),
                Size(now)
            );
            Ok(if now <= reserve.saturating_add(SLACK) { seen(evidence) } else { unseen(evidence) })
        })
    }
}
