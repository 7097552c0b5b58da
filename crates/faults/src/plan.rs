//! What a fault would do, decided before anything is touched.
//!
//! Owns the choice of the means and the list of objects with their undo that `--dry-run` prints. Pure: what the host can
//! do comes in as [`HostFacts`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use deadstick_core::fault::{Direction, Fault, LockMode, Peer, ResolvedTarget};
use deadstick_core::identity::{NetworkIdentity, ProcessIdentity};
use deadstick_core::units::HumanDuration;

use crate::error::FaultError;
use crate::kernel::{Layer, Sent, TableEffect};

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

/// The port that nobody listens on, for packets made only to be dropped and counted.
pub(crate) const DISCARD: u16 = 9;

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

fn network(kind: &str, target: &ResolvedTarget) -> Result<NetworkIdentity, FaultError> {
    target.network.clone().ok_or_else(|| {
        FaultError::refused(
            format!("{kind} needs a network of its own, and {} has none", target.name),
            "name a network namespace, or a lab whose hosts have networks (shop-postgres)",
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

/// Whom a proof can talk to: the witness if the fault concerns it, else the first peer named, else anybody on the link.
fn asked(peers: &[Peer], target: &ResolvedTarget) -> Option<SocketAddr> {
    let concerns = |peer: &Peer, end: SocketAddr| {
        peer.address == end.ip() && peer.port.is_none_or(|port| port == end.port())
    };
    match (peers.first(), target.witness) {
        (None, None) => target.address.map(|address| SocketAddr::new(neighbour(address), DISCARD)),
        (None, witness) => witness,
        (Some(_), Some(end)) if peers.iter().any(|peer| concerns(peer, end)) => Some(end),
        (Some(peer), _) => Some(SocketAddr::new(peer.address, peer.port.unwrap_or(DISCARD))),
    }
}

/// An address of the same link, whether anybody has it or not.
fn neighbour(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() ^ 1).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() ^ 1).into(),
    }
}

fn table(
    fault: &Fault,
    target: &ResolvedTarget,
    host: &HostFacts,
    effect: TableEffect,
    ask: Option<SocketAddr>,
) -> Result<(Action, Vec<PlannedObject>), FaultError> {
    let network = network(fault.kind().word(), target)?;
    let layer = if host.device_hooks { Layer::Device } else { Layer::Internet };
    let chosen = match &effect {
        TableEffect::Silence => "everything both ways".to_owned(),
        TableEffect::Hush { to } => format!(
            "TCP connections established now{}",
            to.as_ref().map_or(String::new(), |to| format!(" with {}", peer_words(to)))
        ),
        TableEffect::Cut { peers, direction } => {
            let way = match direction {
                Direction::Egress => "what it sends",
                Direction::Ingress => "what it receives",
                Direction::Both => "everything both ways",
            };
            let peers: Vec<_> = peers.iter().map(peer_words).collect();
            if peers.is_empty() { way.to_owned() } else { format!("{way}, with {}", peers.join(", ")) }
        }
        // Parts of a latency, which has objects of its own.
        TableEffect::Redirect { .. } | TableEffect::Classify { .. } => String::new(),
    };
    let objects = vec![owned_table(&network, &format!("drops {chosen}; loopback stays"))];
    Ok((Action::Table { network, layer, effect, ask }, objects))
}

fn owned_table(network: &NetworkIdentity, what: &str) -> PlannedObject {
    object(
        format!(
            "nftables table deadstick-… in the network of process {} ({}): {what}",
            network.holder.pid, network.inode
        ),
        "remove the table; the kernel does so when its owner dies, and it matches nothing once the lease is over",
    )
}

fn peer_words(peer: &Peer) -> String {
    peer.port.map_or_else(|| peer.address.to_string(), |port| SocketAddr::new(peer.address, port).to_string())
}

fn latency(
    target: &ResolvedTarget,
    host: &HostFacts,
    delay: HumanDuration,
    jitter: HumanDuration,
    to: Option<&Peer>,
) -> Result<(Action, Vec<PlannedObject>), FaultError> {
    let network = network("latency", target)?;
    if delay.0.is_zero() || jitter > delay {
        return Err(FaultError::refused(
            format!("a delay of {delay} ± {jitter}"),
            "the delay must be above zero and not below the jitter",
        ));
    }
    if host.netem {
        return Ok(shape(target, host, network, (delay, jitter), to));
    }
    let Some(Peer { address, port: Some(port) }) = to else {
        return Err(FaultError::refused(
            "latency of a whole link needs netem, which this kernel does not have",
            "name one TCP peer with its port: a relay makes that link late",
        ));
    };
    if !(host.relay && host.redirect) {
        let lacks = if host.relay { "nftables redirect" } else { "a relay" };
        return Err(FaultError::refused(
            format!("latency needs {lacks}, which is not there"),
            "see `deadstick doctor`",
        ));
    }
    let peer = SocketAddr::new(*address, *port);
    let objects = vec![
        object(
            format!(
                "a relay in the same network that passes bytes to {peer} after {delay} ± {jitter}, each way"
            ),
            "end the relay and its connections",
        ),
        owned_table(&network, &format!("sends new connections to {peer} through the relay")),
        object(
            format!("connections to {peer} that are established now: ended, so that they are made again"),
            "none: they reconnect",
        ),
    ];
    Ok((Action::Relay { network, peer, delay: delay.0, jitter: jitter.0 }, objects))
}

fn shape(
    target: &ResolvedTarget,
    host: &HostFacts,
    network: NetworkIdentity,
    (delay, jitter): (HumanDuration, HumanDuration),
    to: Option<&Peer>,
) -> (Action, Vec<PlannedObject>) {
    let layer = if host.device_hooks { Layer::Device } else { Layer::Internet };
    let whom = to.map_or_else(|| "everybody".to_owned(), peer_words);
    let objects = vec![
        object(
            format!("the root qdisc of each device of that network: htb with netem, {delay} ± {jitter}"),
            "remove it by its reserved handle; the kernel's own choice takes its place again",
        ),
        owned_table(&network, &format!("sends packets to {whom} through that netem")),
    ];
    let ask = asked(to.map_or(&[], std::slice::from_ref), target);
    (Action::Shape { network, layer, to: to.copied(), delay: delay.0, jitter: jitter.0, ask }, objects)
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
