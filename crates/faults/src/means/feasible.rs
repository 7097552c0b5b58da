//! What can be done to packets on this host: whose numbers the kernel holds, which it can choose, and which it can hurt.

use deadstick_core::fault::{Direction, Flow, Impairment};

use crate::error::FaultError;
use crate::network::qdisc;
use crate::plan::HostFacts;

/// Refuses what the kernel's numbers do not hold.
pub(super) fn is_kept(impairment: &Impairment) -> Result<(), FaultError> {
    if let Some((what, hint)) = impairment.nonsense() {
        return Err(FaultError::refused(what, hint));
    }
    if impairment.jitter.0 > qdisc::LONGEST_JITTER {
        return Err(FaultError::refused(
            format!("a jitter of {}", impairment.jitter),
            "netem computes with at most 2.147 s",
        ));
    }
    match impairment.rate {
        Some(rate) if rate < qdisc::SLOWEST => Err(FaultError::refused(
            format!("a rate of {rate}"),
            format!("HTB keeps rates from {} on", qdisc::SLOWEST),
        )),
        _ => Ok(()),
    }
}

/// Whether the rules that choose packets lose them, too: a plain loss where there is no netem, and of what a process or
/// a user receives, which is theirs only after the place where it could be queued.
pub(super) fn is_for_rules(impairment: &Impairment, flow: &Flow, host: &HostFacts) -> bool {
    let only_loss = Impairment { loss: impairment.loss, ..Impairment::default() } == *impairment;
    only_loss && (!host.netem || flow.is_by_socket() && flow.direction != Direction::Egress)
}

/// Refuses what this host cannot choose, or not hurt.
pub(super) fn is_open(flow: &Flow, host: &HostFacts) -> Result<(), FaultError> {
    if !host.htb {
        return Err(FaultError::refused(
            "this kernel has no HTB, which carries our classes",
            "see `deadstick doctor`",
        ));
    }
    if flow.direction == Direction::Egress {
        return Ok(());
    }
    let hint = "give `direction` as egress: then only what is sent suffers";
    if !host.forward {
        return Err(FaultError::refused(
            "this kernel cannot queue what is received (ifb and nftables fwd)",
            hint,
        ));
    }
    if flow.cgroup.is_some() || flow.user.is_some() {
        return Err(FaultError::refused(
            "what is received has no process and no user yet where it could be queued",
            hint,
        ));
    }
    Ok(())
}
