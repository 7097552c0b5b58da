//! Processes get little processor time or memory: a limit on their own control group, or on one they are moved into.

use std::path::PathBuf;
use std::time::Duration;

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::{GroupValue, Undo};
use deadstick_core::units::{Cpus, Size};
use futures_util::future::BoxFuture;

use super::nest::{Nest, nests};
use super::processes::{all_gone, lives, of_target, own_group, words};
use super::{Effect, Means, Prepared, Site, Step, failed, seen, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::{Control, GroupPlace, KernelError};
use crate::plan::{Planned, PlannedObject};

/// Below this nothing runs: it is for `oom`.
const LEAST_MEMORY: u64 = 64 << 10;
/// How long is looked at how the processes fare.
const LOOK: Duration = Duration::from_millis(400);

/// What is limited, and to how much.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    Cpu(Cpus),
    Memory(Size),
}

impl Limit {
    const fn control(self) -> Control {
        match self {
            Self::Cpu(_) => Control::Cpu,
            Self::Memory(_) => Control::Memory,
        }
    }

    /// What is written into which file, in this order, as the kernel gives it back.
    pub(crate) fn values(self, version: u8) -> Vec<(&'static str, String)> {
        match self {
            Self::Cpu(Cpus(thousandths)) => {
                // The kernel takes no quota below a millisecond, and no period above a second.
                let period: u64 = if thousandths >= 10 { 100_000 } else { 1_000_000 };
                let quota = u64::from(thousandths) * period / 1_000;
                if version == 2 {
                    vec![("cpu.max", format!("{quota} {period}"))]
                } else {
                    vec![("cpu.cfs_period_us", period.to_string()), ("cpu.cfs_quota_us", quota.to_string())]
                }
            }
            Self::Memory(Size(bytes)) => {
                // The kernel counts whole pages.
                let page = rustix::param::page_size() as u64;
                let bytes = (bytes / page * page).to_string();
                if version == 2 {
                    vec![("memory.max", bytes), ("memory.swap.max", "0".to_owned())]
                } else {
                    vec![("memory.limit_in_bytes", bytes.clone()), ("memory.memsw.limit_in_bytes", bytes)]
                }
            }
        }
    }

    /// Where the kernel has no such file, there is nothing to limit: swap is not counted.
    fn is_optional(file: &str) -> bool {
        file.contains("swap") || file.contains("memsw")
    }

    /// How much a group has now, in the limit's own measure; none where it has as much as it wants.
    fn present(self, values: &[GroupValue]) -> Option<u64> {
        let before =
            |file: &str| values.iter().find(|value| value.file == file).map(|value| value.before.as_str());
        let share = |quota: &str, period: &str| {
            Some(quota.parse::<u64>().ok()?.saturating_mul(1_000) / period.parse::<u64>().ok()?.max(1))
        };
        match self {
            Self::Cpu(_) => match before("cpu.max") {
                Some(text) => text.split_once(' ').and_then(|(quota, period)| share(quota, period)),
                None => share(before("cpu.cfs_quota_us")?, before("cpu.cfs_period_us")?),
            },
            Self::Memory(_) => before("memory.max").or_else(|| before("memory.limit_in_bytes"))?.parse().ok(),
        }
    }

    const fn asked(self) -> u64 {
        match self {
            Self::Cpu(Cpus(thousandths)) => thousandths as u64,
            Self::Memory(Size(bytes)) => bytes,
        }
    }

    fn words(self) -> String {
        match self {
            Self::Cpu(cpus) => format!("{cpus} processors"),
            Self::Memory(memory) => format!("{memory} of memory"),
        }
    }
}

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
    let (what, files) = (limit.words(), files(limit));
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

const fn files(limit: Limit) -> &'static str {
    match limit {
        Limit::Cpu(_) => "cpu.max, or cpu.cfs_quota_us and its period",
        Limit::Memory(_) => "memory.max without swap, or memory.limit_in_bytes with swap",
    }
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
            FaultError::refused(
                format!("control group {shown} has no {file}"),
                "switch the controller on above it",
            )
        })?;
        if self.limit.present(&values).is_some_and(|present| present <= self.limit.asked()) {
            let what = format!("control group {shown} has {} or less already", self.limit.words());
            return Err(FaultError::refused(what, "ask for less"));
        }
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

/// Memory that belongs to no file, of either version's `memory.stat`.
fn bound_memory(stat: &str) -> Option<u64> {
    let number = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    number("anon ").or_else(|| number("total_rss "))
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
                let (file, ours) = limit.values(version).remove(0);
                let now = site.kernel.value(&folder, file)?.unwrap_or_default();
                let members = site.kernel.members(&folder)?.len();
                let shown = folder.display();
                if now != ours || members == 0 {
                    return Ok(unseen(format!("{shown}: {file} is {now:?} for {members} processes")));
                }
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
                evidence.push(format!("{shown}: {file} is {now} for {members} processes; {did}"));
            }
            Ok(seen(evidence.join("; ")))
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        // The undo that follows takes it back.
        Box::pin(async { false })
    }
}

/// What the kernel counts in a group, under the names of either version.
#[derive(Default)]
struct Counters {
    periods: u64,
    held_back: u64,
    usage: u64,
}

fn counters(site: &Site, folder: &std::path::Path) -> Result<Counters, KernelError> {
    let read = |file: &str| Ok::<_, KernelError>(site.kernel.value(folder, file)?.unwrap_or_default());
    let number = |text: &str, name: &str| -> u64 {
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0)
    };
    let (cpu, events) = (read("cpu.stat")?, read("memory.events")?);
    let first = |texts: [String; 2]| texts.iter().find_map(|text| text.trim().parse().ok()).unwrap_or(0);
    Ok(Counters {
        periods: number(&cpu, "nr_periods "),
        held_back: number(&cpu, "nr_throttled ")
            + number(&events, "max ")
            + read("memory.failcnt")?.trim().parse().unwrap_or(0),
        usage: first([read("memory.current")?, read("memory.usage_in_bytes")?]),
    })
}
