//! The real kernel's networks.

use std::net::SocketAddr;
use std::time::Duration;

use deadstick_core::fault::Peer;
use deadstick_core::identity::NetworkIdentity;

use super::{Conversation, Networks, Reach, Table, TableEffect, TableSpec};
use crate::kernel::{KernelError, Linux};
use crate::network::{Namespace, Netlink, diag, links, nft, witness};

impl Networks for Linux {
    fn install(&self, network: &NetworkIdentity, spec: &TableSpec) -> Result<Box<dyn Table>, KernelError> {
        let namespace = Namespace::open(network)?;
        let (netlink, connections) = namespace.run(|| {
            let links = links::links()?;
            if links.is_empty() {
                return Err(KernelError::NoLink);
            }
            let flows = match &spec.effect {
                TableEffect::Hush { flow } => with_peers(diag::connections()?, &flow.to),
                _ => Vec::new(),
            };
            let mut netlink = Netlink::open(libc::NETLINK_NETFILTER)?;
            nft::install(&mut netlink, spec, &links, &flows)?;
            let mut connections = flows.len();
            if let TableEffect::Redirect { peer, .. } = &spec.effect {
                // Connections made before the table would never meet the rule: ended, so that they are made again.
                let old = with_peers(diag::connections()?, &[Peer::from(*peer)]);
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

fn with_peers(mut connections: Vec<diag::Connection>, peers: &[Peer]) -> Vec<diag::Connection> {
    connections.retain(|one| peers.is_empty() || peers.iter().any(|peer| peer.includes(one.peer)));
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
