//! The kernel ends processes for lack of memory.
//!
//! They are moved into a control group of ours with hardly any memory, and a process of ours asks for more there. What they
//! had before is counted elsewhere and would not do: an idle process asks for nothing. The kernel ends whom it scores
//! highest, so their scores are raised above that of ours.

use std::time::Duration;

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::Undo;
use deadstick_core::units::Size;
use futures_util::future::{BoxFuture, join_all};

use super::limit::Limit;
use super::nest::{Nest, nests};
use super::processes::{all_gone, lives, of_target, words};
use super::{Effect, Means, Prepared, Site, Step, failed, seen, unseen};
use crate::error::FaultError;
use crate::holder::What;
use crate::holder::link::Holder;
use crate::injector::Proof;
use crate::kernel::{Control, KernelError};
use crate::plan::{Planned, PlannedObject};
use crate::process::Life;
use crate::undo::until;

const ENDING: Duration = Duration::from_secs(5);
/// What the group has. A score is worth a share of this, and must outweigh what a process of ours takes.
const MEMORY: Size = Size(32 << 20);
/// The highest score there is.
const FIRST_TO_GO: i32 = 1_000;

/// Plans that the target's processes run out of memory.
pub(crate) fn plan(fault: &Fault, target: &ResolvedTarget) -> Result<Planned, FaultError> {
    let processes = of_target(fault, target)?;
    let objects = vec![
        PlannedObject::new(
            format!("a control group deadstick-… with {MEMORY} of memory and no swap: {}", words(&processes)),
            "the group is removed, who is left goes back to where he was; what ended stays ended",
        ),
        PlannedObject::new(
            format!("{}: first to be ended, by oom_score_adj {FIRST_TO_GO}", words(&processes)),
            "who is left gets its old value back, if ours is still there",
        ),
        PlannedObject::new(
            "one process of ours in that group, which asks for more memory than there is".to_owned(),
            "it ends, also when its owner does",
        ),
    ];
    Ok(Planned::new(Starved { processes }, objects))
}

#[derive(Clone, Debug)]
struct Starved {
    processes: Vec<ProcessIdentity>,
}

struct Starving {
    nests: Vec<Nest>,
    /// Who had which score before.
    scores: Vec<(ProcessIdentity, i32)>,
    hogs: Vec<Holder>,
}

impl Means for Starved {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let there = lives(site, &self.processes).await?.into_iter().map(|(process, _)| process).collect();
            let nests = nests(site, Control::Memory, there).await?;
            let (mut hogs, mut steps) = (Vec::new(), Vec::new());
            let mut scores = Vec::new();
            for process in nests.iter().flat_map(|nest| &nest.processes) {
                if let Some(before) = site.kernel.oom_score(process)?.filter(|before| *before != FIRST_TO_GO)
                {
                    scores.push((process.clone(), before));
                    steps.push(Undo::RestoreOomScore { process: process.clone(), before, ours: FIRST_TO_GO });
                }
            }
            for nest in &nests {
                let hog = site.holder(What::Hog { folder: nest.folder.clone() }).await?;
                steps.push(Undo::EndHolder { process: hog.process.clone(), session: None });
                hogs.push(hog);
            }
            steps.extend(nests.iter().map(Nest::undo));
            Ok(Prepared::new(Undo::All { steps }, Starving { nests, scores, hogs }))
        })
    }
}

impl Effect for Starving {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        Box::pin(async move {
            let (nests, scores) = (self.nests.clone(), self.scores.clone());
            let moved = site.blocking(move |kernel| {
                let mut moved = 0;
                for (process, before) in &scores {
                    kernel.set_oom_score(process, *before, FIRST_TO_GO)?;
                }
                for nest in &nests {
                    nest.make(kernel, &[])?;
                    for (file, value) in Limit::Memory(MEMORY).values(nest.home.version) {
                        if kernel.value(&nest.folder, file)?.is_some() {
                            kernel.set_value(&nest.folder, file, &value)?;
                        }
                    }
                    moved += nest.fill(kernel)?;
                }
                Ok(moved)
            });
            if moved.await? == 0 {
                return Err(all_gone(&self.victims()));
            }
            let asking = join_all(self.hogs.iter_mut().map(Holder::take_hold));
            let asked = site.unless_cancelled(asking).await?;
            let Err(why) = asked.into_iter().collect::<Result<(), _>>() else { return Ok(()) };
            // Once nobody else is left, the kernel may end the one who asks, too.
            for process in self.victims() {
                if site.kernel.life(&process)? != Life::Gone {
                    return Err(failed(why));
                }
            }
            Ok(())
        })
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let victims = self.victims();
            for process in &victims {
                if !until(ENDING, || Ok::<_, FaultError>(site.kernel.life(process)? == Life::Gone)).await? {
                    let why = format!("process {} lives on after {} s", process.pid, ENDING.as_secs());
                    return Ok(unseen(why));
                }
            }
            let mut ended = 0;
            for nest in &self.nests {
                ended += ended_by_kernel(site, nest)?;
            }
            let verb = if victims.len() == 1 { "is" } else { "are" };
            let who = words(&victims);
            Ok(if ended == 0 {
                unseen(format!("{who} {verb} gone, but the kernel counts nobody it ended for lack of memory"))
            } else {
                seen(format!("{who} {verb} gone; the kernel counts {ended} that it ended for lack of memory"))
            })
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            join_all(self.hogs.into_iter().map(Holder::let_go)).await;
            true
        })
    }
}

impl Starving {
    fn victims(&self) -> Vec<ProcessIdentity> {
        self.nests.iter().flat_map(|nest| nest.processes.iter().cloned()).collect()
    }
}

fn ended_by_kernel(site: &Site, nest: &Nest) -> Result<u64, KernelError> {
    let file = if nest.home.version == 2 { "memory.events" } else { "memory.oom_control" };
    let text = site.kernel.value(&nest.folder, file)?.unwrap_or_default();
    Ok(text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0))
}
