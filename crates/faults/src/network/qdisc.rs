//! Root qdiscs of the network that the calling thread is in: ours put in and taken out, by a reserved handle.
//!
//! Owns the tree that makes chosen packets late: an HTB root whose one class nobody reaches unless an nftables rule sends
//! it there, and netem under that class. What no rule chose takes HTB's direct queue and meets no limit. A root qdisc that
//! somebody set up is never touched.

use std::time::Duration;

use super::links::{self, Link};
use super::wire::{self, ACK, CREATE, DUMP, Message, REQUEST, u32_at};
use super::{Netlink, NetlinkError};

mod options;

const NEW: u16 = 36;
const DELETE: u16 = 37;
const GET: u16 = 38;
const NEW_CLASS: u16 = 40;
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const ROOT: u32 = 0xffff_ffff;
/// The major number of our root qdisc.
pub(crate) const HANDLE: u16 = 0xdead;
/// The major number of the netem qdisc under it.
const LEAF: u32 = 0xdeae_0000;

/// The class that makes packets late: what a rule sets as a packet's priority.
pub(crate) const fn class() -> u32 {
    major(HANDLE) | 1
}

const fn major(handle: u16) -> u32 {
    (handle as u32) << 16
}

/// A root qdisc that somebody set up: kind and handle.
pub(crate) type Foreign = (String, u32);

/// The devices and, for each, the root qdisc if it is not the kernel's own choice, which has no handle.
pub(crate) fn roots() -> Result<Vec<(Link, Option<Foreign>)>, NetlinkError> {
    let answers = dump(&mut Netlink::open(libc::NETLINK_ROUTE)?)?;
    let root_of = |link: &Link| {
        answers.iter().find_map(|body| {
            let (device, handle, parent) = (u32_at(body, 4)?, u32_at(body, 8)?, u32_at(body, 12)?);
            let kind = wire::text(wire::find(body.get(20..)?, KIND)?);
            (device == link.index && parent == ROOT && handle != 0).then_some((kind, handle))
        })
    };
    Ok(links::links()?.into_iter().map(|link| (link.clone(), root_of(&link))).collect())
}

/// Puts the tree on a device. The root is only made where the kernel's own choice is.
pub(crate) fn make_late(device: &str, delay: Duration, jitter: Duration) -> Result<(), NetlinkError> {
    let Some(link) = links::links()?.into_iter().find(|link| link.name == device) else {
        return Err(NetlinkError::Socket(std::io::Error::from_raw_os_error(libc::ENODEV)));
    };
    let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
    let make = |kind, handle, parent| {
        Message::new(kind, REQUEST | ACK | CREATE, &header(link.index, handle, parent))
    };
    let mut root = make(NEW, major(HANDLE), ROOT);
    root.text(KIND, "htb").nest(OPTIONS, options::htb_root);
    netlink.commit("add the htb root qdisc", vec![root])?;
    let mut class_message = make(NEW_CLASS, class(), major(HANDLE));
    class_message.text(KIND, "htb").nest(OPTIONS, options::htb_class);
    netlink.commit("add the htb class", vec![class_message])?;
    let mut leaf = make(NEW, LEAF, class());
    leaf.text(KIND, "netem").attr(OPTIONS, &options::netem(delay, jitter));
    netlink.commit("add the netem qdisc", vec![leaf])
}

/// Removes the root qdisc of a device if its handle's major number is this one; says whether it did.
pub(crate) fn remove_root(device: &str, handle: u16) -> Result<bool, NetlinkError> {
    let Some(link) = links::links()?.into_iter().find(|link| link.name == device) else { return Ok(false) };
    let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
    let ours = dump(&mut netlink)?.iter().any(|body| {
        (u32_at(body, 4), u32_at(body, 8), u32_at(body, 12))
            == (Some(link.index), Some(major(handle)), Some(ROOT))
    });
    if ours {
        let message = Message::new(DELETE, REQUEST | ACK, &header(link.index, major(handle), ROOT));
        netlink.commit("remove the root qdisc", vec![message])?;
    }
    Ok(ours)
}

/// Puts a netem qdisc on loopback of the calling thread's network, which must be one made for this.
pub(crate) fn probe_netem() -> Result<(), NetlinkError> {
    let mut message = Message::new(NEW, REQUEST | ACK | CREATE, &header(links::LOOPBACK_INDEX, LEAF, ROOT));
    message.text(KIND, "netem").attr(OPTIONS, &options::netem(Duration::ZERO, Duration::ZERO));
    Netlink::open(libc::NETLINK_ROUTE)?.commit("add a netem qdisc", vec![message])
}

fn dump(netlink: &mut Netlink) -> Result<Vec<Vec<u8>>, NetlinkError> {
    let answers = netlink.ask("list the qdiscs", Message::new(GET, REQUEST | DUMP, &[0; 20]))?;
    Ok(answers.into_iter().map(|(_, body)| body).collect())
}

/// `tcmsg`: family, device, handle, parent, info.
fn header(device: u32, handle: u32, parent: u32) -> Vec<u8> {
    [0, device, handle, parent, 0].into_iter().flat_map(u32::to_ne_bytes).collect()
}
