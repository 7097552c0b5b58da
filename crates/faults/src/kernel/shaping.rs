//! Queueing disciplines: classes that hurt the packets sent to them, on the devices of a network.

use std::net::SocketAddr;
use std::time::Duration;

use deadstick_core::fault::Impairment;
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::{CapturedQdisc, TrafficClass};

use super::{KernelError, Linux};
use crate::network::{Namespace, ifb, knock, qdisc};

/// A device, and what queues its packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shapeable {
    /// Its name.
    pub device: String,
    /// Its root qdisc.
    pub root: Root,
    /// The minor numbers of our classes that are in use.
    pub minors: Vec<u16>,
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

/// A class to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassSpec {
    /// Its numbers.
    pub id: TrafficClass,
    /// What the packets sent to it suffer.
    pub impairment: Impairment,
    /// By netem; else there is only the rate.
    pub netem: bool,
    /// A root qdisc that somebody set up steps aside.
    pub replacing: bool,
}

/// What the kernel shows of a class of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Packets that have left it.
    pub sent: u64,
    /// Packets it dropped.
    pub dropped: u64,
    /// Packets that wait in it now.
    pub waiting: u64,
    /// Its options are what it was made with, as far as the kernel shows them.
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
    /// Puts a class on a device, below our root qdisc, which is made if need be; no packet goes there by itself.
    ///
    /// # Errors
    /// A root qdisc that somebody set up is there, or the kernel refuses; part of it may be there then.
    fn add_class(
        &self,
        network: &NetworkIdentity,
        device: &str,
        class: &ClassSpec,
    ) -> Result<(), KernelError>;
    /// Makes a device that gives back what it is given, with a class on it; says its number.
    ///
    /// # Errors
    /// The kernel refuses; part of it may be there then.
    fn add_intake(
        &self,
        network: &NetworkIdentity,
        name: &str,
        mark: u32,
        class: &ClassSpec,
    ) -> Result<u32, KernelError>;
    /// What a class of ours has done so far; none when it is not there.
    ///
    /// # Errors
    /// The network is gone, or the kernel does not say.
    fn shown(
        &self,
        network: &NetworkIdentity,
        device: &str,
        class: &ClassSpec,
    ) -> Result<Option<Shown>, KernelError>;
    /// Removes our class from a device, and our root qdisc with the last of them (or at once where no class is named), and
    /// puts back what was captured; says whether there was anything to do.
    ///
    /// # Errors
    /// The network is gone, the kernel refuses, or somebody has set up something else there.
    fn remove_class(
        &self,
        network: &NetworkIdentity,
        device: &str,
        handle: u16,
        class: Option<TrafficClass>,
        put_back: &[CapturedQdisc],
    ) -> Result<bool, KernelError>;
    /// Removes a device of ours; says whether it was there.
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

impl Shaping for Linux {
    fn shapeable(&self, network: &NetworkIdentity) -> Result<Vec<Shapeable>, KernelError> {
        Ok(Namespace::open(network)?.run(qdisc::shapeable)??)
    }

    fn capture(&self, network: &NetworkIdentity, device: &str) -> Result<Vec<CapturedQdisc>, KernelError> {
        let captured = Namespace::open(network)?.run(|| qdisc::capture(device))??;
        qdisc::rehearse(device, &captured)?;
        Ok(captured)
    }

    fn add_class(
        &self,
        network: &NetworkIdentity,
        device: &str,
        class: &ClassSpec,
    ) -> Result<(), KernelError> {
        Namespace::open(network)?.run(|| qdisc::add(device, class))?
    }

    fn add_intake(
        &self,
        network: &NetworkIdentity,
        name: &str,
        mark: u32,
        class: &ClassSpec,
    ) -> Result<u32, KernelError> {
        Namespace::open(network)?.run(|| {
            let link = ifb::make(name, mark)?;
            qdisc::add(name, class)?;
            Ok(link.index)
        })?
    }

    fn shown(
        &self,
        network: &NetworkIdentity,
        device: &str,
        class: &ClassSpec,
    ) -> Result<Option<Shown>, KernelError> {
        Ok(Namespace::open(network)?.run(|| qdisc::shown(device, class))??)
    }

    fn remove_class(
        &self,
        network: &NetworkIdentity,
        device: &str,
        handle: u16,
        class: Option<TrafficClass>,
        put_back: &[CapturedQdisc],
    ) -> Result<bool, KernelError> {
        Namespace::find(network)?.run(|| qdisc::remove(device, handle, class, put_back))?
    }

    fn remove_device(&self, network: &NetworkIdentity, name: &str, mark: u32) -> Result<bool, KernelError> {
        Ok(Namespace::find(network)?.run(|| ifb::remove(name, mark))??)
    }

    fn knock(
        &self,
        network: &NetworkIdentity,
        peer: SocketAddr,
        datagrams: u32,
        patience: Duration,
    ) -> Result<(), KernelError> {
        Namespace::open(network)?.run(|| knock::knock(peer, datagrams, patience))?
    }
}
