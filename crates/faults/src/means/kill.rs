//! Signals: processes end, or do what their program makes of it; once, or whenever they come back.

use std::sync::Arc;
use std::time::Duration;

use deadstick_core::fault::{Fault, ResolvedTarget, Signal, Target};
use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::Undo;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;

use super::processes::{all_gone, lives, of_target, words};
use super::{Cancel, Effect, Means, Prepared, Site, Step, seen, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::{Delivery, Kernel, KernelError, Reception, Sent};
use crate::plan::{Planned, PlannedObject};
use crate::process::Life;
use crate::undo::until;

/// How long a process that was asked to end may take.
const ENDING: Duration = Duration::from_secs(5);
/// How often it is looked for a process that has come back.
const LOOKS: Duration = Duration::from_millis(200);

/// Plans a signal to the target's processes.
pub(crate) fn plan(
    fault: &Fault,
    target: &ResolvedTarget,
    signal: Signal,
    every_restart: bool,
) -> Result<Planned, FaultError> {
    let processes = of_target(fault, target)?;
    let again = target.found_by.clone().filter(|_| every_restart);
    if every_restart && !again.as_ref().is_some_and(can_be_found_again) {
        return Err(FaultError::refused(
            format!("{} cannot be found again after a restart", target.name),
            "name it by --process, --unit, --cgroup or --container, or leave --every-restart out",
        ));
    }
    let undo = "none: a process that ended stays ended";
    let mut objects = vec![PlannedObject::new(format!("{}: SIG{signal}", words(&processes)), undo)];
    if again.is_some() {
        objects.push(PlannedObject::new(
            format!(
                "whoever takes the place of {}: SIG{signal} within {} ms",
                target.name,
                LOOKS.as_millis()
            ),
            "it ends with the lease or with its owner; what ended stays ended",
        ));
    }
    Ok(Planned::new(Signalled { processes, signal, again }, objects))
}

const fn can_be_found_again(target: &Target) -> bool {
    matches!(
        target,
        Target::Process(_) | Target::Unit(_) | Target::Cgroup(_) | Target::Container(_) | Target::User(_)
    )
}

#[derive(Clone, Debug)]
struct Signalled {
    processes: Vec<ProcessIdentity>,
    signal: Signal,
    again: Option<Target>,
}

struct Hit {
    means: Signalled,
    /// Those that were there, and how they take the signal.
    there: Vec<(ProcessIdentity, Reception)>,
    watch: Option<(Cancel, JoinHandle<()>)>,
}

impl Means for Signalled {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let there: Vec<_> =
                lives(site, &self.processes).await?.into_iter().map(|(process, _)| process).collect();
            let signal = self.signal;
            let received = site.blocking(move |kernel| {
                let mut received = Vec::new();
                for process in there {
                    if let Some(reception) = kernel.reception(&process, signal)? {
                        received.push((process, reception));
                    }
                }
                Ok(received)
            });
            let there = received.await?;
            let undo = Undo::Nothing { because: "a process that ended stays ended".to_owned() };
            Ok(Prepared::new(undo, Hit { means: self.clone(), there, watch: None }))
        })
    }
}

impl Effect for Hit {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        Box::pin(async move {
            let (there, signal) = (self.there.clone(), self.means.signal);
            let hit = site.blocking(move |kernel| {
                let mut hit = 0;
                for (process, _) in &there {
                    hit += usize::from(kernel.signal(process, Sent::End(signal))? == Delivery::Sent);
                }
                Ok(hit)
            });
            if hit.await? == 0 {
                return Err(all_gone(&self.means.processes));
            }
            if let Some(target) = self.means.again.clone() {
                let known = self.there.iter().map(|(process, _)| process.clone()).collect();
                let cancel = Cancel::default();
                let watch = Watch {
                    kernel: Arc::clone(&site.kernel),
                    ours: site.ours.clone(),
                    target,
                    signal,
                    known,
                };
                self.watch = Some((cancel.clone(), tokio::spawn(watch.run(cancel))));
            }
            Ok(())
        })
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let signal = self.means.signal;
            let began = tokio::time::Instant::now();
            // With these, what the program makes of them is the effect, and nobody else can see it.
            let informs = matches!(signal, Signal::Hup | Signal::Usr1 | Signal::Usr2);
            let mut taken = 0;
            for (process, reception) in &self.there {
                let pid = process.pid;
                let left = ENDING.saturating_sub(began.elapsed());
                match if_not_put_off(site, process, signal, *reception, left).await? {
                    Reception::Ignored if signal != Signal::Kill => {
                        return Ok(unseen(format!("process {pid} ignores SIG{signal}")));
                    }
                    Reception::Blocked if signal != Signal::Kill => {
                        return Ok(unseen(format!("process {pid} puts SIG{signal} off")));
                    }
                    Reception::Caught if informs => {
                        taken += 1;
                        continue;
                    }
                    _ => {}
                }
                let left = ENDING.saturating_sub(began.elapsed());
                if !until(left, || Ok::<_, FaultError>(site.kernel.life(process)? == Life::Gone)).await? {
                    return Ok(unseen(format!("process {pid} is not gone after {} s", ENDING.as_secs())));
                }
            }
            let gone = self.there.len() - taken;
            let mut words = Vec::new();
            if gone > 0 {
                let who: Vec<_> = self.there.iter().map(|(process, _)| process.clone()).collect();
                let who =
                    if taken == 0 { super::processes::words(&who) } else { format!("{gone} processes") };
                let verb = if gone == 1 { "is" } else { "are" };
                words.push(format!("{who} {verb} gone, after {} ms", began.elapsed().as_millis()));
            }
            if taken > 0 {
                words.push(format!(
                    "SIG{signal} was delivered to {taken} with a handler for it: what that does is its program's business"
                ));
            }
            Ok(seen(words.join("; ")))
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            let Some((cancel, watch)) = self.watch else { return false };
            cancel.cancel();
            // Whoever it was about to hit is hit before this returns, and nobody after.
            drop(watch.await);
            true
        })
    }
}

/// How a process takes a signal after all, where it had put it off: while it starts another one, every program does that
/// for a moment; some do it for good, and have a thread that waits for signals.
async fn if_not_put_off(
    site: &Site,
    process: &ProcessIdentity,
    signal: Signal,
    before: Reception,
    patience: Duration,
) -> Result<Reception, FaultError> {
    let mut reception = before;
    if reception == Reception::Blocked && signal != Signal::Kill {
        until(patience, || {
            // Who is gone has taken it.
            reception = site.kernel.reception(process, signal)?.unwrap_or(Reception::Default);
            Ok::<_, FaultError>(reception != Reception::Blocked)
        })
        .await?;
    }
    Ok(reception)
}

/// Looks for processes that have come back.
struct Watch {
    kernel: Arc<dyn Kernel>,
    ours: Vec<ProcessIdentity>,
    target: Target,
    signal: Signal,
    known: Vec<ProcessIdentity>,
}

impl Watch {
    async fn run(mut self, cancel: Cancel) {
        while cancel.unless(tokio::time::sleep(LOOKS)).await.is_some() {
            let look = tokio::task::spawn_blocking(move || {
                // What cannot be looked at now is looked at next time; a unit between two lives has no processes.
                drop(self.look());
                self
            });
            let Ok(watch) = look.await else { return };
            self = watch;
        }
    }

    fn look(&mut self) -> Result<(), KernelError> {
        for process in self.kernel.find(&self.target)? {
            if !self.known.contains(&process) && !self.ours.contains(&process) {
                self.kernel.signal(&process, Sent::End(self.signal))?;
                self.known.push(process);
            }
        }
        Ok(())
    }
}
