//! The sockets of the network that the calling thread is in: listed, chosen by a flow, or destroyed.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use deadstick_core::fault::{Flow, Peer, Protocol};

use super::wire::{self, ACK, DUMP, Message, REQUEST, u32_at};
use super::{Netlink, NetlinkError};

const BY_FAMILY: u16 = 20;
const DESTROY: u16 = 21;
/// Both ends have agreed to talk: ESTABLISHED, FIN-WAIT-1 and -2, CLOSE-WAIT, LAST-ACK, CLOSING.
const TALKING: u32 = (1 << 1) | (1 << 4) | (1 << 5) | (1 << 8) | (1 << 9) | (1 << 11);
/// LISTEN, for TCP.
const LISTENING: u32 = 1 << 10;
/// A UDP socket is "closed" (7) or, with a peer, "established".
const BOUND: u32 = (1 << 1) | (1 << 7);
/// Bytes of `inet_diag_msg`, in front of the attributes.
const FIXED: usize = 72;
/// The attribute with the number of the socket's control group (Linux 5.8).
const CGROUP: u16 = 21;

/// One socket, seen from this network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    /// Our end.
    pub(crate) local: SocketAddr,
    /// The other end.
    pub(crate) peer: SocketAddr,
    /// Who made the socket.
    pub(crate) user: u32,
    /// The socket's own number, as `/proc/PID/fd` shows it; 0 when no process has it any more.
    pub(crate) inode: u32,
    /// The control group it was made in, where the kernel says so.
    pub(crate) cgroup: Option<u64>,
    /// The kernel's `inet_diag_sockid`, which names this very socket.
    id: [u8; 48],
    family: u8,
}

impl Connection {
    /// Whether it is the very same socket; a new one between the same ends is not.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// Whether it never leaves this host.
    pub(crate) fn is_inside(&self) -> bool {
        self.local.ip().is_loopback() || self.peer.ip().is_loopback()
    }

    /// Whether a flow is about it. Direction and device say nothing about a connection; `groups` are the numbers of the
    /// flow's control group and of those below it.
    pub(crate) fn belongs_to(&self, flow: &Flow, groups: &BTreeSet<u64>) -> bool {
        let among = |peers: &[Peer], end| peers.is_empty() || peers.iter().any(|peer| peer.includes(end));
        among(&flow.to, self.peer)
            && among(&flow.from, self.local)
            && flow.user.is_none_or(|user| user == self.user)
            && (flow.cgroup.is_none() || self.cgroup.is_some_and(|group| groups.contains(&group)))
    }
}

/// Every TCP connection that leaves this host; those on loopback are not listed.
pub(crate) fn connections() -> Result<Vec<Connection>, NetlinkError> {
    let mut found = sockets(Protocol::Tcp, TALKING)?;
    found.retain(|one| !one.is_inside());
    Ok(found)
}

/// The TCP connections that a flow is about; those on loopback only when it names such an address.
pub(crate) fn chosen(flow: &Flow, groups: &BTreeSet<u64>) -> Result<Vec<Connection>, NetlinkError> {
    let inside = flow.to.iter().chain(&flow.from).any(|peer| peer.address.is_loopback());
    let mut found = sockets(Protocol::Tcp, TALKING)?;
    found.retain(|one| (inside || !one.is_inside()) && one.belongs_to(flow, groups));
    Ok(found)
}

/// The sockets that keep a port from others: those that listen, or any bound one for UDP.
pub(crate) fn holding_port(protocol: Protocol, port: u16) -> Result<Vec<Connection>, NetlinkError> {
    let states = if protocol == Protocol::Tcp { LISTENING } else { BOUND };
    let mut found = sockets(protocol, states)?;
    found.retain(|one| one.local.port() == port);
    Ok(found)
}

fn sockets(protocol: Protocol, states: u32) -> Result<Vec<Connection>, NetlinkError> {
    let mut netlink = Netlink::open(libc::NETLINK_SOCK_DIAG)?;
    let mut found = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let family = u8::try_from(family).unwrap_or(0);
        let request = request(family, protocol, states, [0; 48]);
        let answers = netlink.ask("list sockets", Message::new(BY_FAMILY, REQUEST | DUMP, &request))?;
        found.extend(answers.iter().filter_map(|(_, body)| read(body)));
    }
    Ok(found)
}

/// Ends a connection at once; its owner sees `ECONNABORTED`, the peer a reset. Gone already is success.
pub(crate) fn destroy(connection: &Connection) -> Result<(), NetlinkError> {
    let request = request(connection.family, Protocol::Tcp, TALKING, connection.id);
    let message = Message::new(DESTROY, REQUEST | ACK, &request);
    match Netlink::open(libc::NETLINK_SOCK_DIAG)?.commit("destroy a TCP connection", vec![message]) {
        Err(error) if error.errno() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

/// `inet_diag_req_v2`.
fn request(family: u8, protocol: Protocol, states: u32, id: [u8; 48]) -> Vec<u8> {
    let protocol = match protocol {
        Protocol::Tcp => libc::IPPROTO_TCP,
        Protocol::Udp => libc::IPPROTO_UDP,
    };
    let mut bytes = vec![family, u8::try_from(protocol).unwrap_or(0), 0, 0];
    bytes.extend(states.to_ne_bytes());
    bytes.extend(id);
    bytes
}

/// `inet_diag_msg`: family, state, timer, retransmits, the identity, queues, user and inode; then attributes.
fn read(body: &[u8]) -> Option<Connection> {
    let family = *body.first()?;
    let id: [u8; 48] = body.get(4..52)?.try_into().ok()?;
    let port = |at: usize| u16::from_be_bytes([id[at], id[at + 1]]);
    let address = |at: usize| -> Option<IpAddr> {
        if i32::from(family) == libc::AF_INET {
            return Some(Ipv4Addr::new(id[at], id[at + 1], id[at + 2], id[at + 3]).into());
        }
        let bytes: [u8; 16] = id[at..at + 16].try_into().ok()?;
        // A socket open to both families talks IPv4 under a mapped address; on the wire it is plain IPv4.
        Some(Ipv6Addr::from(bytes).to_canonical())
    };
    let group = wire::find(body.get(FIXED..)?, CGROUP).and_then(|bytes| bytes.try_into().ok());
    Some(Connection {
        local: SocketAddr::new(address(4)?, port(0)),
        peer: SocketAddr::new(address(20)?, port(2)),
        user: u32_at(body, 64)?,
        inode: u32_at(body, 68)?,
        cgroup: group.map(u64::from_ne_bytes),
        id,
        family,
    })
}
