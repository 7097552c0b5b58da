//! Whom a fault is for.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::{NetworkIdentity, ProcessIdentity};
use crate::units::Name;

/// Whom a fault is for, as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Target {
    /// A host of the lab, or the process on it.
    Lab(Name),
    /// This machine.
    Host,
    /// A process of this machine.
    Pid(u32),
    /// The processes whose command line matches a regular expression.
    Process(String),
    /// A systemd unit.
    Unit(String),
    /// A control group, by its path below the mount.
    Cgroup(PathBuf),
    /// A container, by its id or the beginning of it.
    Container(String),
    /// A user's processes and sockets, by name or number.
    User(String),
    /// A named network namespace (as `ip netns` names them).
    Netns(String),
    /// A database: `postgres://…`, `mysql://…` or `redis://…`.
    Dsn(String),
    /// A file or a folder.
    Path(PathBuf),
}

/// Whom a fault is for, found once and remembered by identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ResolvedTarget {
    /// What people call it.
    pub name: String,
    /// Its process; the first one where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessIdentity>,
    /// Its other processes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<ProcessIdentity>,
    /// The control group that all of its processes and nobody else are in: a path below the root of the hierarchies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<PathBuf>,
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
    /// Its file or folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// How the same target is found again after a restart, where a fault asks for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_by: Option<Target>,
}

impl ResolvedTarget {
    /// All of its processes.
    pub fn processes(&self) -> impl Iterator<Item = &ProcessIdentity> {
        self.process.iter().chain(&self.others)
    }
}
