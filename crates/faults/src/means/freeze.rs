//! A file system takes no writes: whoever writes, waits.
//!
//! Nothing of deadstick writes there, or it would wait with the rest: what holds the ledger, the program or the files that
//! everybody writes is refused.

use std::path::{Path, PathBuf};
use std::time::Duration;

use deadstick_core::fault::ResolvedTarget;
use deadstick_core::ledger::Undo;
use futures_util::future::BoxFuture;

use super::{Effect, Means, Prepared, Site, Step, failed, seen, unseen};
use crate::error::FaultError;
use crate::holder::What;
use crate::holder::link::Holder;
use crate::injector::Proof;
use crate::plan::{Planned, PlannedObject};
use crate::process;

/// How long a write must wait before it counts as held up: it took a moment before.
const HELD_UP: Duration = Duration::from_millis(400);

/// Plans a frozen file system.
pub(crate) fn plan(target: &ResolvedTarget) -> Result<Planned, FaultError> {
    let path = target.path.clone().ok_or_else(|| {
        FaultError::refused(
            format!("fs-freeze needs a folder, and {} has none", target.name),
            "name one in the file system by --path",
        )
    })?;
    let objects = vec![PlannedObject::new(
        format!("the file system of {}: frozen, whoever writes to it waits", path.display()),
        "it thaws; what waited goes on",
    )];
    Ok(Planned::new(Frozen { path }, objects))
}

#[derive(Clone, Debug)]
struct Frozen {
    path: PathBuf,
}

struct Freezing {
    folder: PathBuf,
    /// Writes once when told so. It holds nothing: after the thaw it ends by itself.
    writer: Holder,
}

impl Means for Frozen {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let path = self.path.clone();
            let folder =
                if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("/")).to_owned() };
            let device = refuse_vital(site, &folder).await?;
            // It writes once now: on a file system that somebody else has frozen, it waits.
            let writer =
                site.holder(What::Write { folder: folder.clone() }).await.map_err(|error| match error {
                    refused @ FaultError::Refused { .. } => refused,
                    other => {
                        let what = format!(
                            "nobody can write to {}: it may be frozen already ({other})",
                            folder.display()
                        );
                        let thaw = format!(
                            "thaw it first, if it is yours: fsfreeze --unfreeze {}",
                            folder.display()
                        );
                        FaultError::refused(what, thaw)
                    }
                })?;
            let boot = process::boot_id().map_err(|error| failed(error.to_string()))?;
            let undo = Undo::Thaw { path: folder.clone(), device, boot };
            Ok(Prepared::new(undo, Freezing { folder, writer }))
        })
    }
}

/// The device of the file system, if nothing that must go on is on it.
async fn refuse_vital(site: &Site, folder: &Path) -> Result<u64, FaultError> {
    let vital = [
        (PathBuf::from("/"), "is the root of this machine"),
        (site.ledger.clone(), "holds deadstick's ledger"),
        (site.program.clone(), "holds deadstick's program"),
        (std::env::temp_dir(), "holds the temporary files of everybody"),
        (PathBuf::from("/run"), "holds the state of running services"),
        (PathBuf::from("/dev"), "holds devices"),
        (PathBuf::from("/proc"), "is the kernel's"),
        (PathBuf::from("/sys"), "is the kernel's"),
    ];
    let own = folder.to_owned();
    let found = site.blocking(move |kernel| {
        let device = kernel.device(&own)?;
        for (path, why) in vital {
            // A ledger that is about to be made is where its folder is.
            let other = match (kernel.device(&path)?, path.parent()) {
                (None, Some(parent)) => kernel.device(parent)?,
                (other, _) => other,
            };
            if device.is_some() && other == device {
                return Ok(Err(Some(why)));
            }
        }
        Ok(device.ok_or(None))
    });
    found.await?.map_err(|why| match why {
        Some(why) => FaultError::refused(
            format!("the file system of {} {why}", folder.display()),
            "name a folder on a file system of its own",
        ),
        None => {
            FaultError::refused(format!("there is no {}", folder.display()), "name a folder that is there")
        }
    })
}

impl Effect for Freezing {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        let folder = self.folder.clone();
        Box::pin(async move {
            // Not given up half way: a freeze goes on to its end, and only then can it be taken back.
            if site.blocking(move |kernel| kernel.freeze(&folder)).await? {
                Ok(())
            } else {
                Err(failed("somebody else has just frozen it"))
            }
        })
    }

    fn prove<'a>(&'a mut self, _: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let folder = self.folder.display();
            Ok(match tokio::time::timeout(HELD_UP, self.writer.take_hold()).await {
                Err(_) => seen(format!(
                    "another process wrote to {folder} at once before; now its write waits, for {} ms so far",
                    HELD_UP.as_millis()
                )),
                Ok(Ok(())) => unseen(format!("another process still writes to {folder}")),
                Ok(Err(why)) => unseen(format!("another process could not try to write to {folder}: {why}")),
            })
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        // The undo that follows thaws; the writer's input ends here, and it ends with its write.
        Box::pin(async { false })
    }
}
