//! One transaction under construction: the messages for a table, its sets, chains and rules.
//!
//! Leaves what the rules of an effect are to [`super::effect`].

use std::collections::BTreeSet;
use std::time::Duration;

use deadstick_core::fault::Direction;

use super::expression::{Expression, FIRST_REGISTER};
use super::sets::{Elements, PeerSet, after};
use super::{NETDEV, SUBSYSTEM, request};
use crate::network::links::Link;
use crate::network::wire::{APPEND, CREATE, Message, REQUEST};

const NEW_TABLE: u16 = 0;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_ELEMENT: u16 = 12;
const DELETE_ELEMENT: u16 = 14;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const OWNER: u32 = 0x2;
const SET_OF_RANGES: u32 = 0x4;
const SET_WITH_TIMEOUTS: u32 = 0x10;
const SET_OF_SEVERAL: u32 = 0x80;
const ENDS_A_RANGE: u32 = 1;
/// Before everything that others hook in.
pub(super) const FIRST: i32 = -500;
/// After everything that others hook in, and our own drops: a packet that is forwarded meets no hook behind.
pub(super) const LAST: i32 = 500;
/// Where destination NAT of outgoing packets belongs.
const NAT: i32 = -100;
/// Elements in one message: far below the 64 KiB that an attribute can hold.
const ELEMENTS_AT_ONCE: usize = 400;
/// The set every rule asks first.
const LINKS: &str = "links";

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
            Self::Routing | Self::Sockets => super::INET,
        }
    }

    const fn number(self, side: Side) -> u32 {
        match (self, side) {
            (_, Side::In) if !matches!(self, Self::Sockets) => 0,
            (Self::Devices, _) | (Self::Sockets, Side::In) => 1,
            (Self::Routing, _) => 4,
            (Self::Sockets, Side::Out) => 3,
        }
    }
}

/// The transaction.
pub(super) struct Batch<'a> {
    table: &'a str,
    lease: Duration,
    hooks: Hooks,
    links: &'a [Link],
    sets: u32,
    messages: Vec<Message>,
}

impl<'a> Batch<'a> {
    /// Begins with nothing.
    pub(super) fn open(table: &'a str, lease: Duration, hooks: Hooks, links: &'a [Link]) -> Self {
        Self { table, lease, hooks, links, sets: 0, messages: vec![mark(BATCH_BEGIN)] }
    }

    /// Begins with the owned table and the set of its devices, which every rule asks.
    pub(super) fn of_table(table: &'a str, lease: Duration, hooks: Hooks, links: &'a [Link]) -> Self {
        let mut batch = Self::open(table, lease, hooks, links);
        batch.message(NEW_TABLE, CREATE).text(1, table).be32(2, OWNER);
        // Only tools that print a set read the type of its key: 20 is a device number, 0 has no name.
        let id = batch.new_set(LINKS, SET_WITH_TIMEOUTS, 20, &[4], links.len());
        batch.link_elements(id);
        batch
    }

    /// Lets the devices be asked for again, for this long from now, whether they still were or not.
    pub(super) fn again(table: &'a str, lease: Duration, hooks: Hooks, links: &'a [Link]) -> Vec<Message> {
        let mut batch = Self::open(table, lease, hooks, links);
        batch.message(DELETE_ELEMENT, 0).text(1, table).text(2, LINKS);
        batch.link_elements(0);
        batch.finish()
    }

    /// Lets nothing be asked for any more.
    pub(super) fn rest(table: &'a str, hooks: Hooks) -> Vec<Message> {
        let mut batch = Self::open(table, Duration::ZERO, hooks, &[]);
        batch.message(DELETE_ELEMENT, 0).text(1, table).text(2, LINKS);
        batch.finish()
    }

    fn link_elements(&mut self, id: u32) {
        let keys: Vec<_> = self.links.iter().map(|link| link.index.to_ne_bytes().to_vec()).collect();
        self.elements(LINKS, id, &keys, true);
    }

    /// Ends it; one answer is wanted for the whole: errors are told anyway, and a thousand answers would not fit into
    /// the socket.
    pub(super) fn finish(mut self) -> Vec<Message> {
        if let Some(last) = self.messages.last_mut() {
            last.want_answer();
        }
        self.messages.push(mark(BATCH_END));
        self.messages
    }

    fn message(&mut self, command: u16, flags: u16) -> &mut Message {
        self.messages.push(request(command, REQUEST | flags, self.hooks.family()));
        let last = self.messages.len() - 1;
        &mut self.messages[last]
    }

    fn new_set(&mut self, name: &str, flags: u32, key_type: u32, fields: &[u32], size: usize) -> u32 {
        self.sets += 1;
        let (id, table) = (self.sets, self.table);
        let key_length = match fields {
            [length] => *length,
            several => several.iter().map(|length| length.next_multiple_of(4)).sum(),
        };
        self.message(NEW_SET, CREATE)
            .text(1, table)
            .text(2, name)
            .be32(3, flags)
            .be32(4, key_type)
            .be32(5, key_length)
            .nest(9, |described| {
                // A set of ranges counts both ends; a size that is known lets the kernel choose its fastest table.
                if flags & SET_OF_RANGES == 0 {
                    described.be32(1, u32::try_from(size.max(1)).unwrap_or(u32::MAX));
                }
                if flags & SET_OF_SEVERAL != 0 {
                    described.nest(2, |list| {
                        for length in fields {
                            list.nest(1, |field| {
                                field.be32(1, *length);
                            });
                        }
                    });
                }
            })
            .be32(10, id);
        id
    }

    /// A set of keys whose elements end with the lease.
    pub(super) fn timed_set(&mut self, name: &str, fields: &[u32], keys: impl Iterator<Item = Vec<u8>>) {
        // Each once: the kernel refuses a second one.
        let keys: Vec<_> = keys.collect::<BTreeSet<_>>().into_iter().collect();
        let id = self.new_set(name, SET_WITH_TIMEOUTS, 0, &[fields.iter().sum()], keys.len());
        self.elements(name, id, &keys, true);
    }

    /// A set of single bytes.
    pub(super) fn byte_set(&mut self, name: &str, bytes: &[u8]) {
        let id = self.new_set(name, 0, 12, &[1], bytes.len());
        let keys: Vec<_> = bytes.iter().map(|byte| vec![*byte]).collect();
        self.elements(name, id, &keys, false);
    }

    /// A set of peers. Its elements do not time out: the devices, which are asked first, do.
    pub(super) fn peer_set(&mut self, name: &str, set: &PeerSet) {
        let (address, kind) = if set.version == 4 { (4, 7) } else { (16, 8) };
        let (fields, kind) =
            if set.with_port { (vec![address, 2], kind << 6 | 13) } else { (vec![address], kind) };
        match &set.elements {
            Elements::Exact(keys) => {
                let id = self.new_set(name, 0, kind, &fields, keys.len());
                self.elements(name, id, keys, false);
            }
            Elements::Ranges(ranges) if set.with_port => {
                let flags = SET_OF_RANGES | SET_OF_SEVERAL;
                let id = self.new_set(name, flags, kind, &fields, ranges.len());
                self.each(name, id, ranges, |list, (first, last)| {
                    list.nest(1, |element| {
                        value(element, 1, first);
                        value(element, 10, last);
                    });
                });
            }
            Elements::Ranges(ranges) => {
                let id = self.new_set(name, SET_OF_RANGES, kind, &fields, ranges.len());
                self.each(name, id, ranges, |list, (first, last)| {
                    list.nest(1, |element| value(element, 1, first));
                    if let Some(next) = after(last) {
                        list.nest(1, |element| {
                            value(element, 1, &next);
                            element.be32(3, ENDS_A_RANGE);
                        });
                    }
                });
            }
        }
    }

    fn elements(&mut self, name: &str, id: u32, keys: &[Vec<u8>], timed: bool) {
        let lease = milliseconds(self.lease);
        self.each(name, id, keys, |list, key| {
            list.nest(1, |element| {
                value(element, 1, key);
                if timed {
                    element.be64(4, lease);
                }
            });
        });
    }

    fn each<T>(&mut self, name: &str, id: u32, all: &[T], mut write: impl FnMut(&mut Message, &T)) {
        let table = self.table;
        for some in all.chunks(ELEMENTS_AT_ONCE) {
            let message = self.message(NEW_ELEMENT, CREATE).text(1, table).text(2, name);
            // A set of an earlier transaction is known by its name alone.
            if id != 0 {
                message.be32(4, id);
            }
            message.nest(3, |list| some.iter().for_each(|one| write(list, one)));
        }
    }

    /// A chain of one side; packets pass it unless a rule says otherwise.
    pub(super) fn chain(&mut self, side: Side, priority: i32) {
        let (table, links, hooks) = (self.table, self.links, self.hooks);
        self.message(NEW_CHAIN, CREATE).text(1, table).text(3, side.name()).text(7, "filter").nest(
            4,
            |hook| {
                hook.be32(1, hooks.number(side)).be32(2, priority.cast_unsigned());
                if hooks == Hooks::Devices {
                    hook.nest(4, |devices| {
                        for link in links {
                            devices.text(1, &link.name);
                        }
                    });
                }
            },
        );
    }

    /// A chain in which outgoing connections can be sent elsewhere.
    pub(super) fn nat_chain(&mut self) {
        let table = self.table;
        self.message(NEW_CHAIN, CREATE).text(1, table).text(3, Side::Out.name()).text(7, "nat").nest(
            4,
            |hook| {
                hook.be32(1, 3).be32(2, NAT.cast_unsigned());
            },
        );
    }

    /// A rule of these steps.
    pub(super) fn rule(&mut self, side: Side, rest: &[Expression]) {
        self.rule_with(side, |list| rest.iter().for_each(|expression| expression.write(list)));
    }

    /// A rule; it asks whether the lease still runs before anything else.
    pub(super) fn rule_with(&mut self, side: Side, fill: impl FnOnce(&mut Message)) {
        let table = self.table;
        let lease = [side.device(), Expression::InSet { set: LINKS.to_owned(), register: FIRST_REGISTER }];
        self.message(NEW_RULE, APPEND).text(1, table).text(2, side.name()).nest(4, |list| {
            lease.iter().for_each(|expression| expression.write(list));
            fill(list);
        });
    }
}

fn mark(kind: u16) -> Message {
    Message::new(kind, REQUEST, &[0, 0, 0, u8::try_from(SUBSYSTEM).unwrap_or(0)])
}

fn value(element: &mut Message, kind: u16, key: &[u8]) {
    element.nest(kind, |data| {
        data.attr(1, key);
    });
}

fn milliseconds(lease: Duration) -> u64 {
    u64::try_from(lease.as_millis()).unwrap_or(u64::MAX).max(1)
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
