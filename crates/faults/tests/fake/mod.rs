//! A kernel that records what is asked of it: a host with one process and one link to a witness.
//!
//! What there is to know of processes is here; [`network`] has the link, [`machine`] the rest of the host.

pub(crate) mod machine;
mod network;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use deadstick_core::fault::{Signal, Target};
use deadstick_core::identity::ProcessIdentity;
use deadstick_faults::kernel::{Delivery, KernelError, Processes, Reception, Sent, TableEffect, TableSpec};
use deadstick_faults::process::Life;

use machine::Machine;

/// A host with one process and one link to a witness.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) stopped: bool,
    pub(crate) ended: bool,
    pub(crate) tables: Vec<TableSpec>,
    /// Device and mark.
    pub(crate) classes: Vec<(String, u32)>,
    pub(crate) calls: Vec<String>,
    pub(crate) machine: Machine,
    /// Packets that tables dropped.
    pub(crate) hits: u64,
    /// Tables are taken and do nothing, as on an interface that carries no traffic.
    pub(crate) inert: bool,
}

/// The kernel of that host.
#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<World>>);

impl Fake {
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut self.0.lock().expect("not poisoned"))
    }

    fn silent(&self) -> bool {
        self.with(|world| {
            let silences =
                |table: &TableSpec| matches!(table.effect, TableEffect::Silence | TableEffect::Cut { .. });
            let silent = !world.inert && world.tables.iter().any(silences);
            world.hits += u64::from(silent);
            silent
        })
    }
}

impl Processes for Fake {
    fn life(&self, process: &ProcessIdentity) -> Result<Life, KernelError> {
        Ok(self.with(|world| {
            match (world.ended || process.start_ticks != identity().start_ticks, world.stopped) {
                (true, _) => Life::Gone,
                (_, true) => Life::Stopped,
                _ => Life::Running,
            }
        }))
    }

    fn signal(&self, process: &ProcessIdentity, what: Sent) -> Result<Delivery, KernelError> {
        if self.life(process)? == Life::Gone {
            return Ok(Delivery::Gone);
        }
        self.with(|world| {
            world.calls.push(format!("{what:?}"));
            match what {
                Sent::End(_) => world.ended = true,
                Sent::Stop => world.stopped = true,
                Sent::Continue => world.stopped = false,
            }
        });
        Ok(Delivery::Sent)
    }

    fn reception(&self, process: &ProcessIdentity, _: Signal) -> Result<Option<Reception>, KernelError> {
        Ok((self.life(process)? != Life::Gone).then_some(Reception::Default))
    }

    fn find(&self, _: &Target) -> Result<Vec<ProcessIdentity>, KernelError> {
        Ok(vec![identity()])
    }

    fn time_used(&self, _: &ProcessIdentity) -> Result<Duration, KernelError> {
        Ok(Duration::ZERO)
    }

    fn offspring(&self, _: &[ProcessIdentity]) -> Result<Vec<ProcessIdentity>, KernelError> {
        Ok(Vec::new())
    }
}

/// The one process.
pub(crate) fn identity() -> ProcessIdentity {
    ProcessIdentity { pid: 4_000_000, start_ticks: 77, boot: "fake".to_owned() }
}
