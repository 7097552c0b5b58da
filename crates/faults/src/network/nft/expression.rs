//! The expressions that rules are made of.

use std::net::IpAddr;

use deadstick_core::fault::Peer;

use super::batch::Side;
use crate::network::wire::{self, Message};

/// The first of the registers of four bytes.
pub(super) const FIRST_REGISTER: u32 = 8;
const VERDICT_REGISTER: u32 = 0;
const META_PROTOCOL: u32 = 1;
const META_PRIORITY: u32 = 2;
const META_MARK: u32 = 3;
const META_IN_DEVICE: u32 = 4;
const META_OUT_DEVICE: u32 = 5;
const META_TRANSPORT: u32 = 16;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// One step of a rule. What loads without naming a register loads the first one; comparisons look at that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    /// Loads the number of the device the packet came by.
    MetaInDevice,
    /// Loads the number of the device it leaves by.
    MetaOutDevice,
    /// Loads the mark.
    MetaMark,
    /// Loads the protocol of the network layer, as a frame names it.
    MetaProtocol,
    /// Loads the transport protocol.
    MetaTransport,
    /// Loads bytes of a header.
    Load { base: u32, offset: u32, length: u32, register: u32 },
    /// Goes on only when equal.
    Equals(Vec<u8>),
    /// Goes on only when different.
    Differs(Vec<u8>),
    /// Goes on only when the set has it.
    InSet { set: &'static str, register: u32 },
    /// Counts the packet and drops it.
    Drop,
    /// Counts the packet and gives it to this traffic class.
    Classify(u32),
    /// Gives the packet to the device of this number, and no later hook sees it.
    Forward(u32),
    /// Counts the packet and sends its connection to this local port.
    Redirect(u16),
}

impl Expression {
    /// Writes it as one element of a rule's list, or as two.
    pub(super) fn write(&self, list: &mut Message) {
        match self {
            Self::MetaInDevice => meta(list, META_IN_DEVICE),
            Self::MetaOutDevice => meta(list, META_OUT_DEVICE),
            Self::MetaMark => meta(list, META_MARK),
            Self::MetaProtocol => meta(list, META_PROTOCOL),
            Self::MetaTransport => meta(list, META_TRANSPORT),
            Self::Load { base, offset, length, register } => element(list, "payload", |data| {
                data.be32(1, *register).be32(2, *base).be32(3, *offset).be32(4, *length);
            }),
            Self::Equals(value) => compare(list, 0, value),
            Self::Differs(value) => compare(list, 1, value),
            Self::InSet { set, register } => element(list, "lookup", |data| {
                data.text(1, set).be32(2, *register);
            }),
            Self::Drop => {
                element(list, "counter", |_| {});
                element(list, "immediate", |data| {
                    data.be32(1, VERDICT_REGISTER).nest(2, |value| {
                        value.nest(2, |verdict| {
                            verdict.be32(1, 0);
                        });
                    });
                });
            }
            Self::Classify(class) => {
                element(list, "counter", |_| {});
                load(list, &class.to_ne_bytes());
                element(list, "meta", |data| {
                    data.be32(3, FIRST_REGISTER).be32(2, META_PRIORITY);
                });
            }
            Self::Forward(device) => {
                load(list, &device.to_ne_bytes());
                element(list, "fwd", |data| {
                    data.be32(1, FIRST_REGISTER);
                });
            }
            Self::Redirect(port) => {
                element(list, "counter", |_| {});
                load(list, &port.to_be_bytes());
                element(list, "redir", |data| {
                    data.be32(1, FIRST_REGISTER);
                });
            }
        }
    }
}

fn element(list: &mut Message, name: &str, fill: impl FnOnce(&mut Message)) {
    list.nest(1, |one| {
        one.text(1, name).nest(2, fill);
    });
}

fn load(list: &mut Message, bytes: &[u8]) {
    element(list, "immediate", |data| {
        data.be32(1, FIRST_REGISTER).nest(2, |value| {
            value.attr(1, bytes);
        });
    });
}

fn meta(list: &mut Message, key: u32) {
    element(list, "meta", |data| {
        data.be32(1, FIRST_REGISTER).be32(2, key);
    });
}

fn compare(list: &mut Message, operation: u32, value: &[u8]) {
    element(list, "cmp", |data| {
        data.be32(1, FIRST_REGISTER).be32(2, operation).nest(3, |wanted| {
            wanted.attr(1, value);
        });
    });
}

/// A frame's word for the protocol, length of an address and where the header has source and destination.
fn layout(version: u8) -> ([u8; 2], u32, u32, u32) {
    if version == 4 { ([0x08, 0x00], 4, 12, 16) } else { ([0x86, 0xdd], 16, 8, 24) }
}

/// Matches for packets between here and a peer: one, or one each for TCP and UDP when a port is named.
pub(super) fn peer_matches(peer: &Peer, side: Side) -> Vec<Vec<Expression>> {
    let (version, address) = match peer.address {
        IpAddr::V4(address) => (4, address.octets().to_vec()),
        IpAddr::V6(address) => (6, address.octets().to_vec()),
    };
    let (in_frame, length, source, destination) = layout(version);
    let (offset, port_offset) = if side == Side::In { (source, 0) } else { (destination, 2) };
    let hosts = vec![
        Expression::MetaProtocol,
        Expression::Equals(in_frame.to_vec()),
        Expression::Load { base: NETWORK_HEADER, offset, length, register: FIRST_REGISTER },
        Expression::Equals(address),
    ];
    let Some(port) = peer.port else { return vec![hosts] };
    [TCP, UDP]
        .iter()
        .map(|transport| {
            let port = [
                Expression::MetaTransport,
                Expression::Equals(vec![*transport]),
                Expression::Load {
                    base: TRANSPORT_HEADER,
                    offset: port_offset,
                    length: 2,
                    register: FIRST_REGISTER,
                },
                Expression::Equals(port.to_be_bytes().to_vec()),
            ];
            [hosts.as_slice(), &port].concat()
        })
        .collect()
}

/// Matches for packets of the TCP connections in a set: our end first, whichever way the packet goes.
pub(super) fn flow_matches(set: &'static str, version: u8, side: Side) -> Vec<Expression> {
    let (in_frame, length, source, destination) = layout(version);
    let ((ours, our_port), (theirs, their_port)) =
        if side == Side::Out { ((source, 0), (destination, 2)) } else { ((destination, 2), (source, 0)) };
    let words = length / 4;
    let load = |base, offset, length, register| Expression::Load { base, offset, length, register };
    vec![
        Expression::MetaProtocol,
        Expression::Equals(in_frame.to_vec()),
        Expression::MetaTransport,
        Expression::Equals(vec![TCP]),
        load(NETWORK_HEADER, ours, length, FIRST_REGISTER),
        load(TRANSPORT_HEADER, our_port, 2, FIRST_REGISTER + words),
        load(NETWORK_HEADER, theirs, length, FIRST_REGISTER + words + 1),
        load(TRANSPORT_HEADER, their_port, 2, FIRST_REGISTER + 2 * words + 1),
        Expression::InSet { set, register: FIRST_REGISTER },
    ]
}

/// Sum of the packet counters of a rule, from its attributes.
pub(super) fn packets(rule: &[u8]) -> u64 {
    let Some(expressions) = wire::find(rule, 4) else { return 0 };
    wire::attrs(expressions)
        .filter(|(_, one)| wire::find(one, 1).map(wire::text).as_deref() == Some("counter"))
        .filter_map(|(_, one)| wire::find(wire::find(one, 2)?, 2)?.try_into().ok().map(u64::from_be_bytes))
        .sum()
}
