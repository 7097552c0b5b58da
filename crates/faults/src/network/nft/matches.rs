//! Matches that several effects need: what must hold of a packet, as the beginning of a rule.

use std::net::{IpAddr, SocketAddr};

use super::expression::{Expression, FIRST_REGISTER};
use super::header::{self, ICMP, ICMP_6, Layout, NETWORK, TCP, TRANSPORT};
use super::hooks::Side;
use crate::kernel::Group;

fn load(base: u32, offset: u32, length: u32) -> Expression {
    Expression::Load { base, offset, length, register: FIRST_REGISTER }
}

/// Of this version of the internet protocol.
pub(super) fn is_version(version: u8) -> Vec<Expression> {
    vec![Expression::MetaProtocol, Expression::Equals(header::frame_word(version).to_vec())]
}

/// By this transport protocol.
pub(super) fn is_transport(protocol: u8) -> Vec<Expression> {
    vec![Expression::MetaTransport, Expression::Equals(vec![protocol])]
}

/// To this port.
pub(super) fn is_to_port(port: u16) -> Vec<Expression> {
    vec![load(TRANSPORT, 2, 2), Expression::Equals(port.to_be_bytes().to_vec())]
}

/// From sockets made in this control group, by this user; from any where none is named.
pub(super) fn of_sockets(group: Option<&Group>, user: Option<u32>) -> Vec<Expression> {
    let mut conditions = Vec::new();
    if let Some(Group { number, depth }) = group {
        let number = Expression::Equals(number.to_ne_bytes().to_vec());
        conditions.extend([Expression::SocketGroup(*depth), number]);
    }
    if let Some(user) = user {
        conditions.extend([Expression::MetaUser, Expression::Equals(user.to_ne_bytes().to_vec())]);
    }
    conditions
}

/// TCP packets to one end.
pub(super) fn tcp_to(peer: SocketAddr) -> Vec<Expression> {
    let (version, address) = match peer.ip() {
        IpAddr::V4(address) => (4, address.octets().to_vec()),
        IpAddr::V6(address) => (6, address.octets().to_vec()),
    };
    let Layout { address: length, destination, .. } = Layout::of(version);
    let to = vec![load(NETWORK, destination, length), Expression::Equals(address)];
    [is_version(version), to, is_transport(TCP), is_to_port(peer.port())].concat()
}

/// TCP packets that do not reset.
pub(super) fn tcp_but_resets() -> Vec<Expression> {
    [is_transport(TCP), vec![load(TRANSPORT, 13, 1), Expression::Lacks(0x04)]].concat()
}

/// Packets above a length; the header of version 6 does not count itself.
pub(super) fn larger_than(version: u8, length: u16) -> Vec<Expression> {
    let (offset, length) = if version == 4 { (2, length) } else { (4, length.saturating_sub(40)) };
    vec![load(NETWORK, offset, 2), Expression::Exceeds(length.to_be_bytes().to_vec())]
}

/// The ICMP error that names the size that would pass.
pub(super) fn too_big(version: u8) -> Vec<Expression> {
    // Type and code: "unreachable, must be fragmented", and "packet too big".
    let (protocol, length, word) = if version == 4 { (ICMP, 2, vec![3, 4]) } else { (ICMP_6, 1, vec![2]) };
    let says = vec![load(TRANSPORT, 0, length), Expression::Equals(word)];
    [is_version(version), is_transport(protocol), says].concat()
}

/// Packets of the TCP connections in a set: our end first, whichever way the packet goes.
pub(super) fn of_connections(set: &str, version: u8, side: Side) -> Vec<Expression> {
    let Layout { address: length, source, destination, .. } = Layout::of(version);
    let ((ours, our_port), (theirs, their_port)) =
        if side == Side::Out { ((source, 0), (destination, 2)) } else { ((destination, 2), (source, 0)) };
    let words = length / 4;
    let load = |base, offset, length, register| Expression::Load { base, offset, length, register };
    let keyed = vec![
        load(NETWORK, ours, length, FIRST_REGISTER),
        load(TRANSPORT, our_port, 2, FIRST_REGISTER + words),
        load(NETWORK, theirs, length, FIRST_REGISTER + words + 1),
        load(TRANSPORT, their_port, 2, FIRST_REGISTER + 2 * words + 1),
        Expression::InSet { set: set.to_owned(), register: FIRST_REGISTER },
    ];
    [is_version(version), is_transport(TCP), keyed].concat()
}
