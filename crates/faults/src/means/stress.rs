//! The machine is busy, through stress-ng; or a control group is, and with it whoever shares its limits.

use std::path::PathBuf;
use std::time::Duration;

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::ledger::Undo;

use super::holding::Look;
use super::processes::own_group;
use super::{Means, Prepared, Site, Step, seen, unseen};
use crate::error::FaultError;
use crate::holder::What;
use crate::holder::link::Holder;
use crate::holder::stress::Work;
use crate::injector::Proof;
use crate::kernel::{Control, KernelError};
use crate::plan::{Planned, PlannedObject};
use crate::undo::{Secrets, until};

/// How long the first work may take to show.
const STARTING: Duration = Duration::from_secs(10);

/// Plans work for the machine.
pub(crate) fn plan(fault: &Fault, target: &ResolvedTarget) -> Result<Planned, FaultError> {
    let Fault::Stress { cpu, memory, io } = fault else {
        return Err(FaultError::refused(format!("{} is no stress", fault.kind()), "plan it by its own kind"));
    };
    let work = Work { cpu: *cpu, memory: memory.map(|size| size.0), io: *io };
    let mut words = Vec::new();
    if *cpu > 0 {
        words.push(format!("{cpu} that compute"));
    }
    if let Some(memory) = memory {
        words.push(format!("one that fills {memory} of memory and touches it"));
    }
    if *io > 0 {
        words.push(format!("{io} that write and sync"));
    }
    if words.is_empty() {
        return Err(FaultError::refused("stress without any work", "give it cpu, memory or io"));
    }
    let place =
        target.cgroup.as_ref().map_or(String::new(), |path| format!(" in control group {}", path.display()));
    let objects = vec![PlannedObject::new(
        format!("workers of stress-ng{place}: {}", words.join(", ")),
        "they end, with their owner too, and by themselves when the lease is over",
    )];
    Ok(Planned::new(Stressed { work, group: target.cgroup.clone() }, objects))
}

#[derive(Clone, Debug)]
struct Stressed {
    work: Work,
    group: Option<PathBuf>,
}

impl Means for Stressed {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let mut folders = Vec::new();
            if let Some(path) = &self.group {
                for control in [Control::Cpu, Control::Memory] {
                    // Refused where deadstick itself is in it.
                    own_group(site, control, path, &[]).await?;
                    let path = path.clone();
                    let places = site.blocking(move |kernel| kernel.places(control, &path)).await?;
                    folders.extend(places.into_iter().map(|place| place.group.folder));
                }
                folders.dedup();
                if folders.is_empty() {
                    let what = format!("no control group {} has a cpu or memory controller", path.display());
                    return Err(FaultError::refused(what, "see deadstick doctor"));
                }
            }
            let holder = site.holder(What::Stress { work: self.work, folders }).await?;
            let undo = Undo::EndHolder { process: holder.process.clone(), session: None };
            Ok(Prepared::held(undo, Secrets::default(), holder, self.clone()))
        })
    }
}

impl Look for Stressed {
    fn look<'a>(&'a mut self, holder: &'a Holder, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let own = [holder.process.clone()];
            let look = || {
                let workers = site.kernel.offspring(&own)?;
                let mut time = Duration::ZERO;
                for worker in &workers {
                    time += site.kernel.time_used(worker)?;
                }
                Ok::<_, KernelError>((workers.len(), time))
            };
            let (_, before) = look()?;
            let began = tokio::time::Instant::now();
            let (mut workers, mut after) = (0, before);
            let busy = until(STARTING, || {
                (workers, after) = look()?;
                Ok::<_, KernelError>(workers > 1 && after > before + Duration::from_millis(20))
            });
            let busy = busy.await?;
            let took = after.saturating_sub(before).as_millis();
            let words = format!(
                "{workers} processes of stress-ng used {took} ms of processor time within {} ms",
                began.elapsed().as_millis()
            );
            Ok(if busy { seen(words) } else { unseen(words) })
        })
    }
}
