//! Words for the parts of a sentence: faults, severities, levels, kinds of slice, phases.

use super::{AlertLevel, IncidentSeverity, SliceKind};
use crate::fault::{Direction, Fault, LockMode, Peer, Signal};

/// What a fault does, in words.
#[must_use]
pub fn fault_words(fault: &Fault) -> String {
    let peer = |peer: &Peer| match peer.port {
        Some(port) => std::net::SocketAddr::new(peer.address, port).to_string(),
        None => peer.address.to_string(),
    };
    let towards = |to: &Option<Peer>| to.as_ref().map_or(String::new(), |to| format!(" with {}", peer(to)));
    let on_table =
        |table: &Option<String>| table.as_ref().map_or(String::new(), |t| format!(" of table {t}"));
    match fault {
        Fault::Kill { signal } => match signal {
            Signal::Term => "end the process (SIGTERM)".to_owned(),
            Signal::Int => "end the process (SIGINT)".to_owned(),
            Signal::Quit => "end the process (SIGQUIT)".to_owned(),
            Signal::Kill => "kill the process (SIGKILL)".to_owned(),
        },
        Fault::Pause => "pause the process".to_owned(),
        Fault::HalfOpen { to } => format!("silence its established connections{}", towards(to)),
        Fault::Vanish => "cut the host off without a word".to_owned(),
        Fault::Latency { delay, jitter, to } => {
            let jitter = if jitter.0.is_zero() { String::new() } else { format!(" ± {jitter}") };
            format!("delay its packets by {delay}{jitter}{}", towards(to))
        }
        Fault::Partition { from, direction } => {
            let whom = match from.as_slice() {
                [] => "everybody".to_owned(),
                from => from.iter().map(peer).collect::<Vec<_>>().join(", "),
            };
            let way = match direction {
                Direction::Egress => ", outwards only",
                Direction::Ingress => ", inwards only",
                Direction::Both => "",
            };
            format!("drop its packets to and from {whom}{way}")
        }
        Fault::Lock { table, mode } => match mode {
            LockMode::Share => format!("hold a lock against writers{}", on_table(table)),
            LockMode::Exclusive => format!("hold a lock against everybody{}", on_table(table)),
        },
        Fault::IdleInTransaction { table } => {
            let table = table.as_ref().map_or(String::new(), |t| format!(" that has read {t}"));
            format!("leave a transaction{table} open and idle")
        }
    }
}

/// `SEV1`, as people say it.
#[must_use]
pub const fn severity_word(severity: IncidentSeverity) -> &'static str {
    match severity {
        IncidentSeverity::Sev1 => "SEV1",
        IncidentSeverity::Sev2 => "SEV2",
        IncidentSeverity::Sev3 => "SEV3",
        IncidentSeverity::Sev4 => "SEV4",
    }
}

pub(super) const fn level_word(level: AlertLevel) -> &'static str {
    match level {
        AlertLevel::Warning => "warning",
        AlertLevel::Caution => "caution",
        AlertLevel::Advisory => "advisory",
        AlertLevel::Normal => "normal",
    }
}

pub(super) const fn slice_word(kind: SliceKind) -> &'static str {
    match kind {
        SliceKind::ActiveFailure => "active failure",
        SliceKind::LatentCondition => "latent condition",
    }
}
