//! The classes of one fault, one way: planned from what is there; [`put`] puts them there, and [`shown`] looks at them again.
//!
//! Whoever puts classes there has the turn from the look at the others until its own table is installed ([`super::turn`]):
//! so nobody's classes are made without those that are shared with others. Leaves removal to [`super::remove`].

mod put;
mod shown;

use std::collections::BTreeSet;

use deadstick_core::fault::{Direction, Impairment};

use super::dump::{self, Object};
use super::netem::Netem;
use super::suffered;
use super::together::{self, InTheWay};
use super::{HANDLE, INTAKE_HANDLE, has_mark, root};
use crate::kernel::{Imposition, KernelError, Root};
use crate::network::links;
use crate::network::member::Member;
use crate::network::{Netlink, NetlinkError, ifb, nft};

pub(crate) use put::put;
pub(crate) use shown::shown;

/// What is to be put where.
pub(crate) struct Classes {
    /// What its table has to say of it.
    pub(crate) member: Member,
    handle: u16,
    places: Vec<Place>,
}

/// A device, and the classes to be made there.
struct Place {
    device: String,
    root: Option<Missing>,
    limit: Option<u16>,
    classes: Vec<Class>,
}

/// A root that is not there yet.
#[derive(Clone, Copy)]
struct Missing {
    replacing: bool,
}

struct Class {
    number: u16,
    /// The class that keeps its rate.
    below: Option<u16>,
    netems: Vec<Netem>,
}

/// A device as it is.
struct Found {
    device: String,
    root: Option<Missing>,
    numbers: BTreeSet<u16>,
    /// Which of the others are there.
    others: Vec<usize>,
}

const fn handle_of(imposition: &Imposition) -> u16 {
    match imposition.flow.direction {
        Direction::Ingress => INTAKE_HANDLE,
        _ => HANDLE,
    }
}

/// What the tables of the network say that go the same way: the one of this fault, and the others.
fn members(imposition: &Imposition) -> Result<(Option<Member>, Vec<Member>), NetlinkError> {
    let mut all = nft::members()?;
    all.retain(|one| {
        (one.flow.direction == Direction::Ingress) == (imposition.flow.direction == Direction::Ingress)
    });
    let own = all.iter().position(|one| one.table == imposition.name).map(|at| all.remove(at));
    Ok((own, all))
}

/// The names of the devices; what is received has one for all.
fn devices(imposition: &Imposition) -> Vec<(&str, bool)> {
    match imposition.flow.direction {
        Direction::Ingress => vec![(ifb::NAME_OF_INTAKE, false)],
        _ => imposition.devices.iter().map(|(name, replacing)| (name.as_str(), *replacing)).collect(),
    }
}

/// Looks at what is there and says what is to be put there; nothing is touched.
pub(crate) fn plan(imposition: &Imposition) -> Result<Classes, KernelError> {
    let handle = handle_of(imposition);
    let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
    let (_, others) = members(imposition)?;
    let found = devices(imposition)
        .into_iter()
        .map(|(device, replacing)| look(&mut netlink, device, replacing, handle, &others))
        .collect::<Result<Vec<_>, KernelError>>()?;
    let mut member = Member {
        table: imposition.name.clone(),
        code: 0,
        limit: None,
        mark: imposition.mark,
        impairment: imposition.impairment.clone(),
        flow: imposition.flow.clone(),
    };
    let there: BTreeSet<usize> = found.iter().flat_map(|one| one.others.iter().copied()).collect();
    let there: Vec<usize> = there.into_iter().collect();
    let live: Vec<Member> = there.iter().map(|at| others[*at].clone()).collect();
    let sets = together::sets(&member, &live)?;
    let number = |set: &[usize]| together::number(set.iter().map(|at| live[*at].code));
    let numbers = sets.iter().map(|set| number(set)).collect();
    let taken = found.iter().flat_map(|one| one.numbers.iter().copied()).collect();
    let (code, limit) = together::code(u64::from(imposition.mark), &numbers, &taken)?;
    member.code = code;
    member.limit = member.impairment.rate.map(|_| limit);
    let mut places = Vec::new();
    for one in found {
        let here = |at: &usize| one.others.contains(&there[*at]);
        let sets: Vec<Vec<usize>> = sets.iter().filter(|set| set.iter().all(here)).cloned().collect();
        // Those that are not here do not count.
        let beside: Vec<Member> =
            live.iter().enumerate().filter(|(at, _)| here(at)).map(|(_, member)| member.clone()).collect();
        together::may_be_beside(&member, &beside, &together::sets(&member, &beside)?)?;
        let class = |set: &Vec<usize>| {
            let together: Vec<&Member> = set.iter().map(|at| &live[*at]).chain([&member]).collect();
            class(code ^ number(set), &together)
        };
        let classes = sets.iter().map(class).collect::<Result<_, _>>()?;
        places.push(Place { device: one.device, root: one.root, limit: member.limit, classes });
    }
    Ok(Classes { member, handle, places })
}

impl From<InTheWay> for KernelError {
    fn from(error: InTheWay) -> Self {
        Self::InTheWay(error.to_string())
    }
}

fn class(number: u16, together: &[&Member]) -> Result<Class, KernelError> {
    Ok(Class { number, below: below(together), netems: netems(together)? })
}

/// The class of the slowest rate among them: the others are kept by what that one lets through.
fn below(together: &[&Member]) -> Option<u16> {
    let limited = together.iter().filter_map(|one| Some((one.impairment.rate?, one.limit?)));
    limited.min().map(|(_, limit)| limit)
}

fn netems(together: &[&Member]) -> Result<Vec<Netem>, KernelError> {
    let impairments: Vec<&Impairment> = together.iter().map(|one| &one.impairment).collect();
    suffered::chain(&impairments).map_err(|why| {
        let names: Vec<_> = together.iter().map(|one| one.fault()).collect();
        KernelError::InTheWay(format!("faults {} cannot be for the same packets: {why}", names.join(", ")))
    })
}

fn look(
    netlink: &mut Netlink,
    device: &str,
    replacing: bool,
    handle: u16,
    others: &[Member],
) -> Result<Found, KernelError> {
    let name = device.to_owned();
    let link = match links::named(device)? {
        Some(link) => link,
        None if handle == INTAKE_HANDLE => {
            let root = Some(Missing { replacing: false });
            return Ok(Found { device: name, root, numbers: BTreeSet::new(), others: Vec::new() });
        }
        None => {
            return Err(std::io::Error::from_raw_os_error(libc::ENODEV))
                .map_err(|source| NetlinkError::from(source).into());
        }
    };
    if handle == INTAKE_HANDLE && ifb::find(device, ifb::MARK)?.is_none() {
        return Err(KernelError::InTheWay(format!("{device} is a device of somebody else")));
    }
    let root = match root(&dump::qdiscs(netlink, link.index)?, handle).0 {
        Root::Ours { replaced: false } => None,
        Root::Default => Some(Missing { replacing: false }),
        Root::Foreign { .. } if replacing => Some(Missing { replacing: true }),
        Root::Foreign { kind, handle } => {
            return Err(KernelError::ForeignQdisc { device: name, kind, handle });
        }
        Root::Ours { replaced: true } => return Err(KernelError::Replaced { device: name }),
    };
    let classes = super::own_classes(netlink, &link, handle)?;
    let numbers = classes.iter().map(|one| (one.handle & 0xffff) as u16).collect();
    let others = (0..others.len()).filter(|at| is_here(&others[*at], &classes)).collect();
    Ok(Found { device: name, root, numbers, others })
}

/// Whether a fault has its classes among these.
fn is_here(member: &Member, classes: &[Object]) -> bool {
    classes.iter().any(|one| (one.handle & 0xffff) as u16 == member.code && has_mark(one, member.mark))
}
