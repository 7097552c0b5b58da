//! Whose packets are meant: the network of a target, and what tells its packets apart where others share it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use deadstick_core::fault::{Fault, FaultKind, ResolvedTarget, Target};
use deadstick_core::identity::{NetworkIdentity, ProcessIdentity};
use deadstick_faults::cgroup::{self, Hierarchy};
use deadstick_faults::process::{self, ProcessError};
use deadstick_faults::{doctor, find, network};

use super::TargetError;

/// Names the target's network, its address there, and, in a flow or by a control group, which packets of it are the
/// target's.
pub(super) fn choose(
    fault: &mut Fault,
    target: &Target,
    resolved: &mut ResolvedTarget,
    notes: &mut Vec<String>,
) -> Result<(), TargetError> {
    let own = network::host()?;
    let chosen = match target {
        Target::Netns(name) => network::named(name)?,
        _ => match of_processes(resolved)? {
            Some(found) => found,
            None => own.clone(),
        },
    };
    let is_shared = chosen.inode == own.inode;
    if let Target::User(name) = target {
        let number = find::user(name)?;
        match fault.flow_mut() {
            Some(flow) => flow.user = Some(number),
            None => notes.push(format!("user {name} has number {number}")),
        }
    } else if is_shared && resolved.process.is_some() && fault.kind() != FaultKind::PortTake {
        let group = apart(fault.kind(), resolved)?;
        notes.push(format!("chosen by its control group {}", group.display()));
        match fault.flow_mut() {
            Some(flow) => flow.cgroup = Some(group),
            None => resolved.cgroup = Some(group),
        }
    } else if resolved.process.is_some() && !is_shared {
        notes.push(format!("the whole network namespace {} is meant, whoever lives in it", chosen.inode));
    }
    resolved.address = address(&chosen);
    resolved.network = Some(chosen);
    Ok(())
}

/// Whether this process may do to the target's network what the fault asks for.
pub(super) fn may_touch(kind: FaultKind, target: &ResolvedTarget) -> Result<(), TargetError> {
    let Some(network) = &target.network else { return Ok(()) };
    let (allowed, needs) = match kind {
        // Sockets of one's own are all they need where one is already.
        FaultKind::PortTake | FaultKind::Spike
            if network::host().is_ok_and(|own| own.inode == network.inode) =>
        {
            return Ok(());
        }
        FaultKind::PortTake | FaultKind::Spike => (
            network::enter(network, || ()).map_err(|error| error.to_string()),
            "CAP_SYS_ADMIN to enter that network",
        ),
        _ => (doctor::may_change(network), "CAP_NET_ADMIN, and CAP_SYS_ADMIN to enter a network"),
    };
    allowed.map_err(|why| TargetError::NotAllowed {
        what: format!("{kind} on {}: {why}", target.name),
        hint: format!("run it as root, or with {needs}; `deadstick doctor` says what this host can do"),
    })
}

/// The one network that all of them live in; those that have ended since they were found do not count.
fn of_processes(resolved: &ResolvedTarget) -> Result<Option<NetworkIdentity>, TargetError> {
    let mut found: Option<NetworkIdentity> = None;
    let mut gone = None;
    for one in resolved.processes() {
        let network = match process::network_of(one.pid) {
            Ok(network) => network,
            Err(error @ ProcessError::Gone(_)) => {
                gone = Some(error);
                continue;
            }
            Err(other) => return Err(other.into()),
        };
        match &found {
            Some(first) if first.inode != network.inode => {
                let what = format!("{} has processes in several network namespaces", resolved.name);
                return Err(TargetError::not_apart(
                    what,
                    "name one of them by --pid, or its namespace by --netns",
                ));
            }
            Some(_) => {}
            None => found = Some(network),
        }
    }
    match (found, gone) {
        (None, Some(error)) => Err(error.into()),
        (found, _) => Ok(found),
    }
}

/// The unified control group that holds the target and nobody else.
fn apart(kind: FaultKind, resolved: &ResolvedTarget) -> Result<PathBuf, TargetError> {
    let name = &resolved.name;
    let refused = |why: String| {
        let what = format!("{name} lives in this machine's own network, {why}");
        let hint = "give it a control group of its own (`systemd-run --scope COMMAND`) or a network namespace, name a \
            --user instead, or leave the target out and name --to";
        TargetError::not_apart(what, hint)
    };
    if kind == FaultKind::Vanish {
        return Err(refused("which would vanish as a whole".to_owned()));
    }
    let Some(unified) = cgroup::hierarchies()?.into_iter().find(|one| one.version == 2) else {
        return Err(refused("and without cgroup v2 its packets cannot be told apart".to_owned()));
    };
    if let Some(group) = &resolved.cgroup {
        return if unified.folder(group).is_dir() {
            Ok(group.clone())
        } else {
            Err(refused(format!("and {} is not in the cgroup v2 hierarchy", group.display())))
        };
    }
    let mut groups: BTreeSet<PathBuf> = BTreeSet::new();
    for one in resolved.processes() {
        match unified.group_of(one.pid) {
            Ok(group) => groups.insert(group),
            Err(ProcessError::Gone(_)) => continue,
            Err(other) => return Err(other.into()),
        };
    }
    match groups.pop_first() {
        Some(group) if groups.is_empty() => alone(&unified, &group, resolved).map_err(refused),
        _ => Err(refused("and its processes are in several control groups".to_owned())),
    }
}

fn alone(unified: &Hierarchy, group: &Path, resolved: &ResolvedTarget) -> Result<PathBuf, String> {
    let there = cgroup::members(&unified.folder(group)).map_err(|error| error.to_string())?;
    let own: BTreeSet<&ProcessIdentity> = resolved.processes().collect();
    let others = there.iter().filter(|process| !own.contains(process)).count();
    match (group == Path::new("/"), others) {
        (true, _) => Err("and is in no control group of its own".to_owned()),
        (false, 0) => Ok(group.to_owned()),
        (false, others) => {
            Err(format!("and shares its control group {} with {others} others", group.display()))
        }
    }
}

/// An address that neighbours know it by. None where it has none, or where this user may not look: a proof then has
/// one way less.
fn address(network: &NetworkIdentity) -> Option<IpAddr> {
    let all = network::addresses(network).unwrap_or_default();
    let usable = |address: &&network::Address| match address.address {
        IpAddr::V4(address) => !address.is_link_local(),
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    };
    let mut usable: Vec<IpAddr> = all.iter().filter(usable).map(|one| one.address).collect();
    // The older family first: more of what answers speaks it.
    usable.sort_by_key(IpAddr::is_ipv6);
    usable.first().copied()
}
