//! Classes that were planned, put on their devices.

use super::super::dump;
use super::super::netem::Netem;
use super::super::options::{self, Role};
use super::super::{HTB, INTAKE_HANDLE, KIND, NEW, NEW_CLASS, OPTIONS, commit_root, header, link, major};
use super::{Classes, Missing};
use crate::kernel::KernelError;
use crate::network::links::{self, Link};
use crate::network::wire::{ACK, CREATE, Message, REQUEST};
use crate::network::{Netlink, NetlinkError, ifb};

/// Puts them there; nothing goes through them yet. Says the number of the device that received packets are led through.
pub(crate) fn put(classes: &Classes) -> Result<u32, KernelError> {
    let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
    let Classes { member, handle, places } = classes;
    let mut last = 0;
    for place in places {
        let link = match links::named(&place.device)? {
            None if *handle == INTAKE_HANDLE => ifb::make(&place.device, ifb::MARK)?,
            _ => link(&place.device)?,
        };
        last = link.index;
        if let Some(Missing { replacing }) = place.root {
            commit_root(&mut netlink, &link, *handle, replacing)?;
        }
        let make = |kind, handle, parent| {
            Message::new(kind, REQUEST | ACK | CREATE, &header(link.index, handle, parent))
        };
        let top = major(*handle);
        let mut htb = |number: u16, parent: u32, role: Role| {
            let mut message = make(NEW_CLASS, top | u32::from(number), parent);
            message.text(KIND, HTB).nest(OPTIONS, |to| options::htb_class(to, role, member.mark));
            netlink.commit("add the htb class", vec![message])
        };
        if let (Some(limit), Some(rate)) = (place.limit, member.impairment.rate) {
            htb(limit, top, Role::Limit(rate))?;
        }
        for class in &place.classes {
            let (parent, role) = match class.below {
                Some(limit) => (top | u32::from(limit), Role::Limited),
                None => (top, Role::Free),
            };
            htb(class.number, parent, role)?;
        }
        for class in &place.classes {
            hang(&mut netlink, &link, top | u32::from(class.number), &class.netems)?;
        }
    }
    Ok(last)
}

/// Puts what packets suffer below a class. The kernel gives it numbers that are free.
fn hang(netlink: &mut Netlink, link: &Link, class: u32, netems: &[Netem]) -> Result<(), NetlinkError> {
    let make = |parent| Message::new(NEW, REQUEST | ACK | CREATE, &header(link.index, 0, parent));
    if netems.is_empty() {
        let mut queue = make(class);
        queue.text(KIND, "pfifo").attr(OPTIONS, &options::fifo());
        return netlink.commit("add the queue of the slow link", vec![queue]);
    }
    let mut parent = class;
    for (at, netem) in netems.iter().enumerate() {
        if at > 0 {
            let above = dump::qdiscs(netlink, link.index)?.into_iter().find(|one| one.parent == parent);
            let gone = || std::io::Error::from_raw_os_error(libc::ENOENT);
            parent = above.ok_or_else(gone)?.handle | 1;
        }
        let mut message = make(parent);
        message.text(KIND, "netem").attr(OPTIONS, &netem.encode());
        netlink.commit("add the netem qdisc", vec![message])?;
    }
    Ok(())
}
