//! The expressions that rules are made of.
//!
//! Owns what a rule can say. Leaves its bytes to [`element`], and what is said of which packets to [`super::matches`] and
//! [`super::chooser`].

mod element;

use self::element::{Compared, Meta, bitwise, compare, count, discard, element, load, meta, verdict};
use crate::network::wire::Message;

/// The first of the registers of four bytes.
pub(super) const FIRST_REGISTER: u32 = 8;
/// A chance is given in parts of this.
pub(crate) const PARTS: u32 = 1_000_000;

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
    /// Loads the version of the internet protocol, as sockets name its family.
    MetaFamily,
    /// Loads the transport protocol.
    MetaTransport,
    /// Loads the user that made the packet's socket; goes no further when it has none.
    MetaUser,
    /// Loads the number of the control group that the packet's socket was made in, or of its ancestor at this level.
    SocketGroup(u32),
    /// Loads bytes of a header.
    Load { base: u32, offset: u32, length: u32, register: u32 },
    /// Keeps only the bits of this mask.
    Masked(Vec<u8>),
    /// Goes on only when equal.
    Equals(Vec<u8>),
    /// Goes on only when different.
    Differs(Vec<u8>),
    /// Goes on only when the set has it.
    InSet { set: String, register: u32 },
    /// Goes on only when greater, as bytes of network order are.
    Exceeds(Vec<u8>),
    /// Goes on only when the number is below the first or above the second.
    Outside(u32, u32),
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
    /// Counts the packet, which is the first of its conversation, and sends the conversation to this port of loopback.
    Redirect(u16),
}

impl Expression {
    /// Writes it as one element of a rule's list, or as several.
    pub(super) fn write(&self, list: &mut Message) {
        match self {
            Self::MetaInDevice => meta(list, Meta::InDevice),
            Self::MetaOutDevice => meta(list, Meta::OutDevice),
            Self::MetaMark => meta(list, Meta::Mark),
            Self::MetaProtocol => meta(list, Meta::Protocol),
            Self::MetaFamily => meta(list, Meta::Family),
            Self::MetaTransport => meta(list, Meta::Transport),
            Self::MetaUser => meta(list, Meta::User),
            Self::SocketGroup(level) => element(list, "socket", |data| {
                data.be32(1, 3).be32(2, FIRST_REGISTER).be32(3, *level);
            }),
            Self::Load { base, offset, length, register } => element(list, "payload", |data| {
                data.be32(1, *register).be32(2, *base).be32(3, *offset).be32(4, *length);
            }),
            Self::Masked(mask) => bitwise(list, mask, &vec![0; mask.len()]),
            Self::Equals(value) => compare(list, Compared::Equal, value),
            Self::Differs(value) => compare(list, Compared::Different, value),
            Self::InSet { set, register } => element(list, "lookup", |data| {
                data.text(1, set).be32(2, *register);
            }),
            Self::Exceeds(value) => compare(list, Compared::Greater, value),
            Self::Outside(first, last) => element::outside(list, *first, *last),
            Self::Lacks(mask) => {
                bitwise(list, &[*mask], &[0]);
                compare(list, Compared::Equal, &[0]);
            }
            Self::Chance(parts) => element::chance(list, *parts),
            Self::Drop => {
                count(list);
                discard(list);
            }
            Self::Discard => discard(list),
            Self::Reset => element::reject(list, 1, 0),
            Self::Unreachable => element::reject(list, 2, 1),
            Self::PriorityIn(half) => element::priority(list, Compared::Equal, *half),
            Self::PriorityOutside(half) => element::priority(list, Compared::Different, *half),
            Self::Classify(class) => {
                count(list);
                element::set_priority(list, *class);
            }
            Self::Turn(bits) => {
                count(list);
                element::turn_priority(list, *bits);
            }
            Self::SetPriority(class) => element::set_priority(list, *class),
            Self::TurnQuietly(bits) => element::turn_priority(list, *bits),
            Self::Done => verdict(list, element::ACCEPT),
            Self::Forward(device) => {
                load(list, &device.to_ne_bytes());
                element::hand_over(list, "fwd");
            }
            Self::Redirect(port) => {
                count(list);
                load(list, &port.to_be_bytes());
                element::hand_over(list, "redir");
            }
        }
    }
}
