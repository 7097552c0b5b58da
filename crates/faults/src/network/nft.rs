//! nftables by netlink: an owner-flagged table that harms chosen packets until its lease ends.
//!
//! Owns the messages. The kernel removes the table when the socket that made it is closed, whatever closed it; and every
//! rule first asks the set `links`, whose elements carry the lease as a timeout, so that it matches nothing once that is
//! over. Either way nobody has to be alive for the fault to end (design section 5).

use super::diag::Connection;
use super::links::Link;
use super::wire::{self, DUMP, Message, REQUEST};
use super::{Netlink, NetlinkError};
use crate::kernel::{Layer, TableEffect, TableSpec};

mod batch;
mod expression;

use batch::Batch;

const SUBSYSTEM: u16 = 10;
const GET_TABLE: u16 = 1;
const GET_RULE: u16 = 7;
const INET: u8 = 1;
const NETDEV: u8 = 5;

/// Installs the table on this socket, in one transaction.
pub(crate) fn install(
    netlink: &mut Netlink,
    spec: &TableSpec,
    links: &[Link],
    flows: &[Connection],
) -> Result<(), NetlinkError> {
    let batch = Batch::new(spec, links, flows);
    netlink.commit("install the nftables table", batch.messages)
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

/// How many packets the table's rules have chosen so far; the calling thread is in its network.
pub(crate) fn hits(spec: &TableSpec) -> Result<u64, NetlinkError> {
    let mut netlink = Netlink::open(libc::NETLINK_NETFILTER)?;
    let mut message = request(GET_RULE, REQUEST | DUMP, family(spec));
    message.text(1, &spec.name);
    let answers = netlink.ask("read the rules' counters", message)?;
    Ok(answers
        .iter()
        .filter_map(|(_, body)| body.get(4..))
        .filter(|rule| belongs(rule, &spec.name))
        .map(expression::packets)
        .sum())
}

fn belongs(rule: &[u8], table: &str) -> bool {
    wire::find(rule, 1).map(wire::text).as_deref() == Some(table)
}

const fn family(spec: &TableSpec) -> u8 {
    match (&spec.effect, spec.layer) {
        (TableEffect::Forward { .. }, _) => NETDEV,
        (TableEffect::Redirect { .. }, _) | (_, Layer::Internet) => INET,
        (_, Layer::Device) => NETDEV,
    }
}

fn request(command: u16, flags: u16, family: u8) -> Message {
    Message::new((SUBSYSTEM << 8) | command, flags, &[family, 0, 0, 0])
}
