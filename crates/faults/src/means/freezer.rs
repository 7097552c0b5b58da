//! A control group stands still: the freezer of either version.

use std::time::Duration;

use deadstick_core::ledger::{GroupValue, Undo};
use futures_util::future::BoxFuture;

use super::{Effect, Prepared, Site, Step, failed, seen, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::{GroupPlace, Kernel, KernelError};
use crate::undo::until;

const STOPPING: Duration = Duration::from_secs(2);

/// The freezer of either version: which file, what it holds before, what freezes.
const fn freezer(version: u8) -> (&'static str, &'static str, &'static str) {
    if version == 2 { ("cgroup.freeze", "0", "1") } else { ("freezer.state", "THAWED", "FROZEN") }
}

/// A group that is not frozen yet, ready to be.
pub(super) async fn freeze(site: &Site, place: GroupPlace) -> Result<Prepared, FaultError> {
    let (file, thawed, frozen) = freezer(place.version);
    let folder = place.group.folder.clone();
    let now = site.blocking(move |kernel| kernel.value(&folder, file)).await?.unwrap_or_default();
    if now != thawed {
        let what =
            format!("control group {} is frozen already ({file}: {now})", place.group.folder.display());
        return Err(FaultError::refused(what, "thaw it first: it is not ours to thaw"));
    }
    let value = GroupValue { file: file.to_owned(), before: now, ours: frozen.to_owned() };
    let undo = Undo::RestoreGroup { group: place.group.clone(), values: vec![value] };
    Ok(Prepared::new(undo, Frozen { place }))
}

/// A control group that is frozen.
struct Frozen {
    place: GroupPlace,
}

impl Effect for Frozen {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        let (file, _, frozen) = freezer(self.place.version);
        let group = self.place.group.clone();
        Box::pin(async move {
            let write = move |kernel: &dyn Kernel| {
                if !kernel.is_there(&group)? {
                    return Ok(false);
                }
                kernel.set_value(&group.folder, file, frozen).map(|()| true)
            };
            if site.blocking(write).await? { Ok(()) } else { Err(failed("the control group is gone")) }
        })
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let folder = &self.place.group.folder;
            let is_frozen = || {
                Ok::<_, KernelError>(if self.place.version == 2 {
                    site.kernel.value(folder, "cgroup.events")?.is_some_and(|text| text.contains("frozen 1"))
                } else {
                    site.kernel.value(folder, "freezer.state")?.is_some_and(|text| text == "FROZEN")
                })
            };
            let began = tokio::time::Instant::now();
            let frozen = until(STOPPING, is_frozen).await?;
            let members = site.kernel.members(folder)?.len();
            let folder = folder.display();
            Ok(match (frozen, members) {
                (true, 0) => {
                    unseen(format!("control group {folder} is frozen, but nobody is in it any more"))
                }
                (true, _) => seen(format!(
                    "the kernel says that control group {folder} stands still with its {members} processes, after {} ms",
                    began.elapsed().as_millis()
                )),
                (false, _) => unseen(format!(
                    "control group {folder} does not stand still after {} s",
                    STOPPING.as_secs()
                )),
            })
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        // The undo that follows thaws.
        Box::pin(async { false })
    }
}
