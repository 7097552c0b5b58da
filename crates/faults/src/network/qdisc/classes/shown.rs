//! What the kernel shows of the classes that a fault's packets go through.

use super::super::dump::{self, Object};
use super::super::netem::Netem;
use super::super::{ROOT, link, major, options, own_classes, together, turn};
use super::{Class, class, devices, handle_of, is_here, members};
use crate::kernel::{Imposition, KernelError, Shown};
use crate::network::Netlink;
use crate::network::member::Member;

/// What the classes of a fault have done, those included that others made because they share packets with it. None when
/// its table is not there.
pub(crate) fn shown(imposition: &Imposition) -> Result<Option<Shown>, KernelError> {
    // Nobody comes or goes between the look at the tables and the one at the classes.
    let _turn = turn()?;
    let (Some(own), others) = members(imposition)? else { return Ok(None) };
    let handle = handle_of(imposition);
    let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
    let mut sum = Shown { as_asked: own.impairment == imposition.impairment, ..Shown::default() };
    for (device, _) in devices(imposition) {
        let link = link(device)?;
        let classes = own_classes(&mut netlink, &link, handle)?;
        let qdiscs = dump::qdiscs(&mut netlink, link.index)?;
        let here: Vec<Member> = others.iter().filter(|one| is_here(one, &classes)).cloned().collect();
        if let (Some(limit), Some(rate)) = (own.limit, own.impairment.rate) {
            let keeps = |one: &Object| one.options.as_deref().and_then(options::rate) == Some(rate);
            let found = classes.iter().find(|one| one.handle == major(handle) | u32::from(limit));
            sum.as_asked &= found.is_some_and(keeps);
        }
        for set in together::all_sets(&own, &here) {
            let together: Vec<&Member> = set.iter().map(|at| &here[*at]).chain([&own]).collect();
            let wanted = class(together::number(together.iter().map(|one| one.code)), &together)?;
            sum.add(read(&wanted, handle, &classes, &qdiscs));
        }
    }
    Ok(Some(sum))
}

impl Shown {
    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.dropped += other.dropped;
        self.waiting += other.waiting;
        self.as_asked &= other.as_asked;
    }
}

/// One class, as it is; where it is not, nothing was as asked.
fn read(wanted: &Class, handle: u16, classes: &[Object], qdiscs: &[Object]) -> Shown {
    let number = major(handle) | u32::from(wanted.number);
    let below = wanted.below.map_or(ROOT, |limit| major(handle) | u32::from(limit));
    let is_there = classes.iter().any(|one| one.handle == number && one.parent == below);
    let Some(leaf) = qdiscs.iter().find(|one| one.parent == number).filter(|_| is_there) else {
        return Shown::default();
    };
    let mut as_asked = wanted.netems.is_empty() == (leaf.kind != "netem");
    let mut next = Some(leaf);
    for netem in &wanted.netems {
        let held = next.and_then(|one| Netem::decode(one.options.as_deref()?));
        as_asked &= held.is_some_and(|held| netem.is_shown_as(&held));
        next = next.and_then(|above| qdiscs.iter().find(|one| one.parent == above.handle | 1));
    }
    Shown { sent: leaf.sent, dropped: leaf.dropped, waiting: leaf.waiting, as_asked }
}
