//! Questions on their way to name servers, as the kernel tracks them.

use std::net::SocketAddr;

use deadstick_core::fault::Protocol;
use deadstick_core::identity::NetworkIdentity;

use super::{KernelError, Linux};
use crate::network::{Namespace, conntrack};

/// The port of name servers.
pub(crate) const DNS: u16 = 53;

/// Which tracked conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Questions {
    /// All questions by UDP to name servers. Those by TCP are connections, which can be destroyed.
    All,
    /// Those that were redirected to this port of loopback.
    RedirectedTo(u16),
}

/// What faults ask of connection tracking.
pub trait Tracking: Send + Sync {
    /// Forgets conversations: their next packet is looked at as if it were the first. How many there were.
    ///
    /// # Errors
    /// The network is gone, or the kernel has no connection tracking that can be asked.
    fn forget(&self, network: &NetworkIdentity, which: Questions) -> Result<usize, KernelError>;
}

impl Tracking for Linux {
    fn forget(&self, network: &NetworkIdentity, which: Questions) -> Result<usize, KernelError> {
        let chosen = move |tracked: &conntrack::Tracked| {
            let asked = tracked.original.to;
            let answering: SocketAddr = tracked.reply.from;
            asked.port() == DNS
                && match which {
                    Questions::All => tracked.original.protocol == Protocol::Udp,
                    Questions::RedirectedTo(port) => {
                        answering.ip().is_loopback() && answering.port() == port && answering != asked
                    }
                }
        };
        Ok(Namespace::find(network)?.run(|| conntrack::Conntrack::open()?.forget(chosen))??)
    }
}
