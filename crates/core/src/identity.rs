//! Identities that stay true when numbers are used again (design law 3).
//!
//! Owns the data, and what the kernel's text says of it; leaves reading `/proc` to the crates that touch the host. A bare pid, backend pid or device name is
//! never an identity: each comes with what tells a later bearer of the same number apart.

use std::fmt;
use std::path::PathBuf;

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

/// Where the kernel names this boot, in a line of its own.
pub const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What `/proc/PID/stat` (or that of a thread) says of who a process is and whether it lives, as in `proc_pid_stat(5)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// Field 1.
    pub pid: u32,
    /// Field 3, a letter.
    pub state: char,
    /// Field 4: the parent's pid.
    pub parent: u32,
    /// Field 22.
    pub start_ticks: u64,
}

impl ProcessStat {
    /// Reads the line; none when it has another shape. The name in field 2 may hold any bytes: brackets, spaces, and
    /// what is no UTF-8.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let line = String::from_utf8_lossy(line);
        let (head, fields) = line.rsplit_once(')')?;
        let pid = head.split_once(" (")?.0.parse().ok()?;
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let start_ticks = fields.nth(22 - 5)?.parse().ok()?;
        Some(Self { pid, state, parent, start_ticks })
    }

    /// A zombie holds a number and nothing else: it is gone.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Stopped by a signal or a tracer.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }
}

/// A network namespace: a way in, and the namespace's inode number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct NetworkIdentity {
    /// The way in: `holder` or `named`.
    #[serde(flatten)]
    pub way: NetworkWay,
    /// Inode number of the file behind the way: another number means another namespace.
    pub inode: u64,
}

/// How a network namespace is entered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkWay {
    /// By a process that lives in it.
    Holder(ProcessIdentity),
    /// By a file that keeps it, whether a process lives in it or not.
    Named(NamedNetwork),
}

/// A network namespace that a file keeps, as `ip netns` makes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct NamedNetwork {
    /// The file, such as `/run/netns/a`.
    pub path: PathBuf,
    /// In which boot: inode numbers of namespaces begin again with each.
    pub boot: String,
}

impl NetworkIdentity {
    /// The network of a process.
    #[must_use]
    pub const fn of_process(holder: ProcessIdentity, inode: u64) -> Self {
        Self { way: NetworkWay::Holder(holder), inode }
    }

    /// In which boot it is there.
    #[must_use]
    pub fn boot(&self) -> &str {
        match &self.way {
            NetworkWay::Holder(process) => &process.boot,
            NetworkWay::Named(named) => &named.boot,
        }
    }

    /// The file by which it is entered, for `setns` and for `nsenter --net=`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match &self.way {
            NetworkWay::Holder(process) => format!("/proc/{}/ns/net", process.pid).into(),
            NetworkWay::Named(named) => named.path.clone(),
        }
    }
}

impl fmt::Display for NetworkIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            // The first process lives where the machine itself does.
            NetworkWay::Holder(ProcessIdentity { pid: 1, .. }) => write!(f, "the network of this machine"),
            NetworkWay::Holder(process) => write!(f, "the network of process {}", process.pid),
            NetworkWay::Named(named) => {
                let name = named.path.file_name().unwrap_or(named.path.as_os_str());
                write!(f, "the network named {}", name.to_string_lossy())
            }
        }
    }
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

/// A control group: its folder, told apart from a later one of the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct GroupIdentity {
    /// Where it is, below the mount of its hierarchy.
    pub folder: PathBuf,
    /// The folder's inode number.
    pub inode: u64,
    /// `/proc/sys/kernel/random/boot_id`: no group outlives its boot.
    pub boot: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_confuse_the_stat_line() {
        let line = b"7 (a) Z 1 (\xff)) T 2 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1";
        let stat = ProcessStat { pid: 7, state: 'T', parent: 2, start_ticks: 4711 };
        assert_eq!(ProcessStat::parse(line), Some(stat));
        assert!(stat.is_stopped() && !stat.is_gone());
        for other in ["", "7 (a", "7 (a) T 2", "x (a) T 2 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711"] {
            assert_eq!(ProcessStat::parse(other.as_bytes()), None, "{other:?}");
        }
    }
    #[test]
    fn networks_are_recorded_by_their_way_in() {
        let process = ProcessIdentity { pid: 7, start_ticks: 9, boot: "b".to_owned() };
        let held = NetworkIdentity::of_process(process, 4_026_531_840);
        let line = r#"{"holder":{"pid":7,"start-ticks":9,"boot":"b"},"inode":4026531840}"#;
        assert_eq!(serde_json::to_string(&held).expect("writes"), line);
        let named = NamedNetwork { path: "/run/netns/a".into(), boot: "b".to_owned() };
        let named = NetworkIdentity { way: NetworkWay::Named(named), inode: 5 };
        for network in [held, named] {
            let line = serde_json::to_string(&network).expect("writes");
            assert_eq!(serde_json::from_str::<NetworkIdentity>(&line).expect("reads"), network, "{line}");
        }
    }
}
