//! Worlds for kills that several test programs need: a process, and a host with a link.

use std::time::Duration;

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_faults::kernel::{Linux, Networks, Reach};
use deadstick_faults::process::{self, Life};

use super::matrix::World;
use super::{Pair, Victim, WITNESS, fault};

/// A process that is stopped.
pub(crate) struct Paused(pub(crate) Victim);

impl World for Paused {
    fn fault(&self) -> Fault {
        fault("pause")
    }
    fn target(&self) -> ResolvedTarget {
        self.0.target()
    }
    fn is_as_before(&self) -> bool {
        process::life(&process::of(self.0.0.id()).expect("it runs")).expect("readable") == Life::Running
    }
}

/// A host whose link a fault cuts.
pub(crate) struct Cut(pub(crate) Pair, pub(crate) Fault);

impl World for Cut {
    fn fault(&self) -> Fault {
        self.1.clone()
    }
    fn target(&self) -> ResolvedTarget {
        self.0.target()
    }
    fn is_as_before(&self) -> bool {
        let network = self.target().network.expect("a network");
        matches!(Linux.reach(&network, WITNESS.into(), Duration::from_millis(200)), Ok(Reach::Accepted(_)))
    }
}
