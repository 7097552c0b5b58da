//! What a target means on this machine at this moment.
//!
//! Owns the turn from a target as written to processes, a control group, a network and an address, found once and
//! remembered by identity; [`names`] does the same for host names among parameters, `network` says whose packets are
//! meant, and `access` whether this process may touch them. Leaves the search itself to the faults crate, and what may be touched to the policy.

mod access;
pub mod names;
mod network;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use deadstick_core::fault::catalogue::{self, Family};
use deadstick_core::fault::{Fault, FaultKind, ResolvedTarget, Target};
use deadstick_core::identity::ProcessIdentity;
use deadstick_core::text::printable;
use deadstick_faults::find::{self, FindError};
use deadstick_faults::kernel::{Control, Groups, Linux};
use deadstick_faults::network::NetworkError;
use deadstick_faults::process::{self, ProcessError};

/// Why a target cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Nothing is called that, or too much.
    #[error("{what}; {hint}")]
    Unknown {
        /// What is wrong.
        what: String,
        /// What to do next.
        hint: String,
    },
    /// It is there, and cannot be hurt without hurting others.
    #[error("{what}; {hint}")]
    NotApart {
        /// What is wrong.
        what: String,
        /// What to do next.
        hint: String,
    },
    /// This process lacks the privilege.
    #[error("{what}; {hint}")]
    NotAllowed {
        /// What is wrong.
        what: String,
        /// What to do next.
        hint: String,
    },
    /// The machine does not say.
    #[error("{0}")]
    Unreadable(String),
}

impl TargetError {
    fn unknown(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Unknown { what: what.into(), hint: hint.into() }
    }

    fn not_apart(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::NotApart { what: what.into(), hint: hint.into() }
    }
}

impl From<FindError> for TargetError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Process(error) => error.into(),
            FindError::Unknown { what, name, hint } => {
                Self::unknown(format!("there is no {what} {name}"), hint)
            }
            FindError::Ambiguous { name, found } => {
                Self::unknown(format!("{name} may be any of {}", found.join(", ")), "write more of it")
            }
            FindError::Bad { what, name, why } => Self::unknown(format!("{name:?} is no {what}"), why),
        }
    }
}

impl From<ProcessError> for TargetError {
    fn from(error: ProcessError) -> Self {
        match error {
            ProcessError::Gone(pid) => Self::unknown(format!("there is no process {pid}"), "see `ps -e`"),
            other => Self::Unreadable(other.to_string()),
        }
    }
}

impl From<NetworkError> for TargetError {
    fn from(error: NetworkError) -> Self {
        match error {
            NetworkError::Unknown { name, .. } => {
                Self::unknown(format!("there is no network namespace {name}"), "see `ip netns list`")
            }
            other => Self::Unreadable(other.to_string()),
        }
    }
}

/// A fault with the target it is for, both as they are now.
#[derive(Clone, Debug)]
pub struct Found {
    /// The fault; its flow says whose packets are meant where a network is shared.
    pub fault: Fault,
    /// Whom it is for.
    pub target: ResolvedTarget,
    /// What is worth knowing about the choice, in words.
    pub notes: Vec<String>,
}

/// Finds a target. Blocks for milliseconds.
///
/// # Errors
/// It is not there, or cannot be told apart from others.
pub fn find(mut fault: Fault, target: &Target, witness: Option<SocketAddr>) -> Result<Found, TargetError> {
    let mut notes = Vec::new();
    let mut members = members(fault.kind(), target)?;
    // The oldest stands for all of them: it is what the others come from, and does not end between two looks. Numbers of
    // processes begin anew, and say nothing about age.
    members.processes.sort_by_key(|process| (process.start_ticks, process.pid));
    let mut resolved = ResolvedTarget {
        name: name(target, &members.processes),
        process: members.processes.first().cloned(),
        others: members.processes.iter().skip(1).cloned().collect(),
        cgroup: members.group.clone(),
        witness,
        ..ResolvedTarget::default()
    };
    match target {
        Target::Dsn(dsn) => resolved.dsn = Some(dsn.clone()),
        Target::Path(path) => resolved.path = Some(existing(path)?),
        _ => resolved.found_by = Some(target.clone()),
    }
    if members.processes.len() > 1 {
        let all: Vec<String> = members.processes.iter().map(describe).collect();
        notes.push(format!("{target}: {} processes: {}", all.len(), all.join(", ")));
    }
    if matches!(catalogue::of(fault.kind()).family, Family::Network | Family::Sockets | Family::Load) {
        network::choose(&mut fault, target, &mut resolved, &mut notes)?;
    }
    Ok(Found { fault, target: resolved, notes })
}

/// Refuses, before anything begins, what this process lacks the privilege for. What only trying shows, the means say.
///
/// # Errors
/// [`TargetError::NotAllowed`].
pub fn may_touch(fault: &Fault, target: &ResolvedTarget) -> Result<(), TargetError> {
    access::may_touch(fault, target)?;
    network::may_touch(fault.kind(), target)
}

/// Who is meant, and the control group that has all of them and nobody else.
#[derive(Default)]
struct Members {
    processes: Vec<ProcessIdentity>,
    group: Option<PathBuf>,
}

fn members(kind: FaultKind, target: &Target) -> Result<Members, TargetError> {
    let group = match target {
        Target::Pid(pid) => {
            let process = process::of(*pid)?;
            if !process::is_alive(&process) {
                return Err(ProcessError::Gone(*pid).into());
            }
            return Ok(Members { processes: vec![process], group: None });
        }
        Target::Process(pattern) => {
            let processes = find::again(target)?;
            if processes.is_empty() {
                let hint = "it is a regular expression on the whole command line; see `ps -ef`";
                return Err(TargetError::unknown(format!("no process matches {pattern:?}"), hint));
            }
            return Ok(Members { processes, group: None });
        }
        Target::Unit(unit) => find::by_unit(unit)?,
        Target::Cgroup(path) => find::by_cgroup(path)?,
        Target::Container(id) => find::by_container(id)?,
        Target::Lab(host) => {
            let what = format!("{host} is a host of a lab, and no lab runs here");
            return Err(TargetError::unknown(what, "stage a playbook with `deadstick drill`"));
        }
        Target::Host | Target::User(_) | Target::Netns(_) | Target::Dsn(_) | Target::Path(_) => {
            return Ok(Members::default());
        }
    };
    if kind == FaultKind::Stress {
        may_hold_workers(&group.path)?;
    }
    // Workers can be put into a group that is empty so far.
    if group.processes.is_empty() && kind != FaultKind::Stress {
        let what = format!("{target} has no process now");
        return Err(TargetError::unknown(what, "start it, or name another one"));
    }
    Ok(Members { processes: group.processes, group: Some(group.path) })
}

/// Whether a control group of this path holds down who is in it.
fn may_hold_workers(path: &Path) -> Result<(), TargetError> {
    for control in [Control::Cpu, Control::Memory] {
        let places = Linux.places(control, path);
        if !places.map_err(|error| TargetError::Unreadable(error.to_string()))?.is_empty() {
            return Ok(());
        }
    }
    let what = format!("no control group {} has a cpu or memory controller", path.display());
    Err(TargetError::unknown(what, "name another one; see `deadstick doctor`"))
}

fn name(target: &Target, processes: &[ProcessIdentity]) -> String {
    match (target, processes) {
        (Target::Pid(_), [one]) => format!("process {}", describe(one)),
        _ => printable(&target.to_string()),
    }
}

/// A process by its pid and what it calls itself.
fn describe(process: &ProcessIdentity) -> String {
    // One that ended just now has no name any more.
    let own = std::fs::read(format!("/proc/{}/comm", process.pid)).unwrap_or_default();
    let own = printable(String::from_utf8_lossy(&own).trim());
    if own.is_empty() { process.pid.to_string() } else { format!("{} ({own})", process.pid) }
}

fn existing(path: &Path) -> Result<PathBuf, TargetError> {
    std::fs::canonicalize(path).map_err(|error| {
        TargetError::unknown(format!("{}: {error}", path.display()), "name a file or folder that is there")
    })
}
