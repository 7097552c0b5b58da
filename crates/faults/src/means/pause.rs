//! Processes stand still: their control group is frozen where they have one of their own, else each is stopped.

use std::path::PathBuf;
use std::time::Duration;

use deadstick_core::fault::{Fault, RedisCommands, ResolvedTarget, Target};
use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::Undo;
use futures_util::future::BoxFuture;

use super::freezer;
use super::processes::{all_gone, lives, of_target, own_group, words};
use super::{Effect, Means, Prepared, Site, Step, seen, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::{Control, Delivery, Sent};
use crate::plan::{Planned, PlannedObject};
use crate::process::Life;
use crate::undo::until;

const STOPPING: Duration = Duration::from_secs(2);

/// Plans that the target's processes stand still.
pub(crate) fn plan(fault: &Fault, target: &ResolvedTarget) -> Result<Planned, FaultError> {
    if let Fault::Pause { commands: RedisCommands::Writes } = fault {
        return Err(FaultError::refused(
            format!("{} is no Redis server, and has no commands of which some could wait", target.name),
            "leave the commands out, or name a server by redis://…",
        ));
    }
    let group = target.cgroup.clone();
    let processes = match &group {
        Some(_) => target.processes().cloned().collect(),
        None => of_target(fault, target)?,
    };
    let object = match &group {
        Some(path) => PlannedObject::new(
            format!(
                "control group {}: frozen, with whatever joins it; where it has no freezer, SIGSTOP to each process",
                path.display()
            ),
            "it thaws (SIGCONT to the same processes)",
        ),
        None => PlannedObject::new(format!("{}: SIGSTOP", words(&processes)), "SIGCONT to the same"),
    };
    // Whoever is found by a pattern may be about to fork: those children would bear the same name.
    let family = matches!(target.found_by, Some(Target::Process(_) | Target::User(_)));
    Ok(Planned::new(Paused { processes, group, family }, vec![object]))
}

#[derive(Clone, Debug)]
struct Paused {
    processes: Vec<ProcessIdentity>,
    group: Option<PathBuf>,
    family: bool,
}

impl Means for Paused {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            if let Some(path) = &self.group
                && let Some(place) = own_group(site, Control::Freezer, path, &self.processes).await?
            {
                return freezer::freeze(site, place).await;
            }
            if self.processes.is_empty() {
                return Err(FaultError::refused("nobody is in the control group", "find the target again"));
            }
            let lives = lives(site, &self.processes).await?;
            let (before, running): (Vec<_>, Vec<_>) =
                lives.into_iter().partition(|(_, life)| *life == Life::Stopped);
            let only =
                |all: Vec<(ProcessIdentity, Life)>| all.into_iter().map(|(process, _)| process).collect();
            let (before, running): (Vec<_>, Vec<_>) = (only(before), only(running));
            if running.is_empty() {
                let what = format!(
                    "{} {} stopped already",
                    words(&before),
                    if before.len() == 1 { "is" } else { "are" }
                );
                return Err(FaultError::refused(what, "let it go on first: it is not ours to resume"));
            }
            let mut except = before;
            let undo = if self.family {
                let all = running.clone();
                let offspring = site.blocking(move |kernel| {
                    let mut stopped = Vec::new();
                    for child in kernel.offspring(&all)? {
                        if kernel.life(&child)? == Life::Stopped {
                            stopped.push(child);
                        }
                    }
                    Ok(stopped)
                });
                except.extend(offspring.await?);
                Undo::ResumeFamily { processes: running.clone(), except: except.clone() }
            } else if let [only] = running.as_slice() {
                Undo::Resume { process: only.clone() }
            } else {
                let steps = running.iter().map(|process| Undo::Resume { process: process.clone() });
                Undo::All { steps: steps.collect() }
            };
            let family = self.family.then_some(except);
            Ok(Prepared::new(undo, Stopped { processes: running, family }))
        })
    }
}

/// Processes that are stopped one by one.
struct Stopped {
    processes: Vec<ProcessIdentity>,
    /// What comes from them is stopped, too, but for these.
    family: Option<Vec<ProcessIdentity>>,
}

impl Effect for Stopped {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        Box::pin(async move {
            let (mut processes, family) = (self.processes.clone(), self.family.clone());
            let all = site.blocking(move |kernel| {
                let mut hit = 0;
                for process in &processes {
                    hit += usize::from(kernel.signal(process, Sent::Stop)? == Delivery::Sent);
                }
                let Some(except) = family else { return Ok((hit, processes)) };
                // Until nobody new is left: what is stopped does not fork any more.
                loop {
                    let born: Vec<_> = kernel
                        .offspring(&processes)?
                        .into_iter()
                        .filter(|child| !except.contains(child) && !processes.contains(child))
                        .collect();
                    if born.is_empty() {
                        return Ok((hit, processes));
                    }
                    for child in &born {
                        kernel.signal(child, Sent::Stop)?;
                    }
                    processes.extend(born);
                }
            });
            let (hit, processes) = all.await?;
            self.processes = processes;
            if hit == 0 { Err(all_gone(&self.processes)) } else { Ok(()) }
        })
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let began = tokio::time::Instant::now();
            let (mut stopped, mut gone) = (0, 0);
            for process in &self.processes {
                let mut life = Life::Running;
                let so = || {
                    life = site.kernel.life(process)?;
                    Ok::<_, FaultError>(life != Life::Running)
                };
                if !until(STOPPING, so).await? {
                    return Ok(unseen(format!(
                        "process {} is not stopped after {} s",
                        process.pid,
                        STOPPING.as_secs()
                    )));
                }
                stopped += usize::from(life == Life::Stopped);
                gone += usize::from(life == Life::Gone);
            }
            let who = words(&self.processes);
            let after = began.elapsed().as_millis();
            let verb = if self.processes.len() == 1 { "is" } else { "are" };
            Ok(match (stopped, gone) {
                (0, _) => unseen(format!("{who} ended meanwhile")),
                (_, 0) => seen(format!("{who} {verb} stopped, in every thread, after {after} ms")),
                _ => seen(format!("{stopped} of {who} are stopped, in every thread; {gone} ended meanwhile")),
            })
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        // The undo that follows sends the other signal.
        Box::pin(async { false })
    }
}
