//! What keeps people in control: faults that would cut it are refused whatever the policy says.
//!
//! Owns the judgement over data; leaves finding the sessions and the processes of this host to the faults crate.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::fault::{Direction, Fault, Flow, ResolvedTarget};
use crate::identity::ProcessIdentity;

/// By what people and deadstick itself keep in control of this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlPath {
    /// The connections of the remote sessions that lead here: our end, and theirs.
    pub sessions: Vec<(SocketAddr, SocketAddr)>,
    /// The inode of the network namespace they are in.
    pub network: u64,
    /// deadstick, its guardian, and every process that one of them came from: a shell, a terminal, a login.
    pub processes: Vec<ProcessIdentity>,
    /// The control groups that these are in, by their paths below the root of the hierarchies.
    pub cgroups: Vec<PathBuf>,
}

/// A share of packets above which a session is as good as cut.
const HOPELESS: f64 = 0.5;
/// A delay above which it is.
const HOPELESS_DELAY_S: u64 = 10;
/// Bytes a second below which it is.
const HOPELESS_RATE: u64 = 2_000;

impl ControlPath {
    /// Whether a fault would cut it: what it would cut, in words.
    #[must_use]
    pub fn cut_by(&self, fault: &Fault, target: &ResolvedTarget) -> Option<String> {
        self.network_cut(fault, target).or_else(|| self.process_cut(fault, target))
    }

    fn network_cut(&self, fault: &Fault, target: &ResolvedTarget) -> Option<String> {
        if target.network.as_ref()?.inode != self.network || !cuts(fault) {
            return None;
        }
        let everything = Flow::default();
        // A host that vanishes, and a group that is split, may lose anybody.
        let flow = match fault {
            Fault::Partition { members, .. } if !members.is_empty() => &everything,
            other => other.flow().unwrap_or(&everything),
        };
        let (own, theirs) = self.sessions.iter().find(|(own, theirs)| covers(flow, *own, *theirs))?;
        Some(format!(
            "{} would cut the session from {theirs} to {own}, which this is run from",
            rule(fault, flow)
        ))
    }

    fn process_cut(&self, fault: &Fault, target: &ResolvedTarget) -> Option<String> {
        let harms = matches!(
            fault,
            Fault::Kill { .. }
                | Fault::Pause { .. }
                | Fault::CpuLimit { .. }
                | Fault::MemoryLimit { .. }
                | Fault::FdLimit { .. }
                | Fault::Oom
        );
        if !harms {
            return None;
        }
        if let Some(one) = target.processes().find(|one| self.processes.contains(one)) {
            return Some(format!(
                "{} on process {}: deadstick runs in it or was started from it",
                fault.kind(),
                one.pid
            ));
        }
        let group = target.cgroup.as_ref()?;
        self.cgroups.iter().any(|own| own.starts_with(group)).then(|| {
            format!(
                "{} on control group {}: deadstick or the session it is run from is in it",
                fault.kind(),
                group.display()
            )
        })
    }
}

/// Whether packets that a fault chooses are as good as lost.
fn cuts(fault: &Fault) -> bool {
    match fault {
        Fault::Partition { .. }
        | Fault::HalfOpen { .. }
        | Fault::Vanish
        | Fault::Reject { .. }
        | Fault::Flap { .. }
        | Fault::MtuBlackhole { .. }
        | Fault::SocketKill { .. } => true,
        other => other.impaired().is_some_and(|impaired| {
            let one = &impaired.impairment;
            one.loss.ratio() >= HOPELESS
                || one.corrupt.ratio() >= HOPELESS
                || one.delay.0.as_secs() >= HOPELESS_DELAY_S
                || one.rate.is_some_and(|rate| rate.0 < HOPELESS_RATE)
        }),
    }
}

/// Whether a flow has packets of a connection. What cannot be told counts as yes.
fn covers(flow: &Flow, own: SocketAddr, theirs: SocketAddr) -> bool {
    let is_one =
        |ends: &[crate::fault::Peer], end| ends.is_empty() || ends.iter().any(|one| one.includes(end));
    is_one(&flow.to, theirs) && is_one(&flow.from, own)
}

/// The fault as a rule that people recognise.
fn rule(fault: &Fault, flow: &Flow) -> String {
    let ends = |word: &str, ends: &[crate::fault::Peer]| {
        let ends: Vec<_> = ends.iter().map(ToString::to_string).collect();
        if ends.is_empty() { String::new() } else { format!(" {word} {}", ends.join(",")) }
    };
    let way = if flow.direction == Direction::Both { String::new() } else { format!(" {}", flow.direction) };
    let whole = if flow.to.is_empty() && flow.from.is_empty() { " of everything" } else { "" };
    format!("{}{whole}{}{}{way}", fault.kind(), ends("to", &flow.to), ends("from", &flow.from))
}
