//! nftables by netlink: an owner-flagged table that harms chosen packets until its lease ends.
//!
//! Owns the messages: [`chooser`] says which packets, [`effect`] what becomes of them. The kernel removes the table when
//! the socket that made it is closed, whatever closed it; and every rule first asks the set `links`, whose elements carry
//! the lease as a timeout, so that it matches nothing once that is over. Either way nobody has to be alive for the fault
//! to end (design section 5).

use std::time::Duration;

use super::diag::Connection;
use super::links::Link;
use super::member::Member;
use super::wire::{self, DUMP, Message, REQUEST};
use super::{Netlink, NetlinkError};
use crate::kernel::{Group, TableSpec};
use crate::undo::TABLE_PREFIX;

mod batch;
mod chooser;
mod classes;
mod effect;
mod expression;
mod header;
mod hooks;
mod matches;
mod questions;
mod sets;

use batch::Batch;
pub(crate) use expression::PARTS;
pub(crate) use questions::{LOWEST_MARK, MARK_BITS};

const SUBSYSTEM: u16 = 10;
const GET_TABLE: u16 = 1;
const GET_RULE: u16 = 7;
const INET: u8 = 1;
/// Of a table: bytes that the kernel keeps and does not look at.
const USER_DATA: u16 = 6;
const NETDEV: u8 = 5;

/// Installs the table on this socket, in one transaction.
pub(crate) fn install(
    netlink: &mut Netlink,
    spec: &TableSpec,
    links: &[Link],
    connections: &[Connection],
    group: Option<&Group>,
) -> Result<(), NetlinkError> {
    netlink.commit("install the nftables table", effect::messages(spec, links, connections, group))
}

/// Lets the rules of a table on this socket act for this long from now; not at all for no time.
pub(crate) fn act_for(
    netlink: &mut Netlink,
    spec: &TableSpec,
    links: &[Link],
    length: Duration,
) -> Result<(), NetlinkError> {
    let hooks = effect::hooks(spec);
    let messages = if length.is_zero() {
        Batch::rest(&spec.name, hooks)
    } else {
        Batch::again(&spec.name, length, hooks, links)
    };
    netlink.commit("let the nftables table act for a while", messages)
}

/// Whether a table of this name is in the network of the calling thread.
pub(crate) fn is_there(name: &str) -> Result<bool, NetlinkError> {
    let mut netlink = Netlink::open(libc::NETLINK_NETFILTER)?;
    for family in [NETDEV, INET] {
        let mut message = request(GET_TABLE, REQUEST, family);
        message.text(1, name);
        match netlink.ask("look for the nftables table", message) {
            Ok(_) => return Ok(true),
            Err(error) if error.errno() == Some(libc::ENOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// What the tables of ours in the network of the calling thread say of the classes they send packets to.
pub(crate) fn members() -> Result<Vec<Member>, NetlinkError> {
    let mut netlink = Netlink::open(libc::NETLINK_NETFILTER)?;
    let mut members = Vec::new();
    for family in [NETDEV, INET] {
        let answers = netlink.ask("list the nftables tables", request(GET_TABLE, REQUEST | DUMP, family))?;
        let read = |body: &[u8]| {
            let attributes = body.get(4..)?;
            let name = wire::text(wire::find(attributes, 1)?);
            let said = wire::find(attributes, USER_DATA)?;
            if name.starts_with(TABLE_PREFIX) { Member::decode(&name, said) } else { None }
        };
        members.extend(answers.iter().filter_map(|(_, body)| read(body)));
    }
    Ok(members)
}

/// How many packets the table's rules have chosen so far; the calling thread is in its network.
pub(crate) fn hits(spec: &TableSpec) -> Result<u64, NetlinkError> {
    let mut netlink = Netlink::open(libc::NETLINK_NETFILTER)?;
    let mut message = request(GET_RULE, REQUEST | DUMP, effect::hooks(spec).family());
    message.text(1, &spec.name);
    let answers = netlink.ask("read the rules' counters", message)?;
    Ok(answers
        .iter()
        .filter_map(|(_, body)| body.get(4..))
        .filter(|rule| belongs(rule, &spec.name))
        .map(counted)
        .sum())
}

/// Sum of the packet counters of a rule, from its attributes.
fn counted(rule: &[u8]) -> u64 {
    let Some(expressions) = wire::find(rule, 4) else { return 0 };
    wire::attrs(expressions)
        .filter(|(_, one)| wire::find(one, 1).map(wire::text).as_deref() == Some("counter"))
        .filter_map(|(_, one)| wire::find(wire::find(one, 2)?, 2)?.try_into().ok().map(u64::from_be_bytes))
        .sum()
}

fn belongs(rule: &[u8], table: &str) -> bool {
    wire::find(rule, 1).map(wire::text).as_deref() == Some(table)
}

fn request(command: u16, flags: u16, family: u8) -> Message {
    Message::new((SUBSYSTEM << 8) | command, flags, &[family, 0, 0, 0])
}
