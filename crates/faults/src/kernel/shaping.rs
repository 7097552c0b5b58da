//! Queueing disciplines: classes that hurt the packets sent to them, on the devices of a network.

mod linux;

use std::net::SocketAddr;
use std::time::Duration;

use deadstick_core::fault::{Flow, Impairment};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::CapturedQdisc;

use super::{KernelError, Layer, Table};

/// A device, and what queues its packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shapeable {
    /// Its name.
    pub device: String,
    /// Its root qdisc.
    pub root: Root,
}

/// A root qdisc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// The kernel's own choice.
    Default,
    /// Ours.
    Ours {
        /// It took the place of one that somebody set up.
        replaced: bool,
    },
    /// Somebody set it up.
    Foreign {
        /// What it is.
        kind: String,
        /// Its major number.
        handle: u32,
    },
}

/// What packets of one way suffer: classes, and the tables that send them there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imposition {
    /// The name of the table that chooses them; ours begin with `deadstick-` and the fault's id.
    pub name: String,
    /// Where it takes them.
    pub layer: Layer,
    /// How long it acts.
    pub lease: Duration,
    /// Which packets: those that are sent, or those that are received.
    pub flow: Flow,
    /// What they suffer.
    pub impairment: Impairment,
    /// What the classes carry.
    pub mark: u32,
    /// The devices that packets are sent by; whether a root qdisc that somebody set up there steps aside.
    pub devices: Vec<(String, bool)>,
}

impl Imposition {
    /// What the number of a mark is made from: as many bits of this as a class carries.
    #[must_use]
    pub const fn mark_of(number: u64) -> u32 {
        crate::network::qdisc::as_mark(number)
    }

    /// The names of its tables.
    #[must_use]
    pub fn tables(&self) -> Vec<String> {
        let adopting = self.flow.is_by_socket().then(|| format!("{}-adopt", self.name));
        std::iter::once(self.name.clone()).chain(adopting).collect()
    }
}

/// What the kernel shows of the classes that a fault's packets go through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Packets that have left them.
    pub sent: u64,
    /// Packets they dropped.
    pub dropped: u64,
    /// Packets that wait in them now.
    pub waiting: u64,
    /// They are all there, and what they were made to be, as far as the kernel shows it.
    pub as_asked: bool,
}

/// What faults ask of queueing disciplines.
pub trait Shaping: Send + Sync {
    /// The devices of a network but loopback and ours.
    ///
    /// # Errors
    /// The network is gone, or the kernel does not say.
    fn shapeable(&self, network: &NetworkIdentity) -> Result<Vec<Shapeable>, KernelError>;
    /// What is needed to put the root qdisc of a device back, with all below it; tried on another device first.
    ///
    /// # Errors
    /// The kernel does not show enough of it.
    fn capture(&self, network: &NetworkIdentity, device: &str) -> Result<Vec<CapturedQdisc>, KernelError>;
    /// Looks whether it can be imposed beside what is there; nothing is touched.
    ///
    /// # Errors
    /// Something is in the way, or the kernel does not say.
    fn fits(&self, network: &NetworkIdentity, imposition: &Imposition) -> Result<(), KernelError>;
    /// Makes the classes on the devices, or on the device that gives back what was received, with those for packets that
    /// other faults choose as well; then installs the tables that send packets there. Nobody else's come between.
    ///
    /// # Errors
    /// Something is in the way, or the kernel refuses; part of it may be there then.
    fn impose(
        &self,
        network: &NetworkIdentity,
        imposition: &Imposition,
    ) -> Result<Vec<Box<dyn Table>>, KernelError>;
    /// What its classes have done so far; none when they are not there.
    ///
    /// # Errors
    /// The network is gone, or the kernel does not say.
    fn shown(&self, network: &NetworkIdentity, imposition: &Imposition)
    -> Result<Option<Shown>, KernelError>;
    /// Removes the classes with a mark from a device, and our root qdisc with the last of all (or at once where no mark is
    /// named), and puts back what was captured; says whether there was anything to do.
    ///
    /// # Errors
    /// The network is gone, the kernel refuses, or somebody has set up something else there.
    fn remove_classes(
        &self,
        network: &NetworkIdentity,
        device: &str,
        handle: u16,
        mark: Option<u32>,
        put_back: &[CapturedQdisc],
    ) -> Result<bool, KernelError>;
    /// Removes a device of ours if nobody's classes are left on it; says whether it did.
    ///
    /// # Errors
    /// The network is gone, or the kernel refuses.
    fn remove_device(&self, network: &NetworkIdentity, name: &str, mark: u32) -> Result<bool, KernelError>;
    /// Sends something to a peer, to be seen by rules and classes: datagrams, and connections whose answers come back.
    /// Blocks up to `patience`.
    ///
    /// # Errors
    /// The network is gone, or gives no socket.
    fn knock(
        &self,
        network: &NetworkIdentity,
        peer: SocketAddr,
        datagrams: u32,
        patience: Duration,
    ) -> Result<(), KernelError>;
}
