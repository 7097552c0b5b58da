//! A root qdisc that somebody set up, with all below it, as data: captured before it steps aside, and put back.
//!
//! What the kernel does not show in full cannot be put back, and is refused by name: filters, size tables, spreads of
//! netem. Everything else is tried first: the captured tree is put on a device of a network made for this and must look the
//! same there.

use deadstick_core::ledger::CapturedQdisc;
use nix::sched::{CloneFlags, unshare};

use super::dump::{self, Object};
use super::{HTB, KIND, NEW, NEW_CLASS, OPTIONS, REPLACE, ROOT, header};
use crate::kernel::KernelError;
use crate::network::links::{self, Link};
use crate::network::wire::{self, ACK, CREATE, Message, REQUEST, u32_at};
use crate::network::{Netlink, NetlinkError};

/// Below what incoming packets pass: not part of the root.
const INGRESS: u32 = 0xffff_fff1;
/// Qdiscs whose classes are made one by one; those of all others come with them.
const CLASSFUL: [&str; 4] = [HTB, "hfsc", "drr", "qfq"];

/// Captures the root qdisc of a device with all below it. Empty when it is the kernel's own choice.
pub(crate) fn capture(device: &str) -> Result<Vec<CapturedQdisc>, KernelError> {
    let link = super::link(device)?;
    capture_of(&mut Netlink::open(libc::NETLINK_ROUTE)?, &link)
}

fn capture_of(netlink: &mut Netlink, link: &Link) -> Result<Vec<CapturedQdisc>, KernelError> {
    let refused = |why: String| KernelError::Uncapturable { device: link.name.clone(), why };
    let mut qdiscs = dump::qdiscs(netlink, link.index)?;
    qdiscs.retain(|one| one.handle != 0 && one.parent != INGRESS);
    let mut classes = dump::classes(netlink, link.index)?;
    let of_classful = |one: &Object| {
        let major = one.handle & 0xffff_0000;
        qdiscs.iter().any(|qdisc| qdisc.handle == major && CLASSFUL.contains(&qdisc.kind.as_str()))
    };
    for one in qdiscs.iter().chain(&classes) {
        if let Some(kind) = dump::filter(netlink, link.index, one.handle)? {
            return Err(refused(format!("its {kind} filter cannot be captured")));
        }
    }
    classes.retain(of_classful);
    // Each behind what it is below of: the root, its classes, their qdiscs. Classes first, so that a qdisc never comes
    // before the class that carries it.
    let classes = classes.into_iter().map(|one| (one, true));
    let mut rest: Vec<_> = classes.chain(qdiscs.into_iter().map(|one| (one, false))).collect();
    let mut captured: Vec<CapturedQdisc> = Vec::new();
    loop {
        let is_next = |(one, is_class): &(Object, bool)| {
            let above = if *is_class && one.parent == ROOT { one.handle & 0xffff_0000 } else { one.parent };
            let has = |handle: u32| captured.iter().any(|other| other.handle == handle);
            if above == ROOT { !*is_class } else { has(above) || (!*is_class && has(above & 0xffff_0000)) }
        };
        let Some(at) = rest.iter().position(is_next) else { break };
        let (one, is_class) = rest.remove(at);
        if one.has_size_table {
            return Err(refused(format!("the size table of its {} cannot be captured", one.kind)));
        }
        let options = one.options.map(|options| as_set(&one.kind, options));
        if one.kind == "netem" && options.as_deref().is_some_and(may_be_spread) {
            return Err(refused(
                "the kernel does not show how the delays of its netem are spread".to_owned(),
            ));
        }
        captured.push(CapturedQdisc {
            kind: one.kind,
            is_class,
            handle: one.handle,
            parent: one.parent,
            options: options.map(|options| hex(&options)),
        });
    }
    match rest.first() {
        None => Ok(captured),
        Some((one, _)) => {
            Err(refused(format!("its {} {:x}: is below nothing that is shown", one.kind, one.handle >> 16)))
        }
    }
}

/// HTB counts packets among its options, and shows its version in another form than it takes it.
fn as_set(kind: &str, mut options: Vec<u8>) -> Vec<u8> {
    if kind != HTB {
        return options;
    }
    let mut at = 0;
    loop {
        let (Some(length), Some(which)) = (wire::u16_at(&options, at), wire::u16_at(&options, at + 2)) else {
            return options;
        };
        // `tc_htb_glob`: version, three more words, packets.
        if which & 0x3fff == 2
            && let Some(words) = options.get_mut(at + 4..at + 24)
        {
            words[..4].copy_from_slice(&3_u32.to_ne_bytes());
            words[16..].fill(0);
        }
        at += usize::from(length.max(4)).next_multiple_of(4);
    }
}

/// Jitter may come with a table, which is not shown.
fn may_be_spread(netem: &[u8]) -> bool {
    u32_at(netem, 20) != Some(0)
}

/// Puts a captured tree in the place of whatever root the device has now, and looks whether it is as it was.
pub(super) fn put_back(
    netlink: &mut Netlink,
    link: &Link,
    captured: &[CapturedQdisc],
) -> Result<(), KernelError> {
    for one in captured {
        let (kind, flags) = if one.is_class { (NEW_CLASS, CREATE) } else { (NEW, REPLACE) };
        let mut message =
            Message::new(kind, REQUEST | ACK | flags, &header(link.index, one.handle, one.parent));
        message.text(KIND, &one.kind);
        if let Some(options) = &one.options {
            message.attr(OPTIONS, &unhex(options));
        }
        netlink.commit("put the root qdisc back", vec![message])?;
    }
    if capture_of(netlink, link)? == captured {
        return Ok(());
    }
    let why = "put back, it does not look as before".to_owned();
    Err(KernelError::Uncapturable { device: link.name.clone(), why })
}

/// Puts a captured tree back where our root is gone and it is not there, or not whole; says whether it did.
pub(super) fn put_back_if_missing(
    netlink: &mut Netlink,
    link: &Link,
    captured: &[CapturedQdisc],
) -> Result<bool, KernelError> {
    if captured.is_empty() {
        return Ok(false);
    }
    let now = capture_of(netlink, link)?;
    if now == captured {
        return Ok(false);
    }
    // What is there is a part of it, left by somebody who died on the way: begun anew.
    if now.iter().all(|one| captured.contains(one)) {
        if let Some(root) = now.first() {
            let message = Message::new(super::DELETE, REQUEST | ACK, &header(link.index, root.handle, ROOT));
            netlink.commit("remove the root qdisc that was put back half", vec![message])?;
        }
        put_back(netlink, link, captured)?;
        return Ok(true);
    }
    let (kind, handle) = now.first().map(|root| (root.kind.clone(), root.handle >> 16)).unwrap_or_default();
    Err(KernelError::ForeignQdisc { device: link.name.clone(), kind, handle })
}

/// Puts a captured tree on the loopback of a network made for this: what does not come out the same there would not here.
pub(crate) fn rehearse(device: &str, captured: &[CapturedQdisc]) -> Result<(), KernelError> {
    let tried = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| NetlinkError::Socket(errno.into()))?;
            let loopback = Link { index: links::LOOPBACK_INDEX, name: "lo".to_owned() };
            put_back(&mut Netlink::open(libc::NETLINK_ROUTE)?, &loopback, captured)
        });
        thread.join()
    });
    let why = match tried {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(KernelError::Uncapturable { why, .. })) => why,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the trial ended without an answer".to_owned(),
    };
    let what = captured.first().map_or("nothing", |root| root.kind.as_str());
    Err(KernelError::Uncapturable {
        device: device.to_owned(),
        why: format!("its {what}, tried on another device: {why}"),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is no pair of digits is left out: the kernel then refuses what remains.
fn unhex(text: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).filter_map(digits).collect()
}
