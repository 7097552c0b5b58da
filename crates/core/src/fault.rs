//! Faults: one disturbance of one target, as files and the command line name them.
//!
//! Owns kinds, parameters and targets as data. Leaves planning, applying, proving and undoing to the faults crate, and
//! finding what a target means now to the runner.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::{NetworkIdentity, ProcessIdentity};
use crate::units::{HumanDuration, Name};

/// What is done, with its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "fault", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Fault {
    /// A signal that ends the process. Nothing brings it back: the undo is to do nothing.
    Kill {
        /// Which signal.
        signal: Signal,
    },
    /// The process is stopped and goes on when the fault ends.
    Pause,
    /// Connections that are established fall silent, new ones pass: no FIN, no RST.
    HalfOpen {
        /// Only connections with this peer; all of them otherwise.
        to: Option<Peer>,
    },
    /// The host is gone from the network in both directions at once: no FIN, no RST, no ICMP.
    Vanish,
    /// Packets of the link are late.
    Latency {
        /// By how much, on top of the link's own delay.
        delay: HumanDuration,
        /// Plus or minus this much, uniformly.
        jitter: HumanDuration,
        /// Only towards this peer; everything otherwise.
        to: Option<Peer>,
    },
    /// Packets between the host and its peers are dropped.
    Partition {
        /// From whom it is cut off; from everybody when empty.
        from: Vec<Peer>,
        /// Which packets.
        direction: Direction,
    },
    /// A lock is held: on a PostgreSQL table, or on a whole SQLite file.
    Lock {
        /// The table, for PostgreSQL.
        table: Option<String>,
        /// How strong.
        mode: LockMode,
    },
    /// A session opens a transaction, reads a table and then does nothing.
    IdleInTransaction {
        /// The table it reads, and so holds a share lock on.
        table: Option<String>,
    },
}

impl Fault {
    /// The kind's word.
    #[must_use]
    pub const fn kind(&self) -> FaultKind {
        match self {
            Self::Kill { .. } => FaultKind::Kill,
            Self::Pause => FaultKind::Pause,
            Self::HalfOpen { .. } => FaultKind::HalfOpen,
            Self::Vanish => FaultKind::Vanish,
            Self::Latency { .. } => FaultKind::Latency,
            Self::Partition { .. } => FaultKind::Partition,
            Self::Lock { .. } => FaultKind::Lock,
            Self::IdleInTransaction { .. } => FaultKind::IdleInTransaction,
        }
    }
}

/// The kinds of fault, as words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// See [`Fault::Kill`].
    Kill,
    /// See [`Fault::Pause`].
    Pause,
    /// See [`Fault::HalfOpen`].
    HalfOpen,
    /// See [`Fault::Vanish`].
    Vanish,
    /// See [`Fault::Latency`].
    Latency,
    /// See [`Fault::Partition`].
    Partition,
    /// See [`Fault::Lock`].
    Lock,
    /// See [`Fault::IdleInTransaction`].
    IdleInTransaction,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Kill,
        Self::Pause,
        Self::HalfOpen,
        Self::Vanish,
        Self::Latency,
        Self::Partition,
        Self::Lock,
        Self::IdleInTransaction,
    ];

    /// The word used in files, on the command line and on the timeline.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::HalfOpen => "half-open",
            Self::Vanish => "vanish",
            Self::Latency => "latency",
            Self::Partition => "partition",
            Self::Lock => "lock",
            Self::IdleInTransaction => "idle-in-transaction",
        }
    }
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// Signals that end a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// SIGTERM: asked to end.
    Term,
    /// SIGINT: as Ctrl-C.
    Int,
    /// SIGQUIT: asked to end at once.
    Quit,
    /// SIGKILL: gone.
    #[default]
    Kill,
}

/// Which packets, seen from the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// What the target sends.
    Egress,
    /// What the target receives.
    Ingress,
    /// Both.
    #[default]
    Both,
}

/// Strength of a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LockMode {
    /// Readers go on, writers wait (PostgreSQL `SHARE`; an SQLite write lock).
    Share,
    /// Everybody waits (PostgreSQL `ACCESS EXCLUSIVE`; an SQLite exclusive lock).
    #[default]
    Exclusive,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// One port; all of them otherwise.
    pub port: Option<u16>,
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self { address: address.ip(), port: Some(address.port()) }
    }
}

impl JsonSchema for Peer {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Peer".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "properties": {
                "address": { "type": "string", "description": "An IP address." },
                "port": { "type": ["integer", "null"], "minimum": 0, "maximum": 65535 },
            },
            "required": ["address"],
        })
    }
}

/// Whom a fault is for, as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Target {
    /// A host of the lab, or the process on it.
    Lab(Name),
    /// A process of this host.
    Pid(u32),
    /// A named network namespace (as `ip netns` names them).
    Netns(String),
    /// A PostgreSQL database.
    Dsn(String),
    /// An SQLite file.
    Path(PathBuf),
}

/// Whom a fault is for, found once and remembered by identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ResolvedTarget {
    /// What people call it.
    pub name: String,
    /// Its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessIdentity>,
    /// Its network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkIdentity>,
    /// Its address in that network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// A peer that answers TCP while the link is whole: what effect probes of network faults talk to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<SocketAddr>,
    /// Its database; may hold a password, so never recorded as it is.
    #[serde(skip)]
    pub dsn: Option<String>,
    /// Its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}
