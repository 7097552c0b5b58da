//! Signals: a process ends, or stands still.

use std::time::Duration;

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::Undo;
use futures_util::future::BoxFuture;

use super::{Effect, Means, Prepared, Site, Step, failed, seen, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::{Delivery, Sent};
use crate::plan::{Planned, PlannedObject};
use crate::process::Life;
use crate::undo::until;

/// How long a process that was asked to end may take.
const ENDING: Duration = Duration::from_secs(5);
const STOPPING: Duration = Duration::from_secs(1);

/// Plans a signal to the target's process.
pub(crate) fn plan(fault: &Fault, target: &ResolvedTarget, sent: Sent) -> Result<Planned, FaultError> {
    let process = target.process.clone().ok_or_else(|| {
        FaultError::refused(
            format!("{} needs a process, and {} has none", fault.kind(), target.name),
            "name a process, or start it first",
        )
    })?;
    let (word, undo) = match sent {
        Sent::End(signal) => (format!("SIG{signal}"), "none: a process that ended stays ended"),
        Sent::Stop | Sent::Continue => ("SIGSTOP".to_owned(), "SIGCONT to the same process"),
    };
    let objects = vec![PlannedObject::new(format!("process {}: {word}", process.pid), undo)];
    Ok(Planned::new(Signalled { process, sent }, objects))
}

#[derive(Clone, Debug)]
struct Signalled {
    process: ProcessIdentity,
    sent: Sent,
}

impl Means for Signalled {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let process = &self.process;
            if site.ours.contains(process) {
                let what = format!("process {} is deadstick itself", process.pid);
                return Err(FaultError::refused(what, "name another process"));
            }
            let target = process.clone();
            match (site.blocking(move |kernel| kernel.life(&target)).await?, self.sent) {
                (Life::Gone, _) => {
                    let what = format!("process {} is gone", process.pid);
                    return Err(FaultError::refused(what, "find the target again"));
                }
                (Life::Stopped, Sent::Stop) => {
                    let what = format!("process {} is stopped already", process.pid);
                    return Err(FaultError::refused(what, "let it go on first: it is not ours to resume"));
                }
                _ => {}
            }
            let undo = match self.sent {
                Sent::Stop => Undo::Resume { process: process.clone() },
                _ => Undo::Nothing { because: "a process that ended stays ended".to_owned() },
            };
            Ok(Prepared::new(undo, self.clone()))
        })
    }
}

impl Effect for Signalled {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        Box::pin(async move {
            let (process, sent) = (self.process.clone(), self.sent);
            match site.blocking(move |kernel| kernel.signal(&process, sent)).await? {
                Delivery::Sent => Ok(()),
                Delivery::Gone => Err(failed("the process has ended")),
            }
        })
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let (wanted, words, patience) = match self.sent {
                Sent::End(_) => (Life::Gone, "gone", ENDING),
                _ => (Life::Stopped, "stopped, in every thread", STOPPING),
            };
            let (pid, began) = (self.process.pid, tokio::time::Instant::now());
            let so = || Ok::<_, FaultError>(site.kernel.life(&self.process)? == wanted);
            Ok(if until(patience, so).await? {
                seen(format!("process {pid} is {words}, after {} ms", began.elapsed().as_millis()))
            } else {
                unseen(format!("process {pid} is not {words} after {} s", patience.as_secs()))
            })
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        // The undo that follows sends the other signal.
        Box::pin(async { false })
    }
}
