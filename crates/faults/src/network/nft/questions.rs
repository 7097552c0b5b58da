//! Rules that send questions for name servers to a local port, instead of to their server.
//!
//! They are asked where packets of this network's own programs begin, loopback included: a resolver of this host that
//! listens on loopback is a name server like any other.

use std::net::IpAddr;

use deadstick_core::fault::Peer;

use super::batch::Batch;
use super::expression::{Expression, FIRST_REGISTER};
use super::header::{Layout, NETWORK, TCP, UDP};
use super::hooks::Side;
use super::matches::{is_to_port, is_transport, of_sockets};
use crate::kernel::Askers;

/// The lowest mark of responders; those below it are of others. A question that one responder passes on carries its own
/// mark, and is taken by responders with lower ones only: several in a network are asked in turn, and none twice.
pub(crate) const LOWEST_MARK: u32 = 0xd500_0000;
/// Bits of a mark that tell responders apart.
pub(crate) const MARK_BITS: u32 = 0x00ff_ffff;

const DNS: u16 = 53;

impl Batch<'_> {
    /// The rules for the questions of some askers.
    pub(super) fn questions(&mut self, askers: &Askers, port: u16, mark: u32) {
        self.nat_chain();
        let everybody = [None];
        let peers: Vec<_> = askers.to.iter().map(Some).collect();
        for peer in if peers.is_empty() { everybody.as_slice() } else { &peers } {
            for transport in [UDP, TCP] {
                let conditions = [
                    not_passed_on(mark),
                    of_sockets(askers.group.as_ref(), askers.user),
                    peer.map_or_else(Vec::new, towards),
                    is_transport(transport),
                    is_to_port(DNS),
                ];
                self.rule(Side::Out, &[conditions.concat(), vec![Expression::Redirect(port)]].concat());
            }
        }
    }
}

/// Packets of others, and those of responders with higher marks.
fn not_passed_on(mark: u32) -> Vec<Expression> {
    vec![Expression::MetaMark, Expression::Outside(LOWEST_MARK, mark)]
}

/// Packets to this address, or to these addresses.
fn towards(peer: &Peer) -> Vec<Expression> {
    let (version, family, address) = match peer.address {
        IpAddr::V4(address) => (4, libc::AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (6, libc::AF_INET6, address.octets().to_vec()),
    };
    let mask: Vec<u8> = (0..address.len())
        .map(|byte| {
            let bits = usize::from(peer.prefix_length()).saturating_sub(8 * byte).min(8);
            u8::try_from(0xff00_u16 >> bits & 0xff).unwrap_or(u8::MAX)
        })
        .collect();
    let wanted = address.iter().zip(&mask).map(|(byte, mask)| byte & mask).collect();
    let Layout { address: length, destination: offset, .. } = Layout::of(version);
    vec![
        Expression::MetaFamily,
        Expression::Equals(vec![u8::try_from(family).unwrap_or(0)]),
        Expression::Load { base: NETWORK, offset, length, register: FIRST_REGISTER },
        Expression::Masked(mask),
        Expression::Equals(wanted),
    ]
}
