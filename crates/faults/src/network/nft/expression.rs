//! The expressions that rules are made of.

use std::net::{IpAddr, SocketAddr};

use super::hooks::Side;
use crate::network::wire::{self, Message};

/// The first of the registers of four bytes.
pub(super) const FIRST_REGISTER: u32 = 8;
const VERDICT_REGISTER: u32 = 0;
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
const META_PROTOCOL: u32 = 1;
const META_PRIORITY: u32 = 2;
const META_MARK: u32 = 3;
const META_IN_DEVICE: u32 = 4;
const META_OUT_DEVICE: u32 = 5;
const META_USER: u32 = 10;
const META_TRANSPORT: u32 = 16;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const EQUAL: u32 = 0;
const DIFFERENT: u32 = 1;
const LESS: u32 = 2;
const GREATER: u32 = 4;
/// A chance is given in parts of this.
pub(crate) const PARTS: u32 = 1_000_000;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

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
    /// Loads the user that made the packet's socket; goes no further when it has none.
    MetaUser,
    /// Loads the number of the control group that the packet's socket was made in, or of its ancestor at this level.
    SocketGroup(u32),
    /// Loads bytes of a header.
    Load { base: u32, offset: u32, length: u32, register: u32 },
    /// Goes on only when equal.
    Equals(Vec<u8>),
    /// Goes on only when different.
    Differs(Vec<u8>),
    /// Goes on only when the set has it.
    InSet { set: String, register: u32 },
    /// Goes on only when greater, as bytes of network order are.
    Exceeds(Vec<u8>),
    /// Goes on only when no bit of this mask is set, in one byte.
    Lacks(u8),
    /// Goes on for so many of [`PARTS`] packets, each by itself.
    Chance(u32),
    /// Counts the packet and drops it.
    Drop,
    /// Drops the packet without counting it.
    Discard,
    /// Counts the packet and answers it with a TCP reset.
    Reset,
    /// Counts the packet and answers it with ICMP: the port cannot be reached.
    Unreachable,
    /// Goes on only for packets whose priority has this number in its upper half.
    PriorityIn(u16),
    /// Goes on only for the others.
    PriorityOutside(u16),
    /// Counts the packet and gives it this priority.
    Classify(u32),
    /// Counts the packet and turns these bits of its priority around.
    Turn(u32),
    /// Gives the packet this priority without counting it.
    SetPriority(u32),
    /// Turns these bits of its priority around, without counting it.
    TurnQuietly(u32),
    /// Goes no further in this chain; chains of others see the packet.
    Done,
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
            Self::MetaUser => meta(list, META_USER),
            Self::SocketGroup(level) => element(list, "socket", |data| {
                data.be32(1, 3).be32(2, FIRST_REGISTER).be32(3, *level);
            }),
            Self::Equals(value) => compare(list, EQUAL, value),
            Self::Differs(value) => compare(list, DIFFERENT, value),
            Self::Exceeds(value) => compare(list, GREATER, value),
            Self::Lacks(mask) => {
                element(list, "bitwise", |data| {
                    data.be32(1, FIRST_REGISTER).be32(2, FIRST_REGISTER).be32(3, 1);
                    for (kind, byte) in [(4, *mask), (5, 0)] {
                        data.nest(kind, |value| {
                            value.attr(1, &[byte]);
                        });
                    }
                });
                compare(list, EQUAL, &[0]);
            }
            Self::Chance(parts) => {
                element(list, "numgen", |data| {
                    data.be32(1, FIRST_REGISTER).be32(2, PARTS).be32(3, 1);
                });
                // Comparisons go by bytes: to network order first.
                element(list, "byteorder", |data| {
                    data.be32(1, FIRST_REGISTER).be32(2, FIRST_REGISTER).be32(3, 1).be32(4, 4).be32(5, 4);
                });
                compare(list, LESS, &parts.to_be_bytes());
            }
            Self::InSet { set, register } => element(list, "lookup", |data| {
                data.text(1, set).be32(2, *register);
            }),
            Self::Drop => {
                element(list, "counter", |_| {});
                discard(list);
            }
            Self::Discard => discard(list),
            Self::Reset => reject(list, 1, 0),
            Self::Unreachable => reject(list, 2, 1),
            Self::PriorityIn(half) => priority(list, EQUAL, *half),
            Self::PriorityOutside(half) => priority(list, DIFFERENT, *half),
            Self::Classify(class) => {
                element(list, "counter", |_| {});
                set_priority(list, *class);
            }
            Self::Turn(bits) => {
                element(list, "counter", |_| {});
                turn_priority(list, *bits);
            }
            Self::SetPriority(class) => set_priority(list, *class),
            Self::TurnQuietly(bits) => turn_priority(list, *bits),
            Self::Done => verdict(list, ACCEPT),
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

pub(super) fn element(list: &mut Message, name: &str, fill: impl FnOnce(&mut Message)) {
    list.nest(1, |one| {
        one.text(1, name).nest(2, fill);
    });
}

fn discard(list: &mut Message) {
    verdict(list, DROP);
}

fn verdict(list: &mut Message, code: u32) {
    element(list, "immediate", |data| {
        data.be32(1, VERDICT_REGISTER).nest(2, |value| {
            value.nest(2, |verdict| {
                verdict.be32(1, code);
            });
        });
    });
}

fn reject(list: &mut Message, kind: u32, code: u8) {
    element(list, "counter", |_| {});
    element(list, "reject", |data| {
        data.be32(1, kind).attr(2, &[code]);
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

/// The register's four bytes: those of a mask are kept, and those of another number turned around.
fn bitwise(list: &mut Message, mask: u32, turned: u32) {
    element(list, "bitwise", |data| {
        data.be32(1, FIRST_REGISTER).be32(2, FIRST_REGISTER).be32(3, 4);
        for (kind, number) in [(4, mask), (5, turned)] {
            data.nest(kind, |value| {
                value.attr(1, &number.to_ne_bytes());
            });
        }
    });
}

fn priority(list: &mut Message, operation: u32, half: u16) {
    meta(list, META_PRIORITY);
    bitwise(list, 0xffff_0000, 0);
    compare(list, operation, &(u32::from(half) << 16).to_ne_bytes());
}

fn set_priority(list: &mut Message, class: u32) {
    load(list, &class.to_ne_bytes());
    element(list, "meta", |data| {
        data.be32(3, FIRST_REGISTER).be32(2, META_PRIORITY);
    });
}

fn turn_priority(list: &mut Message, bits: u32) {
    meta(list, META_PRIORITY);
    bitwise(list, u32::MAX, bits);
    element(list, "meta", |data| {
        data.be32(3, FIRST_REGISTER).be32(2, META_PRIORITY);
    });
}

fn compare(list: &mut Message, operation: u32, value: &[u8]) {
    element(list, "cmp", |data| {
        data.be32(1, FIRST_REGISTER).be32(2, operation).nest(3, |wanted| {
            wanted.attr(1, value);
        });
    });
}

/// A frame's word for the protocol.
pub(super) const fn frame_word(version: u8) -> [u8; 2] {
    if version == 4 { [0x08, 0x00] } else { [0x86, 0xdd] }
}

/// Length of an address, and where the header has source and destination.
const fn layout(version: u8) -> (u32, u32, u32) {
    if version == 4 { (4, 12, 16) } else { (16, 8, 24) }
}

fn read(base: u32, offset: u32, length: u32) -> Expression {
    Expression::Load { base, offset, length, register: FIRST_REGISTER }
}

/// Matches for TCP packets to one end.
pub(super) fn tcp_to(peer: SocketAddr) -> Vec<Expression> {
    let (version, address) = match peer.ip() {
        IpAddr::V4(address) => (4, address.octets().to_vec()),
        IpAddr::V6(address) => (6, address.octets().to_vec()),
    };
    let (length, _, destination) = layout(version);
    vec![
        Expression::MetaProtocol,
        Expression::Equals(frame_word(version).to_vec()),
        read(NETWORK_HEADER, destination, length),
        Expression::Equals(address),
        Expression::MetaTransport,
        Expression::Equals(vec![TCP]),
        read(TRANSPORT_HEADER, 2, 2),
        Expression::Equals(peer.port().to_be_bytes().to_vec()),
    ]
}

/// Matches for TCP packets that do not reset.
pub(super) fn tcp_but_resets() -> Vec<Expression> {
    vec![
        Expression::MetaTransport,
        Expression::Equals(vec![TCP]),
        read(TRANSPORT_HEADER, 13, 1),
        Expression::Lacks(0x04),
    ]
}

/// Matches for packets above a length; the header of IPv6 does not count itself.
pub(super) fn larger_than(version: u8, length: u16) -> Vec<Expression> {
    let (offset, length) = if version == 4 { (2, length) } else { (4, length.saturating_sub(40)) };
    vec![read(NETWORK_HEADER, offset, 2), Expression::Exceeds(length.to_be_bytes().to_vec())]
}

/// Matches for the ICMP error that names the size that would pass.
pub(super) fn too_big(version: u8) -> Vec<Expression> {
    // Type and code: "unreachable, must be fragmented", and "packet too big".
    let (protocol, length, word) = if version == 4 { (1, 2, vec![3, 4]) } else { (58, 1, vec![2]) };
    vec![
        Expression::MetaProtocol,
        Expression::Equals(frame_word(version).to_vec()),
        Expression::MetaTransport,
        Expression::Equals(vec![protocol]),
        read(TRANSPORT_HEADER, 0, length),
        Expression::Equals(word),
    ]
}

/// Matches for packets of the TCP connections in a set: our end first, whichever way the packet goes.
pub(super) fn flow_matches(set: &str, version: u8, side: Side) -> Vec<Expression> {
    let (length, source, destination) = layout(version);
    let ((ours, our_port), (theirs, their_port)) =
        if side == Side::Out { ((source, 0), (destination, 2)) } else { ((destination, 2), (source, 0)) };
    let words = length / 4;
    let load = |base, offset, length, register| Expression::Load { base, offset, length, register };
    vec![
        Expression::MetaProtocol,
        Expression::Equals(frame_word(version).to_vec()),
        Expression::MetaTransport,
        Expression::Equals(vec![TCP]),
        load(NETWORK_HEADER, ours, length, FIRST_REGISTER),
        load(TRANSPORT_HEADER, our_port, 2, FIRST_REGISTER + words),
        load(NETWORK_HEADER, theirs, length, FIRST_REGISTER + words + 1),
        load(TRANSPORT_HEADER, their_port, 2, FIRST_REGISTER + 2 * words + 1),
        Expression::InSet { set: set.to_owned(), register: FIRST_REGISTER },
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
