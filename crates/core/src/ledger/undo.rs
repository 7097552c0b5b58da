//! How faults are taken back out, as data that outlives whoever wrote it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::fault::RedisCommands;
use crate::identity::{BackendIdentity, GroupIdentity, NetworkIdentity, ProcessIdentity};

/// How one fault is taken back out: idempotent, and it touches only what carries our mark or has the identity named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Undo {
    /// There is nothing to take back (a process that was ended stays ended).
    Nothing {
        /// Why.
        because: String,
    },
    /// Let a stopped process go on.
    Resume {
        /// Which.
        process: ProcessIdentity,
    },
    /// Let stopped processes go on, and what came from them while they were being stopped.
    ResumeFamily {
        /// Which.
        processes: Vec<ProcessIdentity>,
        /// Processes that somebody else had stopped before.
        except: Vec<ProcessIdentity>,
    },
    /// Write old values back into a control group, each if ours is still there.
    RestoreGroup {
        /// Which.
        group: GroupIdentity,
        /// In the order in which they were written; they are written back the other way round.
        values: Vec<GroupValue>,
    },
    /// Move the processes of a control group of ours back to where they were, and remove it.
    RemoveGroup {
        /// Which; its name begins with `deadstick-`.
        folder: PathBuf,
        /// Where its processes came from.
        home: GroupIdentity,
    },
    /// Set the limit of open files of a process back, if ours is still there.
    RestoreFileLimit {
        /// Which.
        process: ProcessIdentity,
        /// What it was.
        before: u64,
        /// What we made of it.
        ours: u64,
    },
    /// Give a process back how willing it was to be ended for lack of memory, if ours is still there.
    RestoreOomScore {
        /// Which.
        process: ProcessIdentity,
        /// What its `oom_score_adj` was.
        before: i32,
        /// What we made of it.
        ours: i32,
    },
    /// Remove a file of ours that takes space, if its name is still there.
    RemoveFill {
        /// Which; its name begins with `.deadstick-fill-`.
        path: PathBuf,
    },
    /// Thaw a file system.
    Thaw {
        /// A folder in it.
        path: PathBuf,
        /// The number of its device.
        device: u64,
        /// In which boot: no file system stays frozen over the next.
        boot: String,
    },
    /// Remove our nftables table from a network, if the kernel has not done so already.
    RemoveTable {
        /// Where.
        network: NetworkIdentity,
        /// Its name; ours begin with `deadstick`.
        table: String,
    },
    /// Make a network forget the conversations with name servers that were redirected to a port of ours, so that they go
    /// to their servers again.
    ForgetRedirected {
        /// Where.
        network: NetworkIdentity,
        /// Our port of loopback.
        port: u16,
    },
    /// Remove a fault's classes from a device, and our root qdisc when no class of ours is left; put back the captured one.
    RemoveQdisc {
        /// Where.
        network: NetworkIdentity,
        /// The device.
        device: String,
        /// Our reserved handle's major number.
        handle: u16,
        /// What the classes carry, so that those of others are left alone; the whole root qdisc goes where none is named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<u32>,
        /// The root qdisc that was there, if somebody had set one up: it first, then what is below it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        put_back: Vec<CapturedQdisc>,
    },
    /// Remove a network device that we made, when no class of ours is on it any more.
    RemoveDevice {
        /// Where.
        network: NetworkIdentity,
        /// Its name.
        device: String,
        /// The number of its device group, which is our mark.
        mark: u32,
    },
    /// End a process that we started only to hold something (a lock, a session, a relay).
    EndHolder {
        /// Which.
        process: ProcessIdentity,
        /// The database session it holds, which is then looked for and ended too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<DatabaseSession>,
    },
    /// Let a PostgreSQL replica apply again what it receives.
    ResumeReplay {
        /// How to reach it, without any password.
        dsn: String,
        /// The server's run: with its end, the pause ended.
        server: ServerIdentity,
    },
    /// End the process that keeps a Redis server paused, and see that the server goes on.
    EndPause {
        /// Which process.
        process: ProcessIdentity,
        /// How to reach the server, without any password.
        dsn: String,
        /// The server's run (`run_id` of `INFO server`): with its end, the pause ended.
        server: String,
        /// Which commands wait.
        commands: RedisCommands,
    },
    /// End a lab: its first process, with which everything in it ends.
    EndLab {
        /// Which.
        process: ProcessIdentity,
    },
    /// Remove a folder we made, if our mark file is still in it.
    RemoveFolder {
        /// Which.
        path: PathBuf,
        /// The content of its mark file.
        mark: String,
    },
    /// Several, in this order.
    All {
        /// The undos.
        steps: Vec<Undo>,
    },
}

/// A qdisc or class as the kernel showed it: enough to make it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CapturedQdisc {
    /// What it is called.
    pub kind: String,
    /// A class, not a qdisc.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_class: bool,
    /// Its handle, both numbers of it.
    pub handle: u32,
    /// What it is below of.
    pub parent: u32,
    /// Its options in hexadecimal digits, as the kernel showed them; none where it showed none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
}

/// A session of ours, or several, on a database server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DatabaseSession {
    /// How to reach the server, without any password.
    pub dsn: String,
    /// The session, or the sessions.
    pub backend: SessionIdentity,
}

/// A session on a `MySQL` or `MariaDB` server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConnectionIdentity {
    /// `connection_id()`.
    pub id: u64,
    /// The user-level lock it holds, whose name is unique for ever: the server itself says which session holds it.
    pub lock: String,
}

/// A session on a database server, or several with one name. Which it is shows in its fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SessionIdentity {
    /// One of PostgreSQL.
    Backend(BackendIdentity),
    /// One of `MySQL` or `MariaDB`.
    Connection(ConnectionIdentity),
    /// All of PostgreSQL with this name, which is unique for ever.
    Application {
        /// `pg_stat_activity.application_name`.
        application: String,
    },
}

/// One run of a PostgreSQL server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServerIdentity {
    /// The identifier of its data, which a replica shares with its primary.
    pub system: String,
    /// When it started, as the server prints it in UTC.
    pub started: String,
}

/// A value in a control group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GroupValue {
    /// The file.
    pub file: String,
    /// What it held before, as the kernel wrote it.
    pub before: String,
    /// What it holds while the fault lasts.
    pub ours: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_told_by_its_fields_and_old_lines_stay_readable() {
        let backend = BackendIdentity { pid: 7, started: "2026-11-21 10:00:00.1".to_owned() };
        let connection = ConnectionIdentity { id: 9, lock: "deadstick/x".to_owned() };
        for (line, expected) in [
            (r#"{"pid":7,"started":"2026-11-21 10:00:00.1"}"#, SessionIdentity::Backend(backend)),
            (r#"{"id":9,"lock":"deadstick/x"}"#, SessionIdentity::Connection(connection)),
            (
                r#"{"application":"deadstick/x"}"#,
                SessionIdentity::Application { application: "deadstick/x".to_owned() },
            ),
        ] {
            assert_eq!(serde_json::from_str::<SessionIdentity>(line).expect("reads"), expected, "{line}");
            assert_eq!(serde_json::to_string(&expected).expect("writes"), line);
        }
    }
}
