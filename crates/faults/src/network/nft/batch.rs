//! One transaction under construction: the messages for a table, its chains and rules.
//!
//! Leaves sets to [`elements`], where chains take their packets to [`super::hooks`], and what the rules of an effect are to
//! [`super::effect`].

mod elements;

use std::time::Duration;

use super::expression::{Expression, FIRST_REGISTER};
use super::hooks::{Hooks, Side};
use super::{SUBSYSTEM, request};
use crate::network::links::Link;
use crate::network::wire::{APPEND, CREATE, Message, REQUEST};

const NEW_TABLE: u16 = 0;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const DELETE_ELEMENT: u16 = 14;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const OWNER: u32 = 0x2;
const SET_WITH_TIMEOUTS: u32 = 0x10;
/// Where destination NAT of outgoing packets belongs.
const NAT: i32 = -100;
/// The set every rule asks first.
const LINKS: &str = "links";

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

    /// Begins with the owned table and the set of its devices, which every rule asks. `said` is what the table says about
    /// itself.
    pub(super) fn of_table(
        table: &'a str,
        lease: Duration,
        hooks: Hooks,
        links: &'a [Link],
        said: &[u8],
    ) -> Self {
        let mut batch = Self::open(table, lease, hooks, links);
        let new = batch.message(NEW_TABLE, CREATE).text(1, table).be32(2, OWNER);
        if !said.is_empty() {
            new.attr(super::USER_DATA, said);
        }
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

    /// A chain of one side; packets pass it unless a rule says otherwise.
    pub(super) fn chain(&mut self, side: Side, priority: i32) {
        self.chain_as(side.name(), side, priority);
    }

    /// The same by another name.
    pub(super) fn chain_as(&mut self, name: &str, side: Side, priority: i32) {
        let (table, links, hooks) = (self.table, self.links, self.hooks);
        self.message(NEW_CHAIN, CREATE).text(1, table).text(3, name).text(7, "filter").nest(4, |hook| {
            hook.be32(1, hooks.number(side)).be32(2, priority.cast_unsigned());
            if hooks == Hooks::Devices {
                hook.nest(4, |devices| {
                    for link in links {
                        devices.text(1, &link.name);
                    }
                });
            }
        });
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
    pub(super) fn rule(&mut self, side: Side, steps: &[Expression]) {
        self.rule_in(side.name(), side, steps);
    }

    /// A chain by another name, and its only rule.
    pub(super) fn chain_of(&mut self, name: &str, side: Side, priority: i32, steps: &[Expression]) {
        self.chain_as(name, side, priority);
        self.rule_in(name, side, steps);
    }

    /// A rule; it asks whether the lease still runs before anything else.
    fn rule_in(&mut self, chain: &str, side: Side, steps: &[Expression]) {
        let table = self.table;
        let lease = [side.device(), Expression::InSet { set: LINKS.to_owned(), register: FIRST_REGISTER }];
        self.message(NEW_RULE, APPEND).text(1, table).text(2, chain).nest(4, |list| {
            lease.iter().chain(steps).for_each(|expression| expression.write(list));
        });
    }
}

fn mark(kind: u16) -> Message {
    Message::new(kind, REQUEST, &[0, 0, 0, u8::try_from(SUBSYSTEM).unwrap_or(0)])
}
