//! How a group is split: from whom each of its members is cut off.
//!
//! Pure. Members are in the order given; every member that computes its own part gets one that fits the others'.

use std::net::IpAddr;

use super::PartitionShape;

/// A group that cannot be split so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadGroup {
    /// It is too small.
    #[error("a group of {members} cannot be split as {shape}: that takes {least} or more")]
    Small {
        /// How many there are.
        members: usize,
        /// How it is to be split.
        shape: PartitionShape,
        /// How many it takes.
        least: usize,
    },
    /// A member is there twice.
    #[error("{0} is in the group twice")]
    Twice(IpAddr),
}

impl PartitionShape {
    /// How many members it takes.
    const fn least(self) -> usize {
        match self {
            Self::Halves | Self::Isolated => 2,
            Self::Bridge | Self::MajoritiesRing => 3,
        }
    }

    /// Whether two members of a group of so many see each other, seen from the first of them.
    fn connects(self, count: usize, own: usize, other: usize) -> bool {
        let middle = count / 2;
        match self {
            Self::Isolated => false,
            // The larger half comes first.
            Self::Halves => (own < count - middle) == (other < count - middle),
            Self::Bridge => own == middle || other == middle || (own < middle) == (other < middle),
            // On three, a ring is everybody: it is opened, and the ends still see two of three.
            Self::MajoritiesRing if count == 3 => own.abs_diff(other) < 2,
            Self::MajoritiesRing => {
                let distance = own.abs_diff(other);
                distance.min(count - distance) <= middle.div_ceil(2)
            }
        }
    }
}

/// The members that one of them is cut off from.
///
/// # Errors
/// The group is too small for the shape, or names a member twice.
pub fn cut_off(members: &[IpAddr], shape: PartitionShape, own: usize) -> Result<Vec<IpAddr>, BadGroup> {
    check(members, shape)?;
    let others = members.iter().enumerate().filter(|(other, _)| *other != own);
    Ok(others.filter(|(other, _)| !shape.connects(members.len(), own, *other)).map(|(_, one)| *one).collect())
}

/// Looks whether a group can be split so.
///
/// # Errors
/// As [`cut_off`].
pub fn check(members: &[IpAddr], shape: PartitionShape) -> Result<(), BadGroup> {
    let twice = members.iter().enumerate().find(|(index, one)| members[..*index].contains(one));
    if let Some((_, one)) = twice {
        return Err(BadGroup::Twice(*one));
    }
    let least = shape.least();
    if members.len() < least {
        return Err(BadGroup::Small { members: members.len(), shape, least });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn group(count: u8) -> Vec<IpAddr> {
        (1..=count).map(|last| IpAddr::from([10, 0, 0, last])).collect()
    }

    /// For each member, whom it sees, itself included, by their numbers.
    fn views(count: u8, shape: PartitionShape) -> Vec<BTreeSet<usize>> {
        let members = group(count);
        (0..members.len())
            .map(|own| {
                let cut = cut_off(&members, shape, own).expect("large enough");
                (0..members.len()).filter(|other| !cut.contains(&members[*other])).collect()
            })
            .collect()
    }

    #[test]
    fn five_are_split_as_the_textbook_says() {
        let see = |shape| {
            views(5, shape).into_iter().map(|view| view.into_iter().collect()).collect::<Vec<Vec<_>>>()
        };
        let (first, last) = (vec![0, 1, 2], vec![3, 4]);
        assert_eq!(see(PartitionShape::Halves), [&first, &first, &first, &last, &last].map(Clone::clone));
        let everybody = vec![0, 1, 2, 3, 4];
        let (left, right) = (vec![0, 1, 2], vec![2, 3, 4]);
        assert_eq!(see(PartitionShape::Bridge), [&left, &left, &everybody, &right, &right].map(Clone::clone));
        assert_eq!(
            see(PartitionShape::MajoritiesRing),
            [vec![0, 1, 4], vec![0, 1, 2], vec![1, 2, 3], vec![2, 3, 4], vec![0, 3, 4]]
        );
        assert_eq!(see(PartitionShape::Isolated)[3], [3]);
    }

    #[test]
    fn groups_that_cannot_be_split_are_refused() {
        let small = cut_off(&group(2), PartitionShape::Bridge, 0).expect_err("too small").to_string();
        assert!(small.contains("3 or more"), "{small}");
        let mut twice = group(3);
        twice.push(twice[1]);
        assert_eq!(check(&twice, PartitionShape::Halves), Err(BadGroup::Twice(twice[1])));
    }

    proptest! {
        #[test]
        fn who_sees_is_seen(count in 3_u8..40) {
            for shape in [PartitionShape::Halves, PartitionShape::Bridge, PartitionShape::MajoritiesRing] {
                let views = views(count, shape);
                for (own, view) in views.iter().enumerate() {
                    prop_assert!(view.contains(&own));
                    prop_assert!(view.iter().all(|other| views[*other].contains(&own)), "{shape}");
                }
            }
        }

        #[test]
        fn each_sees_a_majority_and_nobody_the_same(count in 3_u8..40) {
            let views = views(count, PartitionShape::MajoritiesRing);
            prop_assert!(views.iter().all(|view| view.len() > usize::from(count) / 2));
            prop_assert_eq!(views.iter().collect::<BTreeSet<_>>().len(), usize::from(count));
        }

        #[test]
        fn halves_see_only_their_own_and_the_first_is_not_smaller(count in 2_u8..40) {
            let views = views(count, PartitionShape::Halves);
            let kinds: BTreeSet<_> = views.iter().collect();
            prop_assert_eq!(kinds.len(), 2);
            prop_assert_eq!(views[0].len() + views[views.len() - 1].len(), usize::from(count));
            prop_assert!(views[0].len() >= views[views.len() - 1].len());
        }

        #[test]
        fn only_the_bridge_sees_both_sides(count in 3_u8..40) {
            let views = views(count, PartitionShape::Bridge);
            let whole = views.iter().filter(|view| view.len() == usize::from(count)).count();
            prop_assert_eq!(whole, 1);
        }
    }
}
