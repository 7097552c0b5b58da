//! The ledger's data: what must be undone, and how far each fault has come.
//!
//! Owns the undo as plain data, the entries, and the one transition function: a fault's state is derived from its
//! entries alone, and a pair that is not listed is refused. Leaves durability to the timeline crate and carrying out an
//! undo to the faults crate. A fault that may have been applied counts as applied (design law 4).

mod kind;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::fault::{Fault, RedisCommands};
use crate::identity::{BackendIdentity, GroupIdentity, NetworkIdentity, ProcessIdentity};
use crate::units::HumanDuration;

pub use kind::{UndoKind, any_undo};

/// The name of one fault on this host: unique for ever.
pub type FaultId = String;

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

/// How long a fault may live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lease {
    /// How long was asked for.
    pub length: HumanDuration,
    /// When it ends, by the wall clock, for people.
    pub ends: Timestamp,
    /// When it ends, in milliseconds since boot (`CLOCK_BOOTTIME`): what is acted on, whatever the wall clock does.
    pub ends_boottime_ms: u64,
}

impl Lease {
    /// When it began, by the wall clock.
    #[must_use]
    pub fn begins(&self) -> Timestamp {
        let length = chrono::TimeDelta::from_std(self.length.0).ok();
        length.and_then(|length| self.ends.checked_sub_signed(length)).unwrap_or(self.ends)
    }
}

/// What is about to be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Intent {
    /// The fault; none for what is not a fault but must be undone likewise (a lab, its folder).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Whom it is for, in words.
    pub target: String,
    /// How it is taken back out.
    pub undo: Undo,
    /// How long it may live.
    pub lease: Lease,
    /// Who applies it: while this process lives, the undo is its business.
    pub owner: ProcessIdentity,
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Entry {
    /// About to be applied: durable before the first effect (design law 1).
    Applying(Box<Intent>),
    /// In place, as far as the applier knows.
    Applied,
    /// Its effect was seen.
    Proved {
        /// What was seen.
        evidence: String,
    },
    /// Its effect was looked for and not seen.
    NotProved {
        /// What was seen instead.
        evidence: String,
    },
    /// The undo has begun.
    Undoing {
        /// Why: asked, lease over, owner gone, abort, recovery.
        because: String,
    },
    /// It is out, and that was checked.
    Undone,
    /// It could not be taken out.
    Residue {
        /// What went wrong.
        why: String,
        /// The exact command a person can run.
        manual: String,
    },
}

/// How far a fault has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultState {
    /// Perhaps in place.
    Applying,
    /// In place.
    Applied,
    /// In place, with its effect seen.
    Proved,
    /// In place, with its effect not seen.
    NotProved,
    /// On its way out.
    Undoing,
    /// Out.
    Undone,
    /// Stuck: needs a person.
    Residue,
}

impl FaultState {
    /// Whether something may still have to be undone.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Undone)
    }

    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::Proved => "proved",
            Self::NotProved => "not proved",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
            Self::Residue => "residue",
        }
    }
}

/// An entry that cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` cannot follow `{}`", state.map_or("nothing", FaultState::word))]
pub struct OutOfOrder {
    /// Where the fault was.
    pub state: Option<FaultState>,
    /// What came.
    pub entry: &'static str,
}

impl Entry {
    /// The entry's word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Applying(_) => "applying",
            Self::Applied => "applied",
            Self::Proved { .. } => "proved",
            Self::NotProved { .. } => "not-proved",
            Self::Undoing { .. } => "undoing",
            Self::Undone => "undone",
            Self::Residue { .. } => "residue",
        }
    }
}

/// Where a fault is after one more entry. What is not listed is refused, so a damaged ledger is seen, not interpreted.
///
/// # Errors
/// The pair that is not allowed.
pub fn next(state: Option<FaultState>, entry: &Entry) -> Result<FaultState, OutOfOrder> {
    use FaultState as S;
    match (state, entry) {
        (None, Entry::Applying(_)) => Ok(S::Applying),
        (Some(S::Applying), Entry::Applied) => Ok(S::Applied),
        (Some(S::Applied), Entry::Proved { .. }) => Ok(S::Proved),
        (Some(S::Applied), Entry::NotProved { .. }) => Ok(S::NotProved),
        // An undo may be begun again: by the guardian after the owner died in the middle, or by a person after residue.
        (Some(state), Entry::Undoing { .. }) if state.is_open() => Ok(S::Undoing),
        (Some(S::Undoing), Entry::Undone) => Ok(S::Undone),
        (Some(S::Undoing), Entry::Residue { .. }) => Ok(S::Residue),
        (state, entry) => Err(OutOfOrder { state, entry: entry.word() }),
    }
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
