//! Whom a fault is for.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalogue::Aim;
use crate::identity::{NetworkIdentity, ProcessIdentity};
use crate::text::redact_dsn;
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

impl Target {
    /// Reads the value of an option of the command line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(aim: Aim, text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("it is empty".to_owned());
        }
        Ok(match aim {
            Aim::Host => Self::Host,
            Aim::Pid => match text.trim().parse() {
                Ok(pid @ 1..) => Self::Pid(pid),
                _ => return Err(format!("{text:?} is no process number")),
            },
            Aim::Process => Self::Process(text.to_owned()),
            Aim::Unit => Self::Unit(text.to_owned()),
            Aim::Cgroup => Self::Cgroup(text.into()),
            Aim::Container => Self::Container(text.to_owned()),
            Aim::User => Self::User(text.to_owned()),
            Aim::Netns => Self::Netns(text.to_owned()),
            Aim::Dsn => Self::Dsn(text.to_owned()),
            Aim::Path => Self::Path(text.into()),
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lab(host) => write!(f, "host {host} of the lab"),
            Self::Host => f.write_str("this machine"),
            Self::Pid(pid) => write!(f, "process {pid}"),
            Self::Process(pattern) => write!(f, "processes like {pattern}"),
            Self::Unit(unit) => write!(f, "unit {unit}"),
            Self::Cgroup(path) => write!(f, "control group {}", path.display()),
            Self::Container(id) => write!(f, "container {id}"),
            Self::User(user) => write!(f, "user {user}"),
            Self::Netns(name) => write!(f, "network namespace {name}"),
            Self::Dsn(dsn) => f.write_str(&redact_dsn(dsn)),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
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
