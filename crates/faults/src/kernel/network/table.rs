//! Tables of rules: where they take packets, which they choose, and what becomes of those.

use std::net::SocketAddr;
use std::time::Duration;

use deadstick_core::fault::{Flow, Peer, Refusal};

use crate::kernel::KernelError;
use crate::network::nft::PARTS;

/// Where a table takes its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// At the devices: everything passes there, ARP too, and a sender is not told that its packet was dropped.
    Device,
    /// In the internet protocols, for kernels without a hook at the way out of a device: a sender of UDP sees `EPERM`.
    Internet,
}

/// A table to be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// Its name; ours begin with `deadstick-`.
    pub name: String,
    /// Where it takes its packets.
    pub layer: Layer,
    /// How long it acts.
    pub lease: Duration,
    /// What it does.
    pub effect: TableEffect,
}

/// What a table does to packets that cross a device (never to loopback).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableEffect {
    /// Everything is dropped, both ways.
    Silence,
    /// Packets of this flow are dropped.
    Cut {
        /// Which.
        flow: Flow,
    },
    /// Packets of this flow are dropped by chance, each by itself.
    Lose {
        /// Which.
        flow: Flow,
        /// How many of [`TableEffect::PARTS`].
        parts: u32,
    },
    /// Packets of this flow are answered with a refusal, where they come from or go to a socket of that network.
    Refuse {
        /// Which.
        flow: Flow,
        /// With what.
        with: Refusal,
    },
    /// Packets of this flow are dropped when they are large, and the ICMP errors that would say so with them.
    Oversize {
        /// Which.
        flow: Flow,
        /// The length of the largest IP packet that passes.
        above: u16,
    },
    /// Packets of the TCP connections that are established at this moment are dropped.
    Hush {
        /// Only these.
        flow: Flow,
    },
    /// What is sent is counted into a traffic class: the code of this effect into the number of the class, so that packets
    /// which several such tables choose come to the class of those together. Packets that are told by their socket are
    /// taken where no device is known to others yet, and reach their class by [`TableEffect::Adopt`].
    Classify {
        /// Only these packets.
        flow: Flow,
        /// The code.
        code: u16,
        /// What the table says about itself to others.
        said: Vec<u8>,
    },
    /// Packets that were told by their socket are led to the classes of the device they leave by.
    Adopt {
        /// Only over this flow's device.
        flow: Flow,
    },
    /// What is received goes through a traffic class of another device first, one that gives back what it gets (`ifb`); the
    /// class is found as with [`TableEffect::Classify`].
    Forward {
        /// Only these packets.
        flow: Flow,
        /// The code.
        code: u16,
        /// The number of the device.
        device: u32,
        /// What the table says about itself to others.
        said: Vec<u8>,
    },
    /// Questions to name servers, loopback included, end at a local port instead.
    Questions {
        /// Whose.
        askers: Askers,
        /// Where they get to, by UDP and by TCP.
        port: u16,
        /// Sockets with this mark are let through, and those with the mark of an older responder.
        mark: u32,
    },
    /// New outgoing TCP connections to this peer end at a local port instead.
    Redirect {
        /// To whom they wanted.
        peer: SocketAddr,
        /// Where they get to.
        port: u16,
        /// Sockets with this mark are let through.
        mark: u32,
    },
}

impl TableEffect {
    /// A chance is given in parts of this.
    pub const PARTS: u32 = PARTS;

    /// Which packets, where it is not all of them or one peer's.
    #[must_use]
    pub const fn flow(&self) -> Option<&Flow> {
        match self {
            Self::Silence | Self::Questions { .. } | Self::Redirect { .. } => None,
            Self::Cut { flow }
            | Self::Lose { flow, .. }
            | Self::Refuse { flow, .. }
            | Self::Oversize { flow, .. }
            | Self::Hush { flow }
            | Self::Classify { flow, .. }
            | Self::Adopt { flow }
            | Self::Forward { flow, .. } => Some(flow),
        }
    }
}

/// Who asks name servers: what is not given does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Askers {
    /// Only questions to these servers; their ports do not count.
    pub to: Vec<Peer>,
    /// Only sockets of this user.
    pub user: Option<u32>,
    /// Only sockets of this control group and of those below it.
    pub group: Option<Group>,
}

/// A control group of the unified hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// The inode of its folder.
    pub number: u64,
    /// How many groups down from the root it is.
    pub depth: u32,
}

/// An installed table; dropping it removes it.
pub trait Table: Send + Sync {
    /// How many packets its rules have chosen.
    ///
    /// # Errors
    /// The kernel does not say.
    fn hits(&self) -> Result<u64, KernelError>;
    /// How many connections it was made for ([`TableEffect::Hush`]), or ended ([`TableEffect::Redirect`]).
    fn connections(&self) -> usize;
    /// Lets the rules act for this long from now, instead of what they had left; not at all for no time.
    ///
    /// # Errors
    /// The kernel refuses.
    fn act_for(&mut self, length: Duration) -> Result<(), KernelError>;
    /// Removes it and looks whether it is gone.
    ///
    /// # Errors
    /// It is still there.
    fn remove(self: Box<Self>) -> Result<(), KernelError>;
}
