//! Queueing disciplines of the network that the calling thread is in: ours put in and taken out, by a reserved handle.
//!
//! Owns the tree that hurts chosen packets: an HTB root, one class below it for each fault, whom nobody reaches unless an
//! nftables rule sends it there, and below that class netem, or a plain queue where only the rate counts. What no rule chose takes
//! HTB's direct queue and meets no limit. The root is made with the first class and goes with the last; a root qdisc that
//! somebody set up is never touched, or captured ([`capture`]) and put back.

use deadstick_core::fault::Impairment;
use deadstick_core::ledger::{CapturedQdisc, TrafficClass};

use super::links::{self, Link};
use super::turn::Turn;
use super::wire::{ACK, CREATE, Message, REQUEST};
use super::{Netlink, NetlinkError};
use crate::kernel::{ClassSpec, KernelError, Root, Shapeable, Shown};

mod capture;
mod distribution;
mod dump;
mod netem;
mod options;

pub(crate) use capture::{capture, rehearse};
pub(crate) use netem::{LONGEST_JITTER, Netem};
pub(crate) use options::SLOWEST;

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
const HTB: &str = "htb";

/// A class of ours as rules name it: what is set as a packet's priority.
pub(crate) const fn class(id: TrafficClass) -> u32 {
    major(HANDLE) | id.minor as u32
}

const fn major(handle: u16) -> u32 {
    (handle as u32) << 16
}

/// The root qdisc among those of one device.
fn root(qdiscs: &[Object]) -> (Root, Option<&Object>) {
    let Some(root) = qdiscs.iter().find(|one| one.parent == ROOT && one.handle != 0) else {
        return (Root::Default, None);
    };
    let is_ours = root.kind == HTB && root.handle == major(HANDLE);
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
        let root = root(&dump::qdiscs(&mut netlink, link.index)?).0;
        let ours = |one: &Object| one.handle & 0xffff_0000 == major(HANDLE);
        let classes = dump::classes(&mut netlink, link.index)?;
        let minors = classes.iter().filter(|one| ours(one)).map(|one| (one.handle & 0xffff) as u16).collect();
        all.push(Shapeable { device: link.name, root, minors });
    }
    Ok(all)
}

fn link(device: &str) -> Result<Link, NetlinkError> {
    let gone = || std::io::Error::from_raw_os_error(libc::ENODEV);
    Ok(links::named(device)?.ok_or_else(gone)?)
}

fn turn() -> Result<Turn, KernelError> {
    Turn::take().map_err(|source| KernelError::Call { doing: "wait for the turn at the qdiscs", source })
}

/// Puts a class on a device, and the root above it where it is not there yet.
pub(crate) fn add(device: &str, spec: &ClassSpec) -> Result<(), KernelError> {
    let link = link(device)?;
    let _turn = turn()?;
    let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
    match root(&dump::qdiscs(&mut netlink, link.index)?).0 {
        Root::Ours { replaced: false } => {}
        Root::Default => commit_root(&mut netlink, &link, false)?,
        Root::Foreign { .. } if spec.replacing => commit_root(&mut netlink, &link, true)?,
        Root::Foreign { kind, handle } => {
            return Err(KernelError::ForeignQdisc { device: link.name, kind, handle });
        }
        Root::Ours { replaced: true } => return Err(KernelError::Replaced { device: link.name }),
    }
    let make = |kind, handle, parent| {
        Message::new(kind, REQUEST | ACK | CREATE, &header(link.index, handle, parent))
    };
    let own = class(spec.id);
    let mut class_message = make(NEW_CLASS, own, major(HANDLE));
    class_message.text(KIND, HTB).nest(OPTIONS, |to| options::htb_class(to, spec.id, spec.impairment.rate));
    netlink.commit("add the htb class", vec![class_message])?;
    // The kernel gives the leaf a number that is free.
    let mut leaf = make(NEW, 0, own);
    if spec.netem {
        leaf.text(KIND, "netem").attr(OPTIONS, &Netem::from(&spec.impairment).encode());
        netlink.commit("add the netem qdisc", vec![leaf])?;
    } else {
        leaf.text(KIND, "pfifo").attr(OPTIONS, &options::fifo());
        netlink.commit("add the queue of the slow link", vec![leaf])?;
    }
    Ok(())
}

fn commit_root(netlink: &mut Netlink, link: &Link, replacing: bool) -> Result<(), NetlinkError> {
    let flags = if replacing { REPLACE } else { CREATE };
    let mut root = Message::new(NEW, REQUEST | ACK | flags, &header(link.index, major(HANDLE), ROOT));
    root.text(KIND, HTB).nest(OPTIONS, |to| options::htb_root(to, replacing));
    netlink.commit("add the htb root qdisc", vec![root])
}

/// What a class of ours has done.
pub(crate) fn shown(device: &str, spec: &ClassSpec) -> Result<Option<Shown>, NetlinkError> {
    let link = link(device)?;
    let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
    let Some(found) = find(&dump::classes(&mut netlink, link.index)?, spec.id) else { return Ok(None) };
    let leaves = dump::qdiscs(&mut netlink, link.index)?;
    let Some(leaf) = leaves.iter().find(|one| one.parent == class(spec.id)) else { return Ok(None) };
    let held = leaf.options.as_deref().and_then(Netem::decode);
    let netem = match held {
        Some(held) if leaf.kind == "netem" => Netem::from(&spec.impairment).is_shown_as(&held),
        _ => !spec.netem,
    };
    Ok(Some(Shown {
        sent: leaf.sent,
        dropped: leaf.dropped,
        waiting: leaf.waiting,
        as_asked: netem && options::rate(&found) == spec.impairment.rate,
    }))
}

/// The options of the class that is ours by number and mark.
fn find(classes: &[Object], id: TrafficClass) -> Option<Vec<u8>> {
    let found = classes.iter().find(|one| one.kind == HTB && one.handle == class(id))?;
    let options = found.options.as_deref()?;
    (options::mark(options) == Some(id.mark)).then(|| options.to_vec())
}

/// Removes our class, our root with the last of them, and puts back what was there.
pub(crate) fn remove(
    device: &str,
    handle: u16,
    class_id: Option<TrafficClass>,
    put_back: &[CapturedQdisc],
) -> Result<bool, KernelError> {
    let Some(link) = links::named(device)? else { return Ok(false) };
    let _turn = turn()?;
    let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
    let qdiscs = dump::qdiscs(&mut netlink, link.index)?;
    let is_ours = root(&qdiscs).1.is_some_and(|root| root.kind == HTB && root.handle == major(handle));
    if !is_ours {
        return capture::put_back_if_missing(&mut netlink, &link, put_back);
    }
    let delete =
        |kind, handle, parent| Message::new(kind, REQUEST | ACK, &header(link.index, handle, parent));
    if let Some(id) = class_id {
        let there = find(&dump::classes(&mut netlink, link.index)?, id).is_some();
        if there {
            netlink.commit("remove the htb class", vec![delete(DELETE_CLASS, class(id), 0)])?;
        }
        if !dump::classes(&mut netlink, link.index)?.is_empty() {
            return Ok(there);
        }
    }
    if put_back.is_empty() {
        netlink.commit("remove the root qdisc", vec![delete(DELETE, major(handle), ROOT)])?;
    } else {
        capture::put_back(&mut netlink, &link, put_back)?;
    }
    Ok(true)
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
    message.text(KIND, "netem").attr(OPTIONS, &Netem::from(&Impairment::default()).encode());
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
