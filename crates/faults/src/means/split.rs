//! The group that a partition splits, and this network's place in it.

use std::net::IpAddr;

use deadstick_core::fault::{Flow, PartitionShape, Peer, group};

use crate::error::FaultError;

/// A group that is split.
#[derive(Clone, Debug)]
pub(super) struct Group {
    members: Vec<IpAddr>,
    shape: PartitionShape,
}

impl Group {
    pub(super) fn of(
        members: &[IpAddr],
        shape: Option<PartitionShape>,
        flow: &Flow,
    ) -> Result<Option<Self>, FaultError> {
        if members.is_empty() {
            return match shape {
                Some(shape) => Err(FaultError::refused(
                    format!("{shape} of no group"),
                    "name all its members with `members`, this host among them",
                )),
                None => Ok(None),
            };
        }
        if !flow.to.is_empty() {
            return Err(FaultError::refused(
                "a group, and peers beside it",
                "name `members` or `to`, not both",
            ));
        }
        let shape = shape.unwrap_or_default();
        group::check(members, shape).map_err(refused)?;
        Ok(Some(Self { members: members.to_vec(), shape }))
    }

    /// From whom one of them is cut off.
    pub(super) fn cut_off(&self, own: usize) -> Result<Vec<Peer>, FaultError> {
        let cut = group::cut_off(&self.members, self.shape, own).map_err(refused)?;
        if cut.is_empty() {
            return Err(FaultError::refused(
                format!("{} sees every member of its group ({})", self.members[own], self.shape),
                "nothing is to be done on this host; run it on the others",
            ));
        }
        Ok(cut.into_iter().map(Peer::host).collect())
    }

    /// Which of them a network with these addresses is.
    pub(super) fn own(&self, addresses: &[IpAddr]) -> Result<usize, FaultError> {
        let own: Vec<_> =
            (0..self.members.len()).filter(|one| addresses.contains(&self.members[*one])).collect();
        let list = |all: &[IpAddr]| all.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
        match own.as_slice() {
            [one] => Ok(*one),
            [] => Err(FaultError::refused(
                format!("this network is no member of the group: it has {}", list(addresses)),
                "name this host's own address among the members",
            )),
            several => Err(FaultError::refused(
                format!("this network is {} members of the group", several.len()),
                "name one address of each host",
            )),
        }
    }

    pub(super) fn words(&self, all: &str) -> String {
        let members: Vec<_> = self.members.iter().map(IpAddr::to_string).collect();
        format!(
            "{all} with those of {} that the member with an address of that network does not see ({})",
            members.join(", "),
            self.shape
        )
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` asks for")]
fn refused(bad: group::BadGroup) -> FaultError {
    FaultError::refused(bad.to_string(), "name more members, or another shape")
}
