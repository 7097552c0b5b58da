//! The ledger's data: what must be undone, and how far each fault has come.
//!
//! Owns the entries, the undo as plain data (`undo`), and the one transition function (`state`): a fault's state is derived
//! from its entries alone, and a pair that is not listed is refused. Leaves durability to the timeline crate and carrying
//! out an undo to the faults crate. A fault that may have been applied counts as applied (design law 4).

mod kind;
mod state;
mod undo;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::fault::Fault;
use crate::identity::ProcessIdentity;
use crate::units::HumanDuration;

pub use kind::{UndoKind, any_undo};
pub use state::{FaultState, OutOfOrder, next};
pub use undo::{
    CapturedQdisc, ConnectionIdentity, DatabaseSession, GroupValue, ServerIdentity, SessionIdentity, Undo,
};

/// The name of one fault on this host: unique for ever.
pub type FaultId = String;

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
