//! The real kernel.

use std::net::SocketAddr;
use std::time::Duration;

use deadstick_core::fault::{Peer, Signal};
use deadstick_core::identity::{NetworkIdentity, ProcessIdentity};
use rustix::process::{Pid, PidfdFlags, Signal as Number, pidfd_open, pidfd_send_signal};

use super::{Conversation, Delivery, Kernel, KernelError, Reach, Sent, Table, TableEffect, TableSpec};
use crate::network::links::Link;
use crate::network::{Namespace, Netlink, diag, links, nft, qdisc, witness};
use crate::process::{self, Life};

/// The kernel this program runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Linux;

impl Kernel for Linux {
    fn life(&self, process: &ProcessIdentity) -> Result<Life, KernelError> {
        Ok(process::life(process)?)
    }

    fn signal(&self, process: &ProcessIdentity, what: Sent) -> Result<Delivery, KernelError> {
        let call = |doing| move |errno: rustix::io::Errno| KernelError::Call { doing, source: errno.into() };
        let Some(pid) = Pid::from_raw(process.pid.cast_signed()) else { return Ok(Delivery::Gone) };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(rustix::io::Errno::SRCH) => return Ok(Delivery::Gone),
            Err(errno) => return Err(call("open the process")(errno)),
        };
        // Read after opening: what the handle stands for can no longer change, and a later bearer of the pid is seen.
        if process::life(process)? == Life::Gone {
            return Ok(Delivery::Gone);
        }
        match pidfd_send_signal(&handle, number(what)) {
            Ok(()) => Ok(Delivery::Sent),
            Err(rustix::io::Errno::SRCH) => Ok(Delivery::Gone),
            Err(errno) => Err(call("signal the process")(errno)),
        }
    }

    fn install(&self, network: &NetworkIdentity, spec: &TableSpec) -> Result<Box<dyn Table>, KernelError> {
        let namespace = Namespace::open(network)?;
        let (netlink, connections) = namespace.run(|| {
            let links = links::links()?;
            if links.is_empty() {
                return Err(KernelError::NoLink);
            }
            let flows = match &spec.effect {
                TableEffect::Hush { to } => with_peer(diag::connections()?, to.as_ref()),
                _ => Vec::new(),
            };
            let mut netlink = Netlink::open(libc::NETLINK_NETFILTER)?;
            nft::install(&mut netlink, spec, &links, &flows)?;
            let mut connections = flows.len();
            if let TableEffect::Redirect { peer, .. } = &spec.effect {
                // Connections made before the table would never meet the rule: ended, so that they are made again.
                let old = with_peer(diag::connections()?, Some(&Peer::from(*peer)));
                connections = old.len();
                old.iter().try_for_each(diag::destroy)?;
            }
            Ok((netlink, connections))
        })??;
        Ok(Box::new(OwnedTable { netlink, namespace, spec: spec.clone(), connections }))
    }

    fn has_table(&self, network: &NetworkIdentity, name: &str) -> Result<bool, KernelError> {
        Ok(Namespace::find(network)?.run(|| nft::is_there(name))??)
    }

    fn shapeable(&self, network: &NetworkIdentity) -> Result<Vec<String>, KernelError> {
        let roots = Namespace::open(network)?.run(qdisc::roots)??;
        if roots.is_empty() {
            return Err(KernelError::NoLink);
        }
        let free = |(link, foreign): (Link, Option<qdisc::Foreign>)| match foreign {
            None => Ok(link.name),
            Some((kind, handle)) => {
                Err(KernelError::ForeignQdisc { device: link.name, kind, handle: handle >> 16 })
            }
        };
        roots.into_iter().map(free).collect()
    }

    fn make_late(
        &self,
        network: &NetworkIdentity,
        device: &str,
        delay: Duration,
        jitter: Duration,
    ) -> Result<(), KernelError> {
        Ok(Namespace::open(network)?.run(|| qdisc::make_late(device, delay, jitter))??)
    }

    fn remove_root_qdisc(
        &self,
        network: &NetworkIdentity,
        device: &str,
        handle: u16,
    ) -> Result<bool, KernelError> {
        Ok(Namespace::find(network)?.run(|| qdisc::remove_root(device, handle))??)
    }

    fn reach(
        &self,
        network: &NetworkIdentity,
        peer: SocketAddr,
        patience: Duration,
    ) -> Result<Reach, KernelError> {
        Namespace::open(network)?.run(|| witness::connect(peer, patience).map(|(reach, _)| reach))?
    }

    fn converse(
        &self,
        network: &NetworkIdentity,
        peer: SocketAddr,
        patience: Duration,
    ) -> Result<Box<dyn Conversation>, KernelError> {
        let conversation = Namespace::open(network)?.run(|| witness::Open::new(peer, patience))??;
        Ok(Box::new(conversation))
    }

    fn farewell(
        &self,
        network: &NetworkIdentity,
        peer: SocketAddr,
        patience: Duration,
    ) -> Result<Option<Duration>, KernelError> {
        Namespace::open(network)?.run(|| witness::farewell(peer, patience))?
    }
}

const fn number(what: Sent) -> Number {
    match what {
        Sent::End(Signal::Term) => Number::TERM,
        Sent::End(Signal::Int) => Number::INT,
        Sent::End(Signal::Quit) => Number::QUIT,
        Sent::End(Signal::Kill) => Number::KILL,
        Sent::Stop => Number::STOP,
        Sent::Continue => Number::CONT,
    }
}

fn with_peer(mut connections: Vec<diag::Connection>, peer: Option<&Peer>) -> Vec<diag::Connection> {
    if let Some(peer) = peer {
        connections.retain(|one| {
            one.peer.ip() == peer.address && peer.port.is_none_or(|port| port == one.peer.port())
        });
    }
    connections
}

/// A table and the socket it lives by.
struct OwnedTable {
    netlink: Netlink,
    namespace: Namespace,
    spec: TableSpec,
    connections: usize,
}

impl Table for OwnedTable {
    fn hits(&self) -> Result<u64, KernelError> {
        Ok(self.namespace.run(|| nft::hits(&self.spec))??)
    }

    fn connections(&self) -> usize {
        self.connections
    }

    fn remove(self: Box<Self>) -> Result<(), KernelError> {
        let Self { netlink, namespace, spec, .. } = *self;
        drop(netlink);
        if namespace.run(|| nft::is_there(&spec.name))?? {
            let source = std::io::Error::other("the table outlived its socket");
            return Err(KernelError::Call { doing: "remove the nftables table", source });
        }
        Ok(())
    }
}
