//! Where a table's chains take their packets, which way these go, and who else is there before and after.

use deadstick_core::fault::Direction;

use super::expression::Expression;
use super::{INET, NETDEV};

/// Before everything that others hook in.
pub(super) const FIRST: i32 = -500;
/// After everything that others hook in, and our own drops: a packet that is forwarded meets no hook behind.
pub(super) const LAST: i32 = 500;

/// Where chains take their packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hooks {
    /// At the devices.
    Devices,
    /// In the internet protocols, before and after routing, so that forwarded packets are met.
    Routing,
    /// Where packets go to sockets of this network and come from them.
    Sockets,
}

impl Hooks {
    pub(super) const fn family(self) -> u8 {
        match self {
            Self::Devices => NETDEV,
            Self::Routing | Self::Sockets => INET,
        }
    }

    pub(super) const fn number(self, side: Side) -> u32 {
        match (self, side) {
            (_, Side::In) if !matches!(self, Self::Sockets) => 0,
            (Self::Devices, _) | (Self::Sockets, Side::In) => 1,
            (Self::Routing, _) => 4,
            (Self::Sockets, Side::Out) => 3,
        }
    }
}

/// From where a packet is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    In,
    Out,
}

impl Side {
    pub(super) fn of(direction: Direction) -> Vec<Self> {
        match direction {
            Direction::Ingress => vec![Self::In],
            Direction::Egress => vec![Self::Out],
            Direction::Both => vec![Self::In, Self::Out],
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }

    pub(super) const fn device(self) -> Expression {
        match self {
            Self::In => Expression::MetaInDevice,
            Self::Out => Expression::MetaOutDevice,
        }
    }
}
