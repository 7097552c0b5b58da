//! Networks: tables that choose packets, and peers that tell whether they are reached.

mod linux;
mod table;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use deadstick_core::identity::NetworkIdentity;

use super::KernelError;

pub use table::{Askers, Group, Layer, Table, TableEffect, TableSpec};

/// What a TCP connect met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It was accepted, after this time.
    Accepted(Duration),
    /// Somebody said no, so packets pass both ways.
    Refused(String),
    /// Nothing came back in time.
    Silent,
}

/// A TCP connection kept open to see whether it lives.
pub trait Conversation: Send + Sync {
    /// Sends one byte and waits this long for its acknowledgement.
    ///
    /// # Errors
    /// The connection has ended.
    fn is_heard(&mut self, patience: Duration) -> Result<bool, KernelError>;
}

/// What faults ask of networks.
pub trait Networks: Send + Sync {
    /// Installs a table in a network.
    ///
    /// # Errors
    /// The network is gone, or the kernel refuses.
    fn install(&self, network: &NetworkIdentity, spec: &TableSpec) -> Result<Box<dyn Table>, KernelError>;
    /// Whether a table of this name is in a network.
    ///
    /// # Errors
    /// The network is gone, or the kernel refuses.
    fn has_table(&self, network: &NetworkIdentity, name: &str) -> Result<bool, KernelError>;
    /// The addresses that this network has, but those of loopback.
    ///
    /// # Errors
    /// The network is gone, or the kernel does not say.
    fn addresses(&self, network: &NetworkIdentity) -> Result<Vec<IpAddr>, KernelError>;
    /// Connects by TCP from inside a network. Blocks up to `patience`.
    ///
    /// # Errors
    /// The network is gone, or gives no socket.
    fn reach(
        &self,
        network: &NetworkIdentity,
        peer: SocketAddr,
        patience: Duration,
    ) -> Result<Reach, KernelError>;
    /// Sends an ICMP echo in an IP packet of this length, which is not to be fragmented, and waits for the answer: how
    /// long it took, none when none came. Blocks up to `patience`.
    ///
    /// # Errors
    /// The network is gone, or the packet cannot be sent: the device may not take one of this length.
    fn ping(
        &self,
        network: &NetworkIdentity,
        peer: IpAddr,
        length: u16,
        patience: Duration,
    ) -> Result<Option<Duration>, KernelError>;
    /// Opens a connection from inside a network and keeps it. Blocks up to `patience`.
    ///
    /// # Errors
    /// As [`Networks::reach`], or nobody accepted.
    fn converse(
        &self,
        network: &NetworkIdentity,
        peer: SocketAddr,
        patience: Duration,
    ) -> Result<Box<dyn Conversation>, KernelError>;
    /// Connects, ends its own direction at once, and measures how long the peer takes to end the other one: the delay of
    /// the link, whatever protocol the peer speaks. None when it does not. Blocks up to `patience`.
    ///
    /// # Errors
    /// As [`Networks::reach`].
    fn farewell(
        &self,
        network: &NetworkIdentity,
        peer: SocketAddr,
        patience: Duration,
    ) -> Result<Option<Duration>, KernelError>;
}
