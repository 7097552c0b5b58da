//! What means share that choose packets by an owned nftables table: the table as a thing that is held, what can be chosen
//! on this host, and whom a proof can ask.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use deadstick_core::fault::{Direction, Fault, Flow, Peer, ResolvedTarget};
use deadstick_core::identity::NetworkIdentity;

use super::asking::LATEST;
use super::{Site, seen, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::{KernelError, Layer, Table, TableEffect, TableSpec};
use crate::plan::{HostFacts, PlannedObject};
use crate::undo::until;

/// The port that nobody listens on, for packets made only to be dropped and counted.
pub(crate) const DISCARD: u16 = 9;
/// The target's network.
pub(crate) fn network(fault: &Fault, target: &ResolvedTarget) -> Result<NetworkIdentity, FaultError> {
    target.network.clone().ok_or_else(|| {
        FaultError::refused(
            format!("{} needs a network of its own, and {} has none", fault.kind(), target.name),
            "name a network namespace, or a lab whose hosts have networks (shop-postgres)",
        )
    })
}

/// Where tables take their packets on this host.
pub(crate) const fn layer(host: &HostFacts) -> Layer {
    if host.device_hooks { Layer::Device } else { Layer::Internet }
}

/// Whom a proof can talk to: the witness if the fault concerns it, else the first peer named, else anybody on the link.
/// None where our own packets are not among those that are chosen, so that no answer says anything.
pub(crate) fn asked(flow: &Flow, target: &ResolvedTarget) -> Option<SocketAddr> {
    let ours = |peer: &Peer| peer.port.is_none() && target.address.is_some_and(|own| peer.covers(own));
    if flow.is_by_socket() || !flow.from.is_empty() && !flow.from.iter().any(ours) {
        return None;
    }
    let peers = &flow.to;
    match (peers.first(), target.witness) {
        (None, None) => target.address.map(|address| SocketAddr::new(neighbour(address), DISCARD)),
        (None, witness) => witness,
        (Some(_), Some(end)) if peers.iter().any(|peer| peer.includes(end)) => Some(end),
        (Some(peer), _) => Some(SocketAddr::new(peer.address, peer.port.unwrap_or(DISCARD))),
    }
}

/// An address of the same link, whether anybody has it or not.
fn neighbour(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() ^ 1).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() ^ 1).into(),
    }
}

/// Refuses what cannot be chosen on this host, or makes no sense.
pub(crate) fn check(flow: &Flow, host: &HostFacts) -> Result<(), FaultError> {
    if let Some((what, hint)) = flow.nonsense() {
        return Err(FaultError::refused(what, hint));
    }
    if flow.cgroup.is_some() && !host.socket_groups {
        return Err(FaultError::refused(
            "packets cannot be told by control group: nftables on this kernel has no `socket cgroupv2`",
            "name the other ends with --to instead",
        ));
    }
    if flow.user.is_some() && flow.direction == Direction::Ingress {
        return Err(FaultError::refused(
            "what a user's sockets receive cannot be told before they have it",
            "leave the direction out, or say egress",
        ));
    }
    Ok(())
}

/// What a flow narrows, after a comma.
pub(crate) fn said(flow: &Flow) -> String {
    let words = flow.words();
    if words.is_empty() { words } else { format!(",{words}") }
}

pub(crate) const fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Egress => "what it sends",
        Direction::Ingress => "what it receives",
        Direction::Both => "everything both ways",
    }
}

/// A table of ours, as plans print it.
pub(crate) fn owned(network: &NetworkIdentity, what: &str) -> PlannedObject {
    PlannedObject::new(
        format!("nftables table deadstick-… in {network} ({}): {what}", network.inode),
        "remove the table; the kernel does so when its owner dies, and it matches nothing once the lease is over",
    )
}

/// How long packets may take to come by and be counted where nobody is on the link to be asked.
const PATIENCE: Duration = Duration::from_secs(1);
/// The same where only the target can send them.
const ITS_OWN: Duration = Duration::from_secs(5);
/// How often a peer is asked until the rules have chosen something, and how long each time: [`LATEST`] in all.
pub(crate) const ROUNDS: u32 = 40;
pub(crate) const BETWEEN: Duration = Duration::from_millis(250);
const _: () = assert!(BETWEEN.as_millis() * ROUNDS as u128 == LATEST.as_millis());

/// How long packets of a flow may take to come by where nobody is asked, and what to say of that.
pub(crate) const fn unasked(flow: Option<&Flow>) -> (Duration, &'static str) {
    match flow {
        Some(flow) if flow.is_by_socket() || !flow.from.is_empty() => {
            (ITS_OWN, "only what the target sends and receives itself says anything")
        }
        _ => (PATIENCE, "there is no witness to ask"),
    }
}

/// A table that is held, or will be.
#[derive(Default)]
pub(crate) struct Held(Option<Box<dyn Table>>);

impl From<Box<dyn Table>> for Held {
    fn from(table: Box<dyn Table>) -> Self {
        Self(Some(table))
    }
}

impl Held {
    /// Installs it, with what is left of the lease.
    pub(crate) async fn install(
        &mut self,
        site: &Site,
        network: &NetworkIdentity,
        layer: Layer,
        effect: TableEffect,
    ) -> Result<(), FaultError> {
        self.install_for(site.left(), site.table_name(), site, network, layer, effect).await
    }

    /// The same for a shorter time, under another name.
    pub(crate) async fn install_for(
        &mut self,
        lease: Duration,
        name: String,
        site: &Site,
        network: &NetworkIdentity,
        layer: Layer,
        effect: TableEffect,
    ) -> Result<(), FaultError> {
        let spec = TableSpec { name, layer, lease, effect };
        let network = network.clone();
        self.0 = Some(site.blocking(move |kernel| kernel.install(&network, &spec)).await?);
        Ok(())
    }

    /// How many connections it was made for, or ended.
    pub(crate) fn connections(&self) -> usize {
        self.0.as_ref().map_or(0, |table| table.connections())
    }

    /// Lets the rules act for this long from now; not at all for no time. Blocks for a moment.
    pub(crate) fn act_for(&mut self, length: Duration) -> Result<(), KernelError> {
        self.0.as_mut().map_or(Ok(()), |table| table.act_for(length))
    }

    /// How many packets the rules have chosen. Blocks for a moment.
    pub(crate) fn counted(&self) -> Result<u64, KernelError> {
        self.0.as_ref().map_or(Ok(0), |table| table.hits())
    }

    /// Waits until the rules have chosen a packet.
    pub(crate) async fn hits(&self, patience: Duration) -> Result<u64, FaultError> {
        let Some(table) = &self.0 else { return Err(FaultError::Lost) };
        let mut hits = 0;
        until(patience, || {
            hits = table.hits()?;
            Ok::<_, FaultError>(hits > 0)
        })
        .await?;
        Ok(hits)
    }

    /// How many packets the rules have chosen, of those there were and those of a peer that is asked again and again: what
    /// it answers may be late, or lost, before it comes to the rules.
    pub(crate) async fn hits_asking(
        &self,
        site: &Site,
        network: &NetworkIdentity,
        peer: SocketAddr,
    ) -> Result<u64, FaultError> {
        for _ in 0..ROUNDS {
            let hits = self.hits(Duration::ZERO).await?;
            if hits > 0 {
                return Ok(hits);
            }
            let network = network.clone();
            site.blocking(move |kernel| kernel.knock(&network, peer, 0, BETWEEN)).await?;
        }
        self.hits(Duration::ZERO).await
    }

    /// Removes it; whether it was there. What stays nevertheless is seen by the undo that follows.
    pub(crate) async fn release(self) -> bool {
        let Some(table) = self.0 else { return false };
        // Entering the network again to look takes a thread.
        drop(tokio::task::spawn_blocking(move || table.remove()).await);
        true
    }
}

/// Proof by packets that were chosen.
pub(crate) fn by_count(hits: u64, why: &str) -> Proof {
    if hits > 0 {
        seen(format!("{why}; the rules chose {hits} packet{}", if hits == 1 { "" } else { "s" }))
    } else {
        unseen(format!("{why}, and the rules chose no packet"))
    }
}
