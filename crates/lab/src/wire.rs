//! What is said on the control socket, and between owner and supervisor: one JSON object a line.
//!
//! Owns the messages; leaves sending them to [`crate::client`], [`crate::owner`] and [`crate::supervisor`].

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use deadstick_core::identity::{BackendIdentity, NetworkIdentity, ProcessIdentity};
use serde::{Deserialize, Serialize};

use crate::LabError;

/// What `{{names}}` mean at this moment. A name whose value does not exist now (no job runs) is absent.
pub type Variables = BTreeMap<String, String>;

/// One host of the lab, as the owner sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostView {
    /// The process that gives the host its purpose, if it runs now: the front, the running job, a database's postmaster.
    pub process: Option<ProcessIdentity>,
    /// Its network namespace; none where the lab's processes share the machine's network.
    pub network: Option<NetworkIdentity>,
    /// Its address on the lab's network.
    pub address: Option<IpAddr>,
    /// A TCP listener on another host that this one can reach while its network is well.
    pub witness: Option<SocketAddr>,
}

/// What [`crate::LabClient::run`] started. The command has begun its work: it holds what it is going to hold, or waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Started {
    /// The process.
    pub process: ProcessIdentity,
    /// Its database session, where there is a server.
    pub session: Option<BackendIdentity>,
}

/// How a command that was run has come along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum RunState {
    /// It runs.
    Running,
    /// It ended by itself.
    Exited {
        /// Its status; 0 is success.
        code: i32,
    },
    /// A signal ended it.
    Killed {
        /// The signal's number.
        signal: i32,
    },
}

/// One run of a command; the last one of each command is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunView {
    /// The command.
    pub command: String,
    /// On which host.
    pub host: String,
    /// Which process.
    pub process: ProcessIdentity,
    /// Its database session, where there is a server.
    pub session: Option<BackendIdentity>,
    /// Running or ended.
    pub state: RunState,
    /// The last thing it said, in words.
    pub said: Option<String>,
}

/// Everything about a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// Which practice system: `shop` or `shop-postgres`.
    pub lab: String,
    /// Its own name on this machine.
    pub id: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The supervisor's process inside (its parent is what the owner started and remembers).
    pub supervisor: ProcessIdentity,
    /// Every setting with its value in force.
    pub settings: BTreeMap<String, String>,
    /// Every variable that has a value now.
    pub variables: Variables,
    /// Every host.
    pub hosts: BTreeMap<String, HostView>,
    /// The last run of each command.
    pub runs: Vec<RunView>,
}

/// Asked on the control socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub(crate) enum Request {
    Status,
    Set { key: String, value: String },
    Run { command: String, options: BTreeMap<String, String> },
    End { host: String },
    Terminate { backend: i32 },
    Reset,
    Down,
}

/// Answered on the control socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", content = "with", rename_all = "kebab-case")]
pub(crate) enum Answer {
    Status(Box<Status>),
    Started(Started),
    Done,
    Failed(LabError),
}

/// Said by the owner on the supervisor's standard input. Its end means: the owner is gone, end everything.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "kebab-case")]
pub(crate) enum Tell {
    Go,
    Down,
}

/// Said by the supervisor on its standard output.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "said", content = "with", rename_all = "kebab-case")]
pub(crate) enum Said {
    /// It is there, and waits for [`Tell::Go`].
    Idle,
    Progress(String),
    Ready,
    Failed(LabError),
}
