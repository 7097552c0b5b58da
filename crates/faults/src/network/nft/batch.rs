//! One transaction: the table with its sets, chains and rules.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use deadstick_core::fault::{Direction, Flow, Peer};

use super::expression::{self, Expression, peer_matches};
use super::{NETDEV, SUBSYSTEM, family, request};
use crate::kernel::{TableEffect, TableSpec};
use crate::network::diag::Connection;
use crate::network::links::Link;
use crate::network::wire::{APPEND, CREATE, Message, REQUEST};

const NEW_TABLE: u16 = 0;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_ELEMENT: u16 = 12;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const OWNER: u32 = 0x2;
const SET_WITH_TIMEOUTS: u32 = 0x10;
/// Before everything that others hook in.
const FIRST: i32 = -500;
/// After everything that others hook in, and our own drops: a packet that is forwarded meets no hook behind.
const LAST: i32 = 500;
/// Where destination NAT of outgoing packets belongs.
const NAT: i32 = -100;
/// Elements in one message: far below the 64 KiB that an attribute can hold.
const ELEMENTS_AT_ONCE: usize = 400;
/// The set every rule asks first.
const LINKS: &str = "links";
const FLOWS_4: &str = "flows4";
const FLOWS_6: &str = "flows6";

/// One transaction under construction.
pub(super) struct Batch<'a> {
    spec: &'a TableSpec,
    family: u8,
    pub(super) messages: Vec<Message>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(spec: &'a TableSpec, links: &[Link], flows: &[Connection]) -> Self {
        let mark = |kind| Message::new(kind, REQUEST, &[0, 0, 0, u8::try_from(SUBSYSTEM).unwrap_or(0)]);
        let mut batch = Self { spec, family: family(spec), messages: vec![mark(BATCH_BEGIN)] };
        batch.message(NEW_TABLE, CREATE).text(1, &spec.name).be32(2, OWNER);
        batch.set(LINKS, 4, 1, links.iter().map(|link| link.index.to_ne_bytes().to_vec()));
        match &spec.effect {
            TableEffect::Silence => {
                for side in [Side::In, Side::Out] {
                    batch.chain(side, links);
                    batch.rule(side, &[Expression::Drop]);
                }
            }
            TableEffect::Cut { flow: Flow { to: peers, direction, .. } } => {
                for side in Side::of(*direction) {
                    batch.chain(side, links);
                    if peers.is_empty() {
                        batch.rule(side, &[Expression::Drop]);
                    }
                    for matches in peers.iter().flat_map(|peer| peer_matches(peer, side)) {
                        batch.rule(side, &[matches, vec![Expression::Drop]].concat());
                    }
                }
            }
            TableEffect::Hush { .. } => {
                let (four, six): (Vec<_>, Vec<_>) = flows.iter().partition(|flow| flow.peer.is_ipv4());
                batch.set(FLOWS_4, 16, 2, four.into_iter().map(flow_key));
                batch.set(FLOWS_6, 40, 3, six.into_iter().map(flow_key));
                for side in [Side::In, Side::Out] {
                    batch.chain(side, links);
                    for (set, version) in [(FLOWS_4, 4), (FLOWS_6, 6)] {
                        let matches = expression::flow_matches(set, version, side);
                        batch.rule(side, &[matches, vec![Expression::Drop]].concat());
                    }
                }
            }
            TableEffect::Classify { flow, class } => {
                batch.chain(Side::Out, links);
                let mut all: Vec<_> = flow.to.iter().flat_map(|peer| peer_matches(peer, Side::Out)).collect();
                if all.is_empty() {
                    all.push(Vec::new());
                }
                for matches in all {
                    batch.rule(Side::Out, &[matches, vec![Expression::Classify(*class)]].concat());
                }
            }
            TableEffect::Forward { flow, class, device } => {
                batch.chain_at(Side::In, links, LAST);
                let mut all: Vec<_> = flow.to.iter().flat_map(|peer| peer_matches(peer, Side::In)).collect();
                if all.is_empty() {
                    all.push(Vec::new());
                }
                for matches in all {
                    let sent = vec![Expression::Classify(*class), Expression::Forward(*device)];
                    batch.rule(Side::In, &[matches, sent].concat());
                }
            }
            TableEffect::Redirect { peer, port, mark } => {
                batch.nat_chain();
                let peer = Peer::from(*peer);
                // Of the two matches, for TCP and UDP, only the first is meant.
                for matches in peer_matches(&peer, Side::Out).into_iter().take(1) {
                    let escape = vec![Expression::MetaMark, Expression::Differs(mark.to_ne_bytes().to_vec())];
                    batch.rule(Side::Out, &[escape, matches, vec![Expression::Redirect(*port)]].concat());
                }
            }
        }
        // One answer for the whole: errors are told anyway, and a thousand answers would not fit into the socket.
        if let Some(last) = batch.messages.last_mut() {
            last.want_answer();
        }
        batch.messages.push(mark(BATCH_END));
        batch
    }

    fn message(&mut self, command: u16, flags: u16) -> &mut Message {
        self.messages.push(request(command, REQUEST | flags, self.family));
        let last = self.messages.len() - 1;
        &mut self.messages[last]
    }

    /// A set whose elements end with the lease.
    fn set(&mut self, name: &str, key_length: u32, id: u32, keys: impl Iterator<Item = Vec<u8>>) {
        let table = self.spec.name.clone();
        let lease = self.spec.lease;
        self.message(NEW_SET, CREATE)
            .text(1, &table)
            .text(2, name)
            .be32(3, SET_WITH_TIMEOUTS)
            // Only tools that print the set read the type of its key: 20 is a device number, 0 has no name.
            .be32(4, if name == LINKS { 20 } else { 0 })
            .be32(5, key_length)
            .be32(10, id);
        // Each once: the kernel refuses a second one.
        let keys: Vec<_> = keys.collect::<BTreeSet<_>>().into_iter().collect();
        for some in keys.chunks(ELEMENTS_AT_ONCE) {
            self.message(NEW_ELEMENT, CREATE).text(1, &table).text(2, name).be32(4, id).nest(3, |list| {
                for key in some {
                    list.nest(1, |element| {
                        element.nest(1, |data| {
                            data.attr(1, key);
                        });
                        element.be64(4, milliseconds(lease));
                    });
                }
            });
        }
    }

    fn chain(&mut self, side: Side, links: &[Link]) {
        self.chain_at(side, links, FIRST);
    }

    fn chain_at(&mut self, side: Side, links: &[Link], priority: i32) {
        let (table, family) = (self.spec.name.clone(), self.family);
        self.message(NEW_CHAIN, CREATE).text(1, &table).text(3, side.name()).text(7, "filter").nest(
            4,
            |hook| {
                // netdev: ingress 0, egress 1; inet: before routing 0, after routing 4, so that forwarding is covered.
                let number = match (side, family) {
                    (Side::In, _) => 0,
                    (Side::Out, NETDEV) => 1,
                    (Side::Out, _) => 4,
                };
                hook.be32(1, number).be32(2, priority.cast_unsigned());
                if family == NETDEV {
                    hook.nest(4, |devices| {
                        for link in links {
                            devices.text(1, &link.name);
                        }
                    });
                }
            },
        );
    }

    fn nat_chain(&mut self) {
        let table = self.spec.name.clone();
        self.message(NEW_CHAIN, CREATE).text(1, &table).text(3, Side::Out.name()).text(7, "nat").nest(
            4,
            |hook| {
                hook.be32(1, 3).be32(2, NAT.cast_unsigned());
            },
        );
    }

    /// A rule; it asks whether the lease still runs before anything else.
    fn rule(&mut self, side: Side, rest: &[Expression]) {
        let table = self.spec.name.clone();
        let lease = [side.device(), Expression::InSet { set: LINKS, register: expression::FIRST_REGISTER }];
        self.message(NEW_RULE, APPEND).text(1, &table).text(2, side.name()).nest(4, |list| {
            for expression in lease.iter().chain(rest) {
                expression.write(list);
            }
        });
    }
}

/// From where a packet is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    In,
    Out,
}

impl Side {
    fn of(direction: Direction) -> Vec<Self> {
        match direction {
            Direction::Ingress => vec![Self::In],
            Direction::Egress => vec![Self::Out],
            Direction::Both => vec![Self::In, Self::Out],
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }

    const fn device(self) -> Expression {
        match self {
            Self::In => Expression::MetaInDevice,
            Self::Out => Expression::MetaOutDevice,
        }
    }
}

/// Our address and port, then the peer's; each padded to whole registers.
fn flow_key(flow: &Connection) -> Vec<u8> {
    [flow.local, flow.peer]
        .iter()
        .flat_map(|end| {
            let mut bytes = match end.ip() {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            bytes.extend(end.port().to_be_bytes());
            bytes.extend([0; 2]);
            bytes
        })
        .collect()
}

fn milliseconds(lease: Duration) -> u64 {
    u64::try_from(lease.as_millis()).unwrap_or(u64::MAX).max(1)
}
