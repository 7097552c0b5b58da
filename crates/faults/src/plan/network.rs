//! Plans of network faults: which packets, by which means, and whom a proof asks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use deadstick_core::fault::{Direction, Fault, Peer, ResolvedTarget};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::units::HumanDuration;

use super::{Action, HostFacts, PlannedObject, object};
use crate::error::FaultError;
use crate::kernel::{Layer, TableEffect};

/// The port that nobody listens on, for packets made only to be dropped and counted.
pub(crate) const DISCARD: u16 = 9;

fn network(kind: &str, target: &ResolvedTarget) -> Result<NetworkIdentity, FaultError> {
    target.network.clone().ok_or_else(|| {
        FaultError::refused(
            format!("{kind} needs a network of its own, and {} has none", target.name),
            "name a network namespace, or a lab whose hosts have networks (shop-postgres)",
        )
    })
}

/// Whom a proof can talk to: the witness if the fault concerns it, else the first peer named, else anybody on the link.
pub(super) fn asked(peers: &[Peer], target: &ResolvedTarget) -> Option<SocketAddr> {
    let concerns = |peer: &Peer, end: SocketAddr| {
        peer.address == end.ip() && peer.port.is_none_or(|port| port == end.port())
    };
    match (peers.first(), target.witness) {
        (None, None) => target.address.map(|address| SocketAddr::new(neighbour(address), DISCARD)),
        (None, witness) => witness,
        (Some(_), Some(end)) if peers.iter().any(|peer| concerns(peer, end)) => Some(end),
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

pub(super) fn table(
    fault: &Fault,
    target: &ResolvedTarget,
    host: &HostFacts,
    effect: TableEffect,
    ask: Option<SocketAddr>,
) -> Result<(Action, Vec<PlannedObject>), FaultError> {
    let network = network(fault.kind().word(), target)?;
    let layer = if host.device_hooks { Layer::Device } else { Layer::Internet };
    let chosen = match &effect {
        TableEffect::Silence => "everything both ways".to_owned(),
        TableEffect::Hush { to } => format!(
            "TCP connections established now{}",
            to.as_ref().map_or(String::new(), |to| format!(" with {}", peer_words(to)))
        ),
        TableEffect::Cut { peers, direction } => {
            let way = match direction {
                Direction::Egress => "what it sends",
                Direction::Ingress => "what it receives",
                Direction::Both => "everything both ways",
            };
            let peers: Vec<_> = peers.iter().map(peer_words).collect();
            if peers.is_empty() { way.to_owned() } else { format!("{way}, with {}", peers.join(", ")) }
        }
        // Parts of a latency, which has objects of its own.
        TableEffect::Redirect { .. } | TableEffect::Classify { .. } => String::new(),
    };
    let objects = vec![owned_table(&network, &format!("drops {chosen}; loopback stays"))];
    Ok((Action::Table { network, layer, effect, ask }, objects))
}

fn owned_table(network: &NetworkIdentity, what: &str) -> PlannedObject {
    object(
        format!(
            "nftables table deadstick-… in the network of process {} ({}): {what}",
            network.holder.pid, network.inode
        ),
        "remove the table; the kernel does so when its owner dies, and it matches nothing once the lease is over",
    )
}

fn peer_words(peer: &Peer) -> String {
    peer.port.map_or_else(|| peer.address.to_string(), |port| SocketAddr::new(peer.address, port).to_string())
}

pub(super) fn latency(
    target: &ResolvedTarget,
    host: &HostFacts,
    delay: HumanDuration,
    jitter: HumanDuration,
    to: Option<&Peer>,
) -> Result<(Action, Vec<PlannedObject>), FaultError> {
    let network = network("latency", target)?;
    if delay.0.is_zero() || jitter > delay {
        return Err(FaultError::refused(
            format!("a delay of {delay} ± {jitter}"),
            "the delay must be above zero and not below the jitter",
        ));
    }
    if host.netem {
        return Ok(shape(target, host, network, (delay, jitter), to));
    }
    let Some(Peer { address, port: Some(port) }) = to else {
        return Err(FaultError::refused(
            "latency of a whole link needs netem, which this kernel does not have",
            "name one TCP peer with its port: a relay makes that link late",
        ));
    };
    if !(host.relay && host.redirect) {
        let lacks = if host.relay { "nftables redirect" } else { "a relay" };
        return Err(FaultError::refused(
            format!("latency needs {lacks}, which is not there"),
            "see `deadstick doctor`",
        ));
    }
    let peer = SocketAddr::new(*address, *port);
    let objects = vec![
        object(
            format!("a relay in the same network that passes bytes to {peer} after {delay} ± {jitter}"),
            "end the relay and its connections",
        ),
        owned_table(&network, &format!("sends new connections to {peer} through the relay")),
        object(
            format!("connections to {peer} that are established now: ended, so that they are made again"),
            "none: they reconnect",
        ),
    ];
    Ok((Action::Relay { network, peer, delay: delay.0, jitter: jitter.0 }, objects))
}

fn shape(
    target: &ResolvedTarget,
    host: &HostFacts,
    network: NetworkIdentity,
    (delay, jitter): (HumanDuration, HumanDuration),
    to: Option<&Peer>,
) -> (Action, Vec<PlannedObject>) {
    let layer = if host.device_hooks { Layer::Device } else { Layer::Internet };
    let whom = to.map_or_else(|| "everybody".to_owned(), peer_words);
    let objects = vec![
        object(
            format!("the root qdisc of each device of that network: htb with netem, {delay} ± {jitter}"),
            "remove it by its reserved handle; the kernel's own choice takes its place again",
        ),
        owned_table(&network, &format!("sends packets to {whom} through that netem")),
    ];
    let ask = asked(to.map_or(&[], std::slice::from_ref), target);
    (Action::Shape { network, layer, to: to.copied(), delay: delay.0, jitter: jitter.0, ask }, objects)
}
