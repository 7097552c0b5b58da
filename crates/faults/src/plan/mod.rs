//! What a fault would do, decided before anything is touched.
//!
//! Owns the choice of the means and the list of objects with their undo that `--dry-run` prints. Pure: what the host can
//! do comes in as [`HostFacts`]. Each means plans its own part.

mod facts;

use std::sync::Arc;
use std::time::Duration;

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::units::HumanDuration;

use crate::database::{self, Server};
use crate::error::FaultError;
use crate::kernel::Place;
use crate::means::limit::Limit;
use crate::means::{
    Means, blackhole, cut, dns, file_limit, file_lock, fill, flap, freeze, kill, limits, mysql, oom, pause,
    port, postgres, redis, reject, shaped, socket_kill, spike, sqlite, stress,
};

pub use facts::{Fact, HostFacts, asks};

/// One object that a fault touches or makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedObject {
    /// What happens to it.
    pub what: String,
    /// How that is taken back.
    pub undo: String,
}

impl PlannedObject {
    pub(crate) fn new(what: impl Into<String>, undo: impl Into<String>) -> Self {
        Self { what: what.into(), undo: undo.into() }
    }
}

/// What a fault would do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The fault.
    pub fault: Fault,
    /// Whom it is for.
    pub target: ResolvedTarget,
    /// Everything it touches, in order.
    pub objects: Vec<PlannedObject>,
    /// How long it may live.
    pub lease: HumanDuration,
    pub(crate) means: Arc<dyn Means>,
}

/// A means, and what it touches.
pub(crate) struct Planned {
    means: Arc<dyn Means>,
    objects: Vec<PlannedObject>,
}

impl Planned {
    pub(crate) fn new(means: impl Means + 'static, objects: Vec<PlannedObject>) -> Self {
        Self { means: Arc::new(means), objects }
    }
}

/// Decides what a fault would do.
///
/// # Errors
/// [`FaultError::Refused`] when the target lacks what the fault needs, or the host cannot do it.
pub fn plan(
    fault: &Fault,
    target: &ResolvedTarget,
    lease: HumanDuration,
    host: &HostFacts,
) -> Result<Plan, FaultError> {
    if lease.0 < Duration::from_millis(1) {
        return Err(FaultError::refused(
            format!("{} without an end", fault.kind()),
            "give it a length of time",
        ));
    }
    let Planned { means, objects } = match fault {
        Fault::Kill { signal, every_restart } => kill::plan(fault, target, *signal, *every_restart)?,
        Fault::Pause { commands } if is_server(target) => redis::plan(fault, target, *commands)?,
        Fault::Pause { .. } => pause::plan(fault, target)?,
        Fault::CpuLimit { cpus } => limits::plan(fault, target, Limit::Cpu(*cpus))?,
        Fault::MemoryLimit { memory } => limits::plan(fault, target, Limit::Memory(*memory))?,
        Fault::FdLimit { files } => file_limit::plan(fault, target, *files)?,
        Fault::Oom => oom::plan(fault, target)?,
        Fault::Stress { .. } => stress::plan(fault, target)?,
        Fault::DiskFill { reserve } => fill::plan(target, *reserve)?,
        Fault::FsFreeze => freeze::plan(target)?,
        Fault::FileLock { by, mode } => file_lock::plan(target, *by, *mode)?,
        Fault::Vanish | Fault::HalfOpen { .. } | Fault::Partition { .. } => cut::plan(fault, target, host)?,
        Fault::Reject { with, flow } => reject::plan(fault, *with, flow, target, host)?,
        Fault::Flap { .. } => flap::plan(fault, target, host)?,
        Fault::MtuBlackhole { above, flow } => blackhole::plan(fault, *above, flow, target, host)?,
        Fault::Latency(impaired)
        | Fault::Loss(impaired)
        | Fault::Duplicate(impaired)
        | Fault::Corrupt(impaired)
        | Fault::Reorder(impaired)
        | Fault::Rate(impaired) => shaped::plan(fault, impaired, target, host)?,
        Fault::Lock { .. } => lock(fault, target)?,
        Fault::IdleInTransaction { .. }
        | Fault::ExhaustConnections { .. }
        | Fault::PauseReplay
        | Fault::TerminateBackends { .. } => postgres::plan(fault, target)?,
        Fault::Dns { .. } => dns::plan(fault, target, host)?,
        Fault::Spike { .. } => spike::plan(fault, target)?,
        Fault::SocketKill { flow } => socket_kill::plan(fault, flow, target)?,
        Fault::PortTake { port, address, protocol } => {
            port::plan(fault, Place { protocol: *protocol, address: *address, port: *port }, target)?
        }
    };
    Ok(Plan { fault: fault.clone(), target: target.clone(), objects, lease, means })
}

/// Whether a pause is for a server's commands: a host of a lab has a process and knows a database besides.
fn is_server(target: &ResolvedTarget) -> bool {
    target.dsn.as_deref().is_some_and(|dsn| target.process.is_none() || dsn.starts_with("redis"))
}

/// Whose lock: the database that the target names decides.
fn lock(fault: &Fault, target: &ResolvedTarget) -> Result<Planned, FaultError> {
    let Fault::Lock { table, mode, rows, advisory } = fault else {
        return Err(FaultError::refused(format!("{} is no lock", fault.kind()), "plan it by its own kind"));
    };
    match &target.path {
        Some(_) if target.dsn.is_some() => Err(FaultError::refused(
            format!("{} is both a database on a server and a file", target.name),
            "name one of them",
        )),
        Some(path) if table.is_none() && rows.is_none() && advisory.is_none() => {
            Ok(sqlite::plan(path, *mode))
        }
        Some(_) => Err(FaultError::refused(
            "SQLite locks a whole file, not a table, rows or a number",
            "leave table, rows and advisory out",
        )),
        None => match database::any(fault, target)? {
            (Server::Mysql, _) => mysql::plan(fault, target),
            (Server::Postgres | Server::Redis, _) => postgres::plan(fault, target),
        },
    }
}

#[cfg(test)]
mod tests;
