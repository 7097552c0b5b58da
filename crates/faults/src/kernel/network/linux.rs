//! The real kernel's networks.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::linux::fs::MetadataExt;
use std::path::{Component, Path};
use std::time::Duration;

use deadstick_core::fault::Peer;
use deadstick_core::identity::NetworkIdentity;

use super::{Conversation, Group, Networks, Reach, Table, TableEffect, TableSpec};
use crate::cgroup;
use crate::kernel::{KernelError, Linux};
use crate::network::links::Link;
use crate::network::{Namespace, Netlink, addresses, diag, groups, links, nft, ping, witness};

impl Networks for Linux {
    fn install(&self, network: &NetworkIdentity, spec: &TableSpec) -> Result<Box<dyn Table>, KernelError> {
        let namespace = Namespace::open(network)?;
        let flow = spec.effect.flow();
        if matches!(&spec.effect, TableEffect::Forward { flow, .. } if flow.is_by_socket()) {
            return Err(KernelError::NoSocketYet);
        }
        let group = flow.and_then(|flow| flow.cgroup.as_deref()).map(control_group).transpose()?;
        // Connections know the group they were made in, which may be one below.
        let groups = match (&spec.effect, flow.and_then(|flow| flow.cgroup.as_deref())) {
            (TableEffect::Hush { .. }, Some(group)) => groups::numbers(group)?,
            _ => BTreeSet::new(),
        };
        let (netlink, links, connections) = namespace.run(|| {
            let links = if matches!(spec.effect, TableEffect::Questions { .. }) {
                // A resolver on loopback is a name server like any other.
                let lo = Link { index: links::LOOPBACK_INDEX, name: "lo".to_owned() };
                links::links()?.into_iter().chain([lo]).collect()
            } else {
                chosen_links(flow.and_then(|flow| flow.iface.as_deref()))?
            };
            let old = match &spec.effect {
                TableEffect::Hush { flow } => diag::chosen(flow, &groups)?,
                _ => Vec::new(),
            };
            let mut netlink = Netlink::open(libc::NETLINK_NETFILTER)?;
            nft::install(&mut netlink, spec, &links, &old, group.as_ref())?;
            let mut connections = old.len();
            if let TableEffect::Redirect { peer, .. } = &spec.effect {
                // Connections made before the table would never meet the rule: ended, so that they are made again.
                let old = with_peers(diag::connections()?, &[Peer::from(*peer)]);
                connections = old.len();
                old.iter().try_for_each(diag::destroy)?;
            }
            Ok::<_, KernelError>((netlink, links, connections))
        })??;
        Ok(Box::new(OwnedTable { netlink, namespace, spec: spec.clone(), links, connections }))
    }

    fn has_table(&self, network: &NetworkIdentity, name: &str) -> Result<bool, KernelError> {
        Ok(Namespace::find(network)?.run(|| nft::is_there(name))??)
    }

    fn addresses(&self, network: &NetworkIdentity) -> Result<Vec<IpAddr>, KernelError> {
        Ok(addresses(network)?.into_iter().map(|one| one.address).collect())
    }

    fn reach(
        &self,
        network: &NetworkIdentity,
        peer: SocketAddr,
        patience: Duration,
    ) -> Result<Reach, KernelError> {
        Namespace::open(network)?.run(|| witness::connect(peer, patience).map(|(reach, _)| reach))?
    }

    fn ping(
        &self,
        network: &NetworkIdentity,
        peer: IpAddr,
        length: u16,
        patience: Duration,
    ) -> Result<Option<Duration>, KernelError> {
        Namespace::open(network)?.run(|| ping::ping(peer, length, patience))?
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

/// The devices that a table is about.
fn chosen_links(iface: Option<&str>) -> Result<Vec<Link>, KernelError> {
    let links = links::links()?;
    let Some(iface) = iface else {
        return if links.is_empty() { Err(KernelError::NoLink) } else { Ok(links) };
    };
    let (chosen, others): (Vec<_>, Vec<_>) = links.into_iter().partition(|link| link.name == iface);
    if chosen.is_empty() {
        let others = others.into_iter().map(|link| link.name).collect();
        return Err(KernelError::NoDevice { device: iface.to_owned(), others });
    }
    Ok(chosen)
}

/// What a control group is to the kernel.
fn control_group(path: &Path) -> Result<Group, KernelError> {
    let failed = |source| KernelError::Call { doing: "find the control group of the packets", source };
    let unified = cgroup::hierarchies()?.into_iter().find(|one| one.version == 2);
    let unified = unified.ok_or_else(|| failed(io::Error::other("no unified hierarchy is mounted")))?;
    let folder = unified.folder(path);
    let number = fs::metadata(&folder).map_err(failed)?.st_ino();
    let steps =
        unified.path(&folder).components().filter(|part| matches!(part, Component::Normal(_))).count();
    Ok(Group { number, depth: u32::try_from(steps).unwrap_or(u32::MAX) })
}

/// A table and the socket it lives by.
struct OwnedTable {
    netlink: Netlink,
    namespace: Namespace,
    spec: TableSpec,
    links: Vec<Link>,
    connections: usize,
}

impl Table for OwnedTable {
    fn hits(&self) -> Result<u64, KernelError> {
        Ok(self.namespace.run(|| nft::hits(&self.spec))??)
    }

    fn connections(&self) -> usize {
        self.connections
    }

    fn act_for(&mut self, length: Duration) -> Result<(), KernelError> {
        Ok(nft::act_for(&mut self.netlink, &self.spec, &self.links, length)?)
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
