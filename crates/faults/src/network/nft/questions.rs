//! Rules that send questions for name servers to a local port, instead of to their server.
//!
//! They are asked where packets of this network's own programs begin, loopback included: a resolver of this host that
//! listens on loopback is a name server like any other.

use std::net::IpAddr;

use deadstick_core::fault::Peer;

use super::batch::Batch;
use super::expression::{FIRST_REGISTER, element};
use super::hooks::Side;
use crate::kernel::Askers;
use crate::network::wire::Message;

/// The lowest mark of responders; those below it are of others. A question that one responder passes on carries its own
/// mark, and is taken by responders with lower ones only: several in a network are asked in turn, and none twice.
pub(crate) const LOWEST_MARK: u32 = 0xd500_0000;
/// Bits of a mark that tell responders apart.
pub(crate) const MARK_BITS: u32 = 0x00ff_ffff;

const DNS: u16 = 53;
const META_MARK: u32 = 3;
const META_USER: u32 = 10;
const META_FAMILY: u32 = 15;
const META_TRANSPORT: u32 = 16;
const TCP: u8 = 6;
const UDP: u8 = 17;

impl Batch<'_> {
    /// The rules for the questions of some askers.
    pub(super) fn questions(&mut self, askers: &Askers, port: u16, mark: u32) {
        self.nat_chain();
        let everybody = [None];
        let peers: Vec<_> = askers.to.iter().map(Some).collect();
        for peer in if peers.is_empty() { everybody.as_slice() } else { &peers } {
            for transport in [UDP, TCP] {
                self.rule_with(Side::Out, |list| {
                    escape(list, mark);
                    if let Some(user) = askers.user {
                        meta(list, META_USER);
                        compare(list, &user.to_ne_bytes());
                    }
                    if let Some(group) = askers.group {
                        in_group(list, group.depth);
                        compare(list, &group.number.to_ne_bytes());
                    }
                    if let Some(peer) = peer {
                        towards(list, peer);
                    }
                    meta(list, META_TRANSPORT);
                    compare(list, &[transport]);
                    load(list, 2, 2, 2);
                    compare(list, &DNS.to_be_bytes());
                    redirect(list, port);
                });
            }
        }
    }
}

/// Goes on for packets of others, and for those of responders with higher marks.
fn escape(list: &mut Message, mark: u32) {
    meta(list, META_MARK);
    // Ranges are compared byte by byte, the most significant first.
    element(list, "byteorder", |data| {
        data.be32(1, FIRST_REGISTER).be32(2, FIRST_REGISTER).be32(3, 1).be32(4, 4).be32(5, 4);
    });
    element(list, "range", |data| {
        data.be32(1, FIRST_REGISTER).be32(2, 1);
        for (attribute, end) in [(3, LOWEST_MARK), (4, mark)] {
            data.nest(attribute, |value| {
                value.attr(1, &end.to_be_bytes());
            });
        }
    });
}

/// Goes on for packets to this address, or to these addresses.
fn towards(list: &mut Message, peer: &Peer) {
    let (family, address, offset) = match peer.address {
        IpAddr::V4(address) => (libc::AF_INET, address.octets().to_vec(), 16),
        IpAddr::V6(address) => (libc::AF_INET6, address.octets().to_vec(), 24),
    };
    let length = u32::try_from(address.len()).unwrap_or(0);
    let mask: Vec<u8> = (0..address.len())
        .map(|byte| {
            let bits = usize::from(peer.prefix_length()).saturating_sub(8 * byte).min(8);
            u8::try_from(0xff00_u16 >> bits & 0xff).unwrap_or(u8::MAX)
        })
        .collect();
    let wanted: Vec<u8> = address.iter().zip(&mask).map(|(byte, mask)| byte & mask).collect();
    meta(list, META_FAMILY);
    compare(list, &[u8::try_from(family).unwrap_or(0)]);
    load(list, 1, offset, length);
    element(list, "bitwise", |data| {
        data.be32(1, FIRST_REGISTER).be32(2, FIRST_REGISTER).be32(3, length);
        for (attribute, bytes) in [(4, &mask), (5, &vec![0; mask.len()])] {
            data.nest(attribute, |value| {
                value.attr(1, bytes);
            });
        }
    });
    compare(list, &wanted);
}

/// Loads the number of the control group that the socket's own one is, or is below, at this depth.
fn in_group(list: &mut Message, depth: u32) {
    element(list, "socket", |data| {
        data.be32(1, 3).be32(2, FIRST_REGISTER).be32(3, depth);
    });
}

fn meta(list: &mut Message, key: u32) {
    element(list, "meta", |data| {
        data.be32(1, FIRST_REGISTER).be32(2, key);
    });
}

fn load(list: &mut Message, base: u32, offset: u32, length: u32) {
    element(list, "payload", |data| {
        data.be32(1, FIRST_REGISTER).be32(2, base).be32(3, offset).be32(4, length);
    });
}

fn compare(list: &mut Message, value: &[u8]) {
    element(list, "cmp", |data| {
        data.be32(1, FIRST_REGISTER).be32(2, 0).nest(3, |wanted| {
            wanted.attr(1, value);
        });
    });
}

/// Counts the packet, which is the first of its conversation, and sends the conversation to this port of loopback.
fn redirect(list: &mut Message, port: u16) {
    element(list, "counter", |_| {});
    element(list, "immediate", |data| {
        data.be32(1, FIRST_REGISTER).nest(2, |value| {
            value.attr(1, &port.to_be_bytes());
        });
    });
    element(list, "redir", |data| {
        data.be32(1, FIRST_REGISTER);
    });
}
