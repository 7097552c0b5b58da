//! Identities that stay true when numbers are used again (design law 3).
//!
//! Owns the data; leaves reading `/proc` to the crates that touch the host. A bare pid, backend pid or device name is
//! never an identity: each comes with what tells a later bearer of the same number apart.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A process: its pid, when it started, and in which boot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ProcessIdentity {
    /// The pid as this host numbers it.
    pub pid: u32,
    /// Start time in clock ticks since boot: field 22 of `/proc/PID/stat`.
    pub start_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
}

/// A network namespace: a process that lives in it, and the namespace's inode number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct NetworkIdentity {
    /// A process inside; its `/proc/PID/ns/net` is the way in.
    pub holder: ProcessIdentity,
    /// Inode number of that file: another number means another namespace.
    pub inode: u64,
}

/// A PostgreSQL session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BackendIdentity {
    /// `pg_stat_activity.pid`.
    pub pid: i32,
    /// `pg_stat_activity.backend_start`, as the server prints it in UTC.
    pub started: String,
}
