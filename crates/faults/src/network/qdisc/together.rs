//! Which classes a fault needs on a device where others live: one for what it chooses alone, and one for each set of others
//! that may choose the same packet.
//!
//! Pure. Each fault has a code; the number of a class is the exclusive or of its members' codes, and each fault's table does
//! only its own part of that sum. So nobody has to know who comes later, nobody's table changes when somebody goes, and what
//! a packet suffers does not depend on the order of the tables. Who comes later makes the classes that it shares with those
//! who are there. Those it can never meet cost it nothing.

use std::collections::BTreeSet;

use super::suffered::is_only_rate;
use crate::network::member::Member;

/// Classes of one fault on one device, at most.
pub(crate) const MOST: usize = 32;

/// Why a fault cannot be beside others on a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InTheWay {
    /// Too many sets of them.
    #[error("too many faults there may be for the same packets: {}", .0.join(", "))]
    Crowd(Vec<String>),
    /// The kernel takes no netem that duplicates beside another one.
    #[error(
        "the kernel has no netem that duplicates packets beside another netem on one device, and fault {0} is there"
    )]
    Duplicate(String),
    /// Every number is taken.
    #[error("no class number is free")]
    NoNumber,
}

/// Whether two may choose the same packet. Those of one fault take turns.
fn meet(one: &Member, other: &Member) -> bool {
    one.fault() != other.fault() && one.flow.may_meet(&other.flow)
}

/// The sets of those there are that may choose a packet together with a new one, by their places; the empty one first.
pub(super) fn sets(new: &Member, live: &[Member]) -> Result<Vec<Vec<usize>>, InTheWay> {
    let sets = sets_up_to(MOST, new, live);
    if sets.len() <= MOST {
        return Ok(sets);
    }
    let names: BTreeSet<_> = sets.iter().flatten().map(|at| live[*at].fault().to_owned()).collect();
    Err(InTheWay::Crowd(names.into_iter().collect()))
}

/// The same where all of them are there: each that came was refused where it would have made too many.
pub(super) fn all_sets(own: &Member, others: &[Member]) -> Vec<Vec<usize>> {
    sets_up_to(usize::MAX, own, others)
}

fn sets_up_to(most: usize, new: &Member, live: &[Member]) -> Vec<Vec<usize>> {
    let met: Vec<usize> = (0..live.len()).filter(|at| meet(new, &live[*at])).collect();
    let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
    for at in met {
        let with: Vec<Vec<usize>> = sets
            .iter()
            .filter(|set| set.iter().all(|other| meet(&live[*other], &live[at])))
            .map(|set| set.iter().copied().chain([at]).collect())
            .collect();
        sets.extend(with);
        if sets.len() > most {
            break;
        }
    }
    sets
}

/// Refuses what the kernel does not put side by side: `sets` are those that the new one makes.
pub(super) fn may_be_beside(new: &Member, live: &[Member], sets: &[Vec<usize>]) -> Result<(), InTheWay> {
    let has_netem = |member: &Member| !is_only_rate(&member.impairment);
    let duplicates = |member: &Member| member.impairment.duplicate.ratio() > 0.0;
    let mut others = live.iter().filter(|other| has_netem(other));
    if duplicates(new) {
        // Even one that only queues needs the same netem again, for what both choose.
        let shared = sets.iter().flatten().next().map(|at| &live[*at]);
        return match others.next().or(shared) {
            Some(other) => Err(InTheWay::Duplicate(other.fault().to_owned())),
            None => Ok(()),
        };
    }
    match others.find(|other| duplicates(other)) {
        Some(other) if has_netem(new) || sets.iter().flatten().any(|at| live[*at] == *other) => {
            Err(InTheWay::Duplicate(other.fault().to_owned()))
        }
        _ => Ok(()),
    }
}

/// The number of a set's class.
pub(super) fn number(codes: impl IntoIterator<Item = u16>) -> u16 {
    codes.into_iter().fold(0, |sum, code| sum ^ code)
}

/// A code for a new fault, and a number for the class of its rate: none of the classes they lead to is taken. `others` are
/// the numbers of the sets it shares packets with.
pub(super) fn code(seed: u64, others: &BTreeSet<u16>, taken: &BTreeSet<u16>) -> Result<(u16, u16), InTheWay> {
    let is_free = |number: u16| number != 0 && number != u16::MAX && !taken.contains(&number);
    // An odd step comes by every number.
    let candidates =
        || (0..=u16::MAX).map(|step| (seed as u16).wrapping_add(step.wrapping_mul((seed >> 16) as u16 | 1)));
    let code = candidates()
        .find(|code| others.iter().all(|other| is_free(other ^ code)))
        .ok_or(InTheWay::NoNumber)?;
    let limit = candidates()
        .find(|limit| is_free(*limit) && others.iter().all(|other| other ^ code != *limit))
        .ok_or(InTheWay::NoNumber)?;
    Ok((code, limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use deadstick_core::fault::{Direction, Flow};
    use proptest::prelude::*;

    fn member(number: u16, impairment: &str, to: &str) -> Member {
        let to = if to.is_empty() { Vec::new() } else { vec![to.parse().expect("a peer")] };
        Member {
            table: format!("deadstick-{number:036}"),
            code: 0,
            limit: None,
            mark: u32::from(number),
            impairment: impairment.parse().expect("an impairment"),
            flow: Flow { to, direction: Direction::Egress, ..Flow::default() },
        }
    }

    /// Adds one to those that live, as the kernel's side does; says which classes there are then.
    fn add(live: &mut Vec<Member>, mut new: Member, taken: &mut BTreeSet<u16>) -> Result<(), InTheWay> {
        let sets = sets(&new, live)?;
        let others = sets.iter().map(|set| number(set.iter().map(|at| live[*at].code))).collect();
        let (code, limit) = code(u64::from(new.mark).wrapping_mul(0x9e37_79b9_7f4a_7c15), &others, taken)?;
        for other in &others {
            assert!(taken.insert(code ^ other), "nobody else's");
        }
        assert!(taken.insert(limit));
        new.code = code;
        live.push(new);
        Ok(())
    }

    #[test]
    fn a_hundred_that_never_meet_have_a_class_each() {
        let (mut live, mut taken) = (Vec::new(), BTreeSet::new());
        for number in 0..100 {
            let to = format!("10.0.0.{number}");
            add(&mut live, member(number, "loss=1%", &to), &mut taken).expect("there is room");
        }
        assert_eq!(taken.len(), 200);
        // One that meets them all meets each by itself.
        let all = member(100, "delay=1ms", "10.0.0.0/28");
        assert_eq!(sets(&all, &live).expect("there is room").len(), 17);
        let InTheWay::Crowd(names) = sets(&member(100, "delay=1ms", ""), &live).expect_err("too many") else {
            panic!("a crowd");
        };
        assert!(names.len() >= MOST && names[0].ends_with("00"), "{names:?}");
    }

    #[test]
    fn six_for_the_same_packets_are_the_most() {
        let (mut live, mut taken) = (Vec::new(), BTreeSet::new());
        for number in 0..6 {
            add(&mut live, member(number, "loss=1%", ""), &mut taken).expect("there is room");
        }
        assert!(
            matches!(sets(&member(6, "loss=1%", ""), &live), Err(InTheWay::Crowd(names)) if names.len() == 6)
        );
        let turn = Member { table: format!("deadstick-{:036}-1", 5), ..member(5, "delay=1s", "") };
        assert_eq!(sets(&turn, &live[5..]).expect("its own turns"), [Vec::<usize>::new()]);
    }

    #[test]
    fn what_duplicates_is_alone() {
        let beside = |new: &str, new_to: &str, other: &str| {
            let (new, live) = (member(1, new, new_to), [member(0, other, "10.0.0.2")]);
            may_be_beside(&new, &live, &sets(&new, &live).expect("two of them"))
        };
        for (new, other, refused) in [
            ("duplicate=1%", "delay=1ms", true),
            ("delay=1ms", "duplicate=1%", true),
            ("delay=1ms", "loss=1%", false),
            ("rate=1MB/s", "delay=1ms", false),
        ] {
            assert_eq!(beside(new, "", other).is_err(), refused, "{new} {other}");
            assert_eq!(beside(new, "10.0.0.3", other).is_err(), refused, "{new} {other}");
        }
        for (new, other) in [("duplicate=1%", "rate=1MB/s"), ("rate=1MB/s", "duplicate=1%")] {
            assert!(beside(new, "", other).is_err(), "the shared class needs the netem again");
            assert!(beside(new, "10.0.0.3", other).is_ok());
        }
    }

    proptest! {
        /// However faults come and go: for each packet that several choose there is exactly one class, and its number is
        /// what their tables come to, in whatever order they are asked.
        #[test]
        fn every_packet_has_its_class(
            comings in proptest::collection::vec((0_u8..4, 28_u8..=32, any::<bool>()), 1..12),
        ) {
            let (mut live, mut taken): (Vec<Member>, BTreeSet<u16>) = Default::default();
            let mut classes: Vec<(u16, BTreeSet<String>, String)> = Vec::new();
            for (at, (low, prefix, goes)) in comings.into_iter().enumerate() {
                let number_of = u16::try_from(at).expect("few");
                let mut new = member(number_of, "loss=1%", &format!("10.0.0.{low}/{prefix}"));
                let Ok(sets) = sets(&new, &live) else { continue };
                let others: BTreeSet<u16> =
                    sets.iter().map(|set| number(set.iter().map(|at| live[*at].code))).collect();
                let (code, limit) = code(u64::from(number_of) << 13, &others, &taken).expect("numbers enough");
                for set in &sets {
                    let mut names: BTreeSet<_> = set.iter().map(|at| live[*at].table.clone()).collect();
                    let minor = code ^ number(set.iter().map(|at| live[*at].code));
                    names.insert(new.table.clone());
                    prop_assert!(taken.insert(minor), "{minor} is another one's");
                    classes.push((minor, names, new.table.clone()));
                }
                taken.insert(limit);
                new.code = code;
                live.push(new);
                if goes && live.len() > 1 {
                    // Its table and its own classes go; those that others made stay, inert.
                    let gone = live.remove(0);
                    classes.retain(|(minor, _, owner)| *owner != gone.table || !taken.remove(minor));
                }
                for last in 0..20 {
                    let packet = format!("10.0.0.{last}").parse().expect("an address");
                    let choose: Vec<_> = live.iter().filter(|one| one.flow.to[0].covers(packet)).collect();
                    let names: BTreeSet<_> = choose.iter().map(|one| one.table.clone()).collect();
                    let minor = number(choose.iter().rev().map(|one| one.code));
                    let found: Vec<_> = classes.iter().filter(|one| one.0 == minor).collect();
                    prop_assert_eq!(found.len(), usize::from(!names.is_empty()));
                    prop_assert!(found.iter().all(|one| one.1 == names), "{found:?} {names:?}");
                }
            }
        }
    }
}
