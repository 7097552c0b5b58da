//! The live TCP connections of the network that the calling thread is in: listed, or destroyed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::wire::{ACK, DUMP, Message, REQUEST};
use super::{Netlink, NetlinkError};

const BY_FAMILY: u16 = 20;
const DESTROY: u16 = 21;
/// Both ends have agreed to talk: ESTABLISHED, FIN-WAIT-1 and -2, CLOSE-WAIT, LAST-ACK, CLOSING.
const TALKING: u32 = (1 << 1) | (1 << 4) | (1 << 5) | (1 << 8) | (1 << 9) | (1 << 11);

/// One connection, seen from this network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    /// Our end.
    pub(crate) local: SocketAddr,
    /// The other end.
    pub(crate) peer: SocketAddr,
    /// The kernel's `inet_diag_sockid`, which names this very socket.
    id: [u8; 48],
    family: u8,
}

/// Every connection that leaves this host; those on loopback are not listed.
pub(crate) fn connections() -> Result<Vec<Connection>, NetlinkError> {
    let mut netlink = Netlink::open(libc::NETLINK_SOCK_DIAG)?;
    let mut found = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let family = u8::try_from(family).unwrap_or(0);
        let answers = netlink.ask(
            "list TCP connections",
            Message::new(BY_FAMILY, REQUEST | DUMP, &request(family, [0; 48])),
        )?;
        found.extend(answers.iter().filter_map(|(_, body)| read(body)));
    }
    found.retain(|one| !one.local.ip().is_loopback() && !one.peer.ip().is_loopback());
    Ok(found)
}

/// Ends a connection at once; its owner sees `ECONNABORTED`, the peer a reset. Gone already is success.
pub(crate) fn destroy(connection: &Connection) -> Result<(), NetlinkError> {
    let message = Message::new(DESTROY, REQUEST | ACK, &request(connection.family, connection.id));
    match Netlink::open(libc::NETLINK_SOCK_DIAG)?.commit("destroy a TCP connection", vec![message]) {
        Err(error) if error.errno() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

/// `inet_diag_req_v2`.
fn request(family: u8, id: [u8; 48]) -> Vec<u8> {
    let mut bytes = vec![family, 6, 0, 0];
    bytes.extend(TALKING.to_ne_bytes());
    bytes.extend(id);
    bytes
}

/// `inet_diag_msg`: family, state, timer, retransmits, then the identity.
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
    Some(Connection {
        local: SocketAddr::new(address(4)?, port(0)),
        peer: SocketAddr::new(address(20)?, port(2)),
        id,
        family,
    })
}
