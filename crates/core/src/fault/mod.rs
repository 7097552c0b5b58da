//! Faults: one disturbance of one target, as files and the command line name them.
//!
//! Owns kinds, parameters and targets as data: [`Fault`] says what, [`target`](mod@target) whom, [`link`] and [`flow`] which
//! packets and how they suffer, [`catalogue`] lists every kind with its parameters for people and for [`parameters`], which
//! reads a fault from words. Leaves planning, applying, proving and undoing to the faults crate, and finding what a target
//! means now to the runner.

pub mod catalogue;
mod choice;
pub mod flow;
pub mod group;
mod kind;
pub mod link;
mod meeting;
pub mod parameters;
mod peer;
pub mod target;

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Cpus, HumanDuration, Percent, Size};

pub(crate) use choice::choice;
pub use choice::{
    DnsAnswer, FileLockCall, HttpMethod, LockMode, PartitionShape, Protocol, RedisCommands, Refusal, Signal,
};
pub use flow::{Direction, Flow};
pub use kind::FaultKind;
pub use link::{Impaired, Impairment};
pub use parameters::ParameterError;
pub use peer::{BadPeer, Peer};
pub use target::{ResolvedTarget, Target};

/// What is done, with its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "fault", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Fault {
    /// Packets are late, and perhaps more.
    Latency(Impaired),
    /// Packets are lost, and perhaps more.
    Loss(Impaired),
    /// Packets come twice, and perhaps more.
    Duplicate(Impaired),
    /// Packets have a bit flipped, and perhaps more.
    Corrupt(Impaired),
    /// Packets overtake each other, and perhaps more.
    Reorder(Impaired),
    /// Packets queue for a slow link, and perhaps more.
    Rate(Impaired),
    /// Packets between the host and its peers are dropped.
    Partition {
        /// All members of the group that is split, this host among them; then `shape` says from which of them it is cut off.
        #[serde(default)]
        members: Vec<IpAddr>,
        /// How the group is split.
        #[serde(default)]
        shape: Option<PartitionShape>,
        /// Which packets; from everybody when it names no peer and there is no group.
        #[serde(flatten)]
        flow: Flow,
    },
    /// Connections that are established fall silent, new ones pass: no FIN, no RST.
    HalfOpen {
        /// Which connections.
        #[serde(flatten)]
        flow: Flow,
    },
    /// The host is gone from the network in both directions at once: no FIN, no RST, no ICMP.
    Vanish,
    /// Packets are answered with a refusal.
    Reject {
        /// What the sender gets.
        #[serde(default)]
        with: Refusal,
        /// Which packets.
        #[serde(flatten)]
        flow: Flow,
    },
    /// The link is bad and good in turns.
    Flap {
        /// How long it is good.
        up: HumanDuration,
        /// How long it is bad; it begins so.
        down: HumanDuration,
        /// How bad; nothing passes when none is given.
        #[serde(default)]
        while_down: Option<Impairment>,
        /// How good; undisturbed when none is given.
        #[serde(default)]
        while_up: Option<Impairment>,
        /// Which packets.
        #[serde(flatten)]
        flow: Flow,
    },
    /// Packets above a size are dropped, and no ICMP says so.
    MtuBlackhole {
        /// The largest IP packet that passes.
        above: Size,
        /// Which packets.
        #[serde(flatten)]
        flow: Flow,
    },
    /// Questions for names are answered wrongly, late or not at all.
    Dns {
        /// Which names, with everything below them; all of them when empty.
        #[serde(default)]
        names: Vec<String>,
        /// What comes back.
        answer: DnsAnswer,
        /// The wrong address.
        #[serde(default)]
        address: Option<IpAddr>,
        /// How long after the question the answer comes, at least.
        #[serde(default)]
        delay: HumanDuration,
        /// Whose questions, and to which servers; there is no more to choose questions by.
        #[serde(flatten)]
        flow: Flow,
    },
    /// Live TCP connections are destroyed.
    SocketKill {
        /// Which connections.
        #[serde(flatten)]
        flow: Flow,
    },
    /// A port is taken, so that a server cannot start on it.
    PortTake {
        /// Which.
        port: u16,
        /// On which address; on all of them when none is given.
        #[serde(default)]
        address: Option<IpAddr>,
        /// Of which protocol.
        #[serde(default)]
        protocol: Protocol,
    },
    /// A signal that ends the process. Nothing brings it back: the undo is to do nothing.
    Kill {
        /// Which signal.
        #[serde(default)]
        signal: Signal,
        /// Again whenever a process takes its place, until the lease ends.
        #[serde(default)]
        every_restart: bool,
    },
    /// The target stands still and goes on when the fault ends: a process, or the commands of a Redis server.
    Pause {
        /// Which commands of a Redis server.
        #[serde(default)]
        commands: RedisCommands,
    },
    /// The processes get this much processor time.
    CpuLimit {
        /// How much.
        cpus: Cpus,
    },
    /// The processes get this much memory.
    MemoryLimit {
        /// How much.
        memory: Size,
    },
    /// The process may open this many files.
    FdLimit {
        /// How many.
        files: u64,
    },
    /// The kernel ends the processes because they are out of memory.
    Oom,
    /// The machine is busy.
    Stress {
        /// Workers that compute.
        #[serde(default)]
        cpu: u32,
        /// Memory that is filled and touched.
        #[serde(default)]
        memory: Option<Size>,
        /// Workers that write and sync.
        #[serde(default)]
        io: u32,
    },
    /// The file system is full, up to a reserve.
    DiskFill {
        /// What stays free.
        reserve: Size,
    },
    /// The file system takes no writes: who writes, waits.
    FsFreeze,
    /// A file is locked.
    FileLock {
        /// By which call.
        #[serde(default)]
        by: FileLockCall,
        /// How strong.
        #[serde(default)]
        mode: LockMode,
    },
    /// A lock is held: in a PostgreSQL or `MySQL` database, or on a whole SQLite file.
    Lock {
        /// The table.
        #[serde(default)]
        table: Option<String>,
        /// How strong.
        #[serde(default)]
        mode: LockMode,
        /// Only rows of the table, by a condition such as `id = 42` (PostgreSQL).
        #[serde(default)]
        rows: Option<String>,
        /// An advisory lock by its number instead of a table (PostgreSQL).
        #[serde(default)]
        advisory: Option<i64>,
    },
    /// A session opens a transaction, reads a table and then does nothing.
    IdleInTransaction {
        /// The table it reads, and so holds a share lock on.
        #[serde(default)]
        table: Option<String>,
    },
    /// Sessions take the places that a PostgreSQL server has.
    ExhaustConnections {
        /// How many places stay free.
        #[serde(default)]
        leave: u32,
    },
    /// A PostgreSQL replica receives but does not apply.
    PauseReplay,
    /// Sessions of a PostgreSQL server are ended.
    TerminateBackends {
        /// Only those of this application.
        #[serde(default)]
        application: Option<String>,
        /// Only those of this role.
        #[serde(default)]
        role: Option<String>,
    },
    /// Requests come faster than they ever did.
    Spike {
        /// To which URL; `{key}` in it is replaced by a key.
        url: String,
        /// By which method.
        #[serde(default)]
        method: HttpMethod,
        /// How many a second.
        per_second: u32,
        /// How many keys there are.
        #[serde(default)]
        keys: Option<u32>,
        /// The share of requests that ask for the one hot key.
        #[serde(default)]
        hot: Option<Percent>,
    },
}

impl Fault {
    /// How packets suffer, and which, where that is all the fault does.
    #[must_use]
    pub const fn impaired(&self) -> Option<&Impaired> {
        match self {
            Self::Latency(impaired)
            | Self::Loss(impaired)
            | Self::Duplicate(impaired)
            | Self::Corrupt(impaired)
            | Self::Reorder(impaired)
            | Self::Rate(impaired) => Some(impaired),
            _ => None,
        }
    }

    /// Which packets it is about.
    #[must_use]
    pub const fn flow(&self) -> Option<&Flow> {
        match self {
            Self::Partition { flow, .. }
            | Self::Dns { flow, .. }
            | Self::HalfOpen { flow }
            | Self::Reject { flow, .. }
            | Self::Flap { flow, .. }
            | Self::MtuBlackhole { flow, .. }
            | Self::SocketKill { flow } => Some(flow),
            other => match other.impaired() {
                Some(impaired) => Some(&impaired.flow),
                None => None,
            },
        }
    }

    /// The same, to be narrowed down to one target.
    #[must_use]
    pub const fn flow_mut(&mut self) -> Option<&mut Flow> {
        match self {
            Self::Partition { flow, .. }
            | Self::Dns { flow, .. }
            | Self::HalfOpen { flow }
            | Self::Reject { flow, .. }
            | Self::Flap { flow, .. }
            | Self::MtuBlackhole { flow, .. }
            | Self::SocketKill { flow } => Some(flow),
            Self::Latency(impaired)
            | Self::Loss(impaired)
            | Self::Duplicate(impaired)
            | Self::Corrupt(impaired)
            | Self::Reorder(impaired)
            | Self::Rate(impaired) => Some(&mut impaired.flow),
            _ => None,
        }
    }
}
