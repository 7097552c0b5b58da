//! Processes get little processor time or memory: a limit on their own control group, or on one they are moved into.

use std::path::PathBuf;
use std::time::Duration;

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::{GroupValue, Undo};
use deadstick_core::units::Size;
use futures_util::future::BoxFuture;

use super::limit::{Limit, bound_memory, counters};
use super::nest::{Nest, nests};
use super::processes::{all_gone, lives, of_target, own_group, words};
use super::{Effect, Means, Prepared, Site, Step, failed, seen, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::GroupPlace;
use crate::plan::{Planned, PlannedObject};

/// Below this nothing runs: it is for `oom`.
const LEAST_MEMORY: u64 = 64 << 10;
/// How long is looked at how the processes fare.
const LOOK: Duration = Duration::from_millis(400);

/// Plans a limit.
pub(crate) fn plan(fault: &Fault, target: &ResolvedTarget, limit: Limit) -> Result<Planned, FaultError> {
    if let Limit::Memory(Size(..LEAST_MEMORY)) = limit {
        return Err(FaultError::refused(
            format!("{} lets nothing run", limit.words()),
            "ask for 64KiB or more, or for the kind oom",
        ));
    }
    let group = target.cgroup.clone();
    let processes = match &group {
        Some(_) => target.processes().cloned().collect(),
        None => of_target(fault, target)?,
    };
    let (what, files) = (limit.words(), limit.files());
    let objects = match &group {
        Some(path) => vec![PlannedObject::new(
            format!("control group {}: {what} ({files})", path.display()),
            "the old values are written back, each if ours is still there",
        )],
        None => vec![PlannedObject::new(
            format!(
                "a control group deadstick-… with {what} ({files}): {} and what they fork meanwhile{}",
                words(&processes),
                if matches!(limit, Limit::Memory(_)) {
                    "; memory they have already stays with their old group"
                } else {
                    ""
                }
            ),
            "they are moved back to the group they were in, and the group is removed",
        )],
    };
    Ok(Planned::new(Limited { limit, processes, group }, objects))
}

#[derive(Clone, Debug)]
struct Limited {
    limit: Limit,
    processes: Vec<ProcessIdentity>,
    group: Option<PathBuf>,
}

/// Where the limit goes.
enum Where {
    Own(GroupPlace, Vec<GroupValue>),
    Nests(Vec<Nest>),
}

struct Limiting {
    means: Limited,
    place: Where,
}

impl Means for Limited {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let control = self.limit.control();
            if let Some(path) = &self.group
                && let Some(place) = own_group(site, control, path, &self.processes).await?
            {
                let values = self.capture(site, &place).await?;
                let undo = Undo::RestoreGroup { group: place.group.clone(), values: values.clone() };
                return Ok(Prepared::new(
                    undo,
                    Limiting { means: self.clone(), place: Where::Own(place, values) },
                ));
            }
            let there = lives(site, &self.processes).await?.into_iter().map(|(process, _)| process).collect();
            let nests = nests(site, control, there).await?;
            for nest in &nests {
                self.limit.refuse_none(site, &nest.home.group.folder, nest.home.version).await?;
            }
            let undo = Undo::All { steps: nests.iter().map(Nest::undo).collect() };
            Ok(Prepared::new(undo, Limiting { means: self.clone(), place: Where::Nests(nests) }))
        })
    }
}

impl Limited {
    /// The old values, byte for byte. Refuses what would be no limit, and what would end processes.
    async fn capture(&self, site: &Site, place: &GroupPlace) -> Result<Vec<GroupValue>, FaultError> {
        let (folder, wanted) = (place.group.folder.clone(), self.limit.values(place.version));
        let found = site.blocking(move |kernel| {
            let mut values = Vec::new();
            for (file, ours) in wanted {
                match kernel.value(&folder, file)? {
                    Some(before) => values.push(GroupValue { file: file.to_owned(), before, ours }),
                    None if Limit::is_optional(file) => {}
                    None => return Ok(Err(file)),
                }
            }
            Ok(Ok((values, kernel.value(&folder, "memory.stat")?)))
        });
        let shown = place.group.folder.display();
        let (mut values, stat) = found.await?.map_err(|file| {
            let above = place.group.folder.parent().map(|above| above.join("cgroup.subtree_control"));
            FaultError::refused(
                format!("control group {shown} has no {file}"),
                format!(
                    "switch the controller on above it: for a unit `systemctl set-property --runtime UNIT {}`, else \
                     `echo +{} > {}`",
                    self.limit.unit_property(),
                    self.limit.control().word(),
                    above.unwrap_or_default().display()
                ),
            )
        })?;
        self.limit.refuse_none(site, &place.group.folder, place.version).await?;
        let bound = stat.as_deref().and_then(bound_memory).unwrap_or(0);
        if let Limit::Memory(Size(asked)) = self.limit
            && bound > asked
        {
            let what = format!("control group {shown} has {} in use that cannot be let go", Size(bound));
            return Err(FaultError::refused(what, "ask for more, or for the kind oom, which ends processes"));
        }
        values.retain(|value| value.before != value.ours);
        Ok(values)
    }
}

impl Effect for Limiting {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        Box::pin(async move {
            match &self.place {
                Where::Own(place, values) => {
                    let (group, values) = (place.group.clone(), values.clone());
                    let written = site.blocking(move |kernel| {
                        if !kernel.is_there(&group)? {
                            return Ok(false);
                        }
                        for value in &values {
                            kernel.set_value(&group.folder, &value.file, &value.ours)?;
                        }
                        Ok(true)
                    });
                    if written.await? { Ok(()) } else { Err(failed("the control group is gone")) }
                }
                Where::Nests(nests) => {
                    let (nests, limit) = (nests.clone(), self.means.limit);
                    let moved = site.blocking(move |kernel| {
                        let mut moved = 0;
                        for nest in &nests {
                            nest.make(kernel, &[])?;
                            for (file, value) in limit.values(nest.home.version) {
                                if !Limit::is_optional(file) || kernel.value(&nest.folder, file)?.is_some() {
                                    kernel.set_value(&nest.folder, file, &value)?;
                                }
                            }
                            moved += nest.fill(kernel)?;
                        }
                        Ok(moved)
                    });
                    if moved.await? == 0 { Err(all_gone(&self.means.processes)) } else { Ok(()) }
                }
            }
        })
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let limit = self.means.limit;
            let places: Vec<_> = match &self.place {
                Where::Own(place, _) => vec![(place.group.folder.clone(), place.version)],
                Where::Nests(nests) => {
                    nests.iter().map(|nest| (nest.folder.clone(), nest.home.version)).collect()
                }
            };
            let mut evidence = Vec::new();
            for (folder, version) in places {
                let before = counters(site, &folder)?;
                tokio::time::sleep(LOOK).await;
                let members = site.kernel.members(&folder)?.len();
                let shown = folder.display();
                let mut said = Vec::new();
                for (file, ours) in limit.values(version) {
                    let now = site.kernel.value(&folder, file)?;
                    if now.is_none() && Limit::is_optional(file) {
                        continue;
                    }
                    let now = now.unwrap_or_default();
                    if now != ours || members == 0 {
                        return Ok(unseen(format!("{shown}: {file} is {now:?} for {members} processes")));
                    }
                    said.push(format!("{file} is {now}"));
                }
                let said = said.join(", ");
                let after = counters(site, &folder)?;
                let did = match limit {
                    Limit::Cpu(_) => format!(
                        "the kernel held them back in {} of {} periods",
                        after.held_back.saturating_sub(before.held_back),
                        after.periods.saturating_sub(before.periods)
                    ),
                    Limit::Memory(_) => {
                        format!("{} counted, {} times at the limit", Size(after.usage), after.held_back)
                    }
                };
                evidence.push(format!("{shown}: {said} for {members} processes; {did}"));
            }
            Ok(seen(evidence.join("; ")))
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        // The undo that follows takes it back.
        Box::pin(async { false })
    }
}
