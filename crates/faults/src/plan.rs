//! What a fault would do, decided before anything is touched.
//!
//! Owns the choice of the means and the list of objects with their undo that `--dry-run` prints. Pure: what the host can
//! do comes in as [`HostFacts`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use deadstick_core::fault::{Fault, LockMode, Peer, ResolvedTarget};
use deadstick_core::identity::{NetworkIdentity, ProcessIdentity};
use deadstick_core::units::HumanDuration;

use crate::error::FaultError;
use crate::kernel::{Layer, Sent, TableEffect};

mod network;

pub(crate) use network::DISCARD;
use network::{asked, latency, table};

/// What this host can do, as far as plans depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// nftables can take packets where they leave a device.
    pub device_hooks: bool,
    /// nftables can send new connections to a local port.
    pub redirect: bool,
    /// The kernel has netem.
    pub netem: bool,
    /// There is a relay for delayed connections.
    pub relay: bool,
}

/// One object that a fault touches or makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedObject {
    /// What happens to it.
    pub what: String,
    /// How that is taken back.
    pub undo: String,
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
    pub(crate) action: Action,
}

/// The means.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Signal {
        process: ProcessIdentity,
        what: Sent,
    },
    Table {
        network: NetworkIdentity,
        layer: Layer,
        effect: TableEffect,
        ask: Option<SocketAddr>,
    },
    Shape {
        network: NetworkIdentity,
        layer: Layer,
        to: Option<Peer>,
        delay: Duration,
        jitter: Duration,
        ask: Option<SocketAddr>,
    },
    Relay {
        network: NetworkIdentity,
        peer: SocketAddr,
        delay: Duration,
        jitter: Duration,
    },
    Postgres {
        dsn: String,
        table: Option<String>,
        lock: Option<LockMode>,
    },
    Sqlite {
        path: PathBuf,
        mode: LockMode,
    },
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
    let (action, objects) = match fault {
        Fault::Kill { signal } => {
            let process = process(fault, target)?;
            let word = format!("{signal:?}").to_uppercase();
            let what = format!("process {}: SIG{word}", process.pid);
            (
                Action::Signal { process, what: Sent::End(*signal) },
                vec![object(what, "none: a process that ended stays ended")],
            )
        }
        Fault::Pause => {
            let process = process(fault, target)?;
            let objects =
                vec![object(format!("process {}: SIGSTOP", process.pid), "SIGCONT to the same process")];
            (Action::Signal { process, what: Sent::Stop }, objects)
        }
        Fault::Vanish => table(fault, target, host, TableEffect::Silence, asked(&[], target))?,
        Fault::HalfOpen { to } => table(
            fault,
            target,
            host,
            TableEffect::Hush { to: *to },
            asked(to.as_slice(), target).filter(|ask| ask.port() != DISCARD),
        )?,
        Fault::Partition { from, direction } => {
            let effect = TableEffect::Cut { peers: from.clone(), direction: *direction };
            table(fault, target, host, effect, asked(from, target))?
        }
        Fault::Latency { delay, jitter, to } => latency(target, host, *delay, *jitter, to.as_ref())?,
        Fault::Lock { table, mode } => lock(target, table.as_deref(), *mode)?,
        Fault::IdleInTransaction { table } => {
            let dsn = dsn(fault, target)?;
            let reads = table.as_ref().map_or(String::new(), |table| format!(", reads one row of {table}"));
            let objects =
                vec![session(format!("one session: opens a transaction{reads}, then does nothing"))];
            (Action::Postgres { dsn, table: table.clone(), lock: None }, objects)
        }
    };
    Ok(Plan { fault: fault.clone(), target: target.clone(), objects, lease, action })
}

fn object(what: impl Into<String>, undo: impl Into<String>) -> PlannedObject {
    PlannedObject { what: what.into(), undo: undo.into() }
}

fn session(what: String) -> PlannedObject {
    object(what, "roll back and end the session; the server ends it by itself when the lease is over")
}

fn process(fault: &Fault, target: &ResolvedTarget) -> Result<ProcessIdentity, FaultError> {
    target.process.clone().ok_or_else(|| {
        FaultError::refused(
            format!("{} needs a process, and {} has none", fault.kind(), target.name),
            "name a process, or start it first",
        )
    })
}

fn dsn(fault: &Fault, target: &ResolvedTarget) -> Result<String, FaultError> {
    target.dsn.clone().ok_or_else(|| {
        FaultError::refused(
            format!("{} needs a PostgreSQL database, and {} has none", fault.kind(), target.name),
            "name it as postgres://…",
        )
    })
}

fn lock(
    target: &ResolvedTarget,
    table: Option<&str>,
    mode: LockMode,
) -> Result<(Action, Vec<PlannedObject>), FaultError> {
    match (&target.dsn, &target.path, table) {
        (Some(dsn), None, Some(table)) => {
            let words = sql_mode(mode);
            let objects = vec![session(format!("one session: holds {table} in {words} mode"))];
            Ok((
                Action::Postgres { dsn: dsn.clone(), table: Some(table.to_owned()), lock: Some(mode) },
                objects,
            ))
        }
        (Some(_), None, None) => {
            Err(FaultError::refused("a PostgreSQL lock without a table", "name the table"))
        }
        (None, Some(path), None) => {
            let who = if mode == LockMode::Share { "writers wait" } else { "everybody waits" };
            let objects = vec![object(
                format!("SQLite file {}: locked, {who}", path.display()),
                "roll back and end the process that holds it",
            )];
            Ok((Action::Sqlite { path: path.clone(), mode }, objects))
        }
        (None, Some(_), Some(_)) => {
            Err(FaultError::refused("SQLite locks a whole file, not a table", "leave the table out"))
        }
        (Some(_), Some(_), _) => Err(FaultError::refused(
            format!("{} is both a PostgreSQL database and a file", target.name),
            "name one of them",
        )),
        (None, None, _) => Err(FaultError::refused(
            format!("lock needs a database, and {} has none", target.name),
            "name a PostgreSQL database or an SQLite file",
        )),
    }
}

/// PostgreSQL's words for a mode.
pub(crate) const fn sql_mode(mode: LockMode) -> &'static str {
    match mode {
        LockMode::Share => "SHARE",
        LockMode::Exclusive => "ACCESS EXCLUSIVE",
    }
}

#[cfg(test)]
mod tests;
