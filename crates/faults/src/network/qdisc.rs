//! Queueing disciplines of the network that the calling thread is in: ours put in and taken out, by a reserved handle.
//!
//! Owns the tree that hurts chosen packets: an HTB root with classes below it, which nobody reaches unless an nftables rule
//! sends it there. Which classes a fault has is for [`classes`] and [`together`]; below each of them is netem, or a plain
//! queue where only the rate counts ([`suffered`]). What no rule chose takes HTB's direct queue and meets no limit. The root
//! is made with the first class and goes with the last; a root qdisc that somebody set up is never touched, or captured
//! ([`capture`]) and put back.

use deadstick_core::ledger::CapturedQdisc;

use super::links::{self, Link};
use super::turn::Turn;
use super::wire::{ACK, CREATE, Message, REQUEST};
use super::{Netlink, NetlinkError};
use crate::kernel::{KernelError, Root, Shapeable};

mod capture;
pub(crate) mod classes;
mod distribution;
mod dump;
mod netem;
mod options;
pub(crate) mod suffered;
mod sum;
pub(crate) mod together;

pub(crate) use capture::{capture, rehearse};
pub(crate) use netem::LONGEST_JITTER;
pub(crate) use options::{SLOWEST, as_mark};

use dump::Object;

const NEW: u16 = 36;
const DELETE: u16 = 37;
const NEW_CLASS: u16 = 40;
const DELETE_CLASS: u16 = 41;
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const ROOT: u32 = 0xffff_ffff;
/// The object is to be made, or to take the place of the one that is there.
const REPLACE: u16 = 0x400 | 0x100;
/// The major number of our root qdisc.
pub(crate) const HANDLE: u16 = 0xdead;
/// That of the root of the device which received packets are led through. No other device has it, so that the priority a
/// packet keeps from there means nothing to them.
pub(crate) const INTAKE_HANDLE: u16 = 0xdeae;
/// In its place in a packet's priority, before the device is reached.
pub(crate) const WAITING: u16 = 0xdeab;
const HTB: &str = "htb";

const fn major(handle: u16) -> u32 {
    (handle as u32) << 16
}

/// The root qdisc among those of one device, where ours has this number.
fn root(qdiscs: &[Object], handle: u16) -> (Root, Option<&Object>) {
    let Some(root) = qdiscs.iter().find(|one| one.parent == ROOT && one.handle != 0) else {
        return (Root::Default, None);
    };
    let is_ours = root.kind == HTB && root.handle == major(handle);
    let options = root.options.as_deref().unwrap_or(&[]);
    let which = if is_ours {
        Root::Ours { replaced: options::has_replaced(options) }
    } else {
        Root::Foreign { kind: root.kind.clone(), handle: root.handle >> 16 }
    };
    (which, Some(root))
}

/// What queues the packets of each device.
pub(crate) fn shapeable() -> Result<Vec<Shapeable>, NetlinkError> {
    let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
    let mut all = Vec::new();
    for link in links::links()? {
        let root = root(&dump::qdiscs(&mut netlink, link.index)?, HANDLE).0;
        all.push(Shapeable { device: link.name, root });
    }
    Ok(all)
}

fn link(device: &str) -> Result<Link, NetlinkError> {
    let gone = || std::io::Error::from_raw_os_error(libc::ENODEV);
    Ok(links::named(device)?.ok_or_else(gone)?)
}

/// Waits for the turn at the qdiscs of the calling thread's network.
pub(crate) fn turn() -> Result<Turn, KernelError> {
    Turn::take().map_err(|source| KernelError::Call { doing: "wait for the turn at the qdiscs", source })
}

fn commit_root(netlink: &mut Netlink, link: &Link, handle: u16, replacing: bool) -> Result<(), NetlinkError> {
    let flags = if replacing { REPLACE } else { CREATE };
    let mut root = Message::new(NEW, REQUEST | ACK | flags, &header(link.index, major(handle), ROOT));
    root.text(KIND, HTB).nest(OPTIONS, |to| options::htb_root(to, replacing));
    netlink.commit("add the htb root qdisc", vec![root])
}

/// The classes of our root on a device.
fn own_classes(netlink: &mut Netlink, link: &Link, handle: u16) -> Result<Vec<Object>, NetlinkError> {
    let mut classes = dump::classes(netlink, link.index)?;
    // A netem that carries another one has a class of its own.
    classes.retain(|one| one.kind == HTB && one.handle & 0xffff_0000 == major(handle));
    Ok(classes)
}

fn has_mark(class: &Object, mark: u32) -> bool {
    class.options.as_deref().is_some_and(|options| options::has_mark(options, mark))
}

/// Removes a fault's classes, our root with the last class, and puts back what was there. Without a mark everything goes.
pub(crate) fn remove(
    device: &str,
    handle: u16,
    mark: Option<u32>,
    put_back: &[CapturedQdisc],
) -> Result<bool, KernelError> {
    if links::named(device)?.is_none() {
        return Ok(false);
    }
    let _turn = turn()?;
    // Looked for again: whoever had the turn may have removed it.
    let Some(link) = links::named(device)? else { return Ok(false) };
    let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
    let qdiscs = dump::qdiscs(&mut netlink, link.index)?;
    if !matches!(root(&qdiscs, handle).0, Root::Ours { .. }) {
        return capture::put_back_if_missing(&mut netlink, &link, put_back);
    }
    let delete =
        |kind, handle, parent| Message::new(kind, REQUEST | ACK, &header(link.index, handle, parent));
    if let Some(mark) = mark {
        let classes = own_classes(&mut netlink, &link, handle)?;
        let ours = |handle: u32| classes.iter().any(|one| one.handle == handle && has_mark(one, mark));
        // What others put below a limit of this fault is for packets that it chose: nobody chooses them any more.
        let gone: Vec<_> = classes.iter().filter(|one| ours(one.handle) || ours(one.parent)).collect();
        // A class that carries others goes after them.
        let (limits, leaves): (Vec<&Object>, Vec<&Object>) =
            gone.iter().partition(|one| classes.iter().any(|other| other.parent == one.handle));
        for one in leaves.iter().chain(&limits) {
            netlink.commit("remove the htb class", vec![delete(DELETE_CLASS, one.handle, 0)])?;
        }
        if classes.len() > gone.len() {
            return Ok(!gone.is_empty());
        }
    }
    if put_back.is_empty() {
        netlink.commit("remove the root qdisc", vec![delete(DELETE, major(handle), ROOT)])?;
    } else {
        capture::put_back(&mut netlink, &link, put_back)?;
    }
    Ok(true)
}

/// Whether classes of ours are on the device that received packets are led through.
pub(crate) fn is_used(device: &str) -> Result<bool, KernelError> {
    let Some(link) = links::named(device)? else { return Ok(false) };
    let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
    Ok(!own_classes(&mut netlink, &link, INTAKE_HANDLE)?.is_empty())
}

/// Puts an HTB qdisc on loopback of the calling thread's network, which must be one made for this.
pub(crate) fn probe_htb() -> Result<(), NetlinkError> {
    let mut message = on_loopback();
    message.text(KIND, HTB).nest(OPTIONS, |to| options::htb_root(to, false));
    Netlink::open(libc::NETLINK_ROUTE)?.commit("add an htb qdisc", vec![message])
}

/// The same with netem.
pub(crate) fn probe_netem() -> Result<(), NetlinkError> {
    let mut message = on_loopback();
    message.text(KIND, "netem").attr(OPTIONS, &netem::Netem::default().encode());
    Netlink::open(libc::NETLINK_ROUTE)?.commit("add a netem qdisc", vec![message])
}

/// In the place of whatever was tried before, under another number: the kernel would change one of the same.
fn on_loopback() -> Message {
    Message::new(NEW, REQUEST | ACK | REPLACE, &header(links::LOOPBACK_INDEX, 0, ROOT))
}

/// `tcmsg`: family, device, handle, parent, info.
fn header(device: u32, handle: u32, parent: u32) -> Vec<u8> {
    [0, device, handle, parent, 0].into_iter().flat_map(u32::to_ne_bytes).collect()
}
