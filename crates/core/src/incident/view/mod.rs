//! Rows that people look at: the same for the screen, the plain mode and the command line.
//!
//! Owns the plain row types; every text in them is printable, every state has a word and an ASCII marker, so nothing
//! depends on colour. Leaves layout and colour to whoever draws, and filling the rows to the engine beside it.

mod situation;

use chrono::TimeDelta;
use serde::Serialize;

use crate::Timestamp;
use crate::checklist::{Method, Part};
use crate::event::{AlertLevel, ItemId};
use crate::units::Name;

pub use situation::{AlertRow, FaultRow, FaultStage, IncidentBar, NoteRow, OfferRow, SteadyRow};

/// How an item stands, in the order in which one state hides another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Marker {
    /// Its branch does not apply.
    Inactive,
    /// A person went past it, with a reason.
    Overridden,
    /// Left for later.
    Deferred,
    /// Its probe completed it: satisfied, or the answer of a decision.
    Sensed,
    /// Its probe said satisfied and says so no longer.
    Regressed,
    /// Its probe does not answer.
    Unknown,
    /// A person did it, a decision was answered, or a wait is over.
    Done,
    /// A wait is running.
    Waiting,
    /// Still to be done.
    Open,
}

impl Marker {
    /// Three ASCII characters, different for each state.
    #[must_use]
    pub const fn glyph(self) -> &'static str {
        match self {
            Self::Inactive => " - ",
            Self::Overridden => "[o]",
            Self::Deferred => "[>]",
            Self::Sensed => "[=]",
            Self::Regressed => "(!)",
            Self::Unknown => "(~)",
            Self::Done => "[x]",
            Self::Waiting => "[t]",
            Self::Open => "[ ]",
        }
    }

    /// The word beside the glyph.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Overridden => "overridden",
            Self::Deferred => "deferred",
            Self::Sensed => "sensed",
            Self::Regressed => "regressed",
            Self::Unknown => "unknown",
            Self::Done => "done",
            Self::Waiting => "waiting",
            Self::Open => "open",
        }
    }

    /// Whether the item asks for nothing more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Inactive | Self::Overridden | Self::Sensed | Self::Done)
    }
}

/// How a checklist stands in this incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChecklistState {
    /// Kept out of the queue by another checklist.
    Inhibited,
    /// Waiting to be opened.
    Queued,
    /// Worked on.
    Open,
    /// Put aside until a time.
    Held,
    /// Done but for its deferred items.
    CompleteExceptDeferred,
    /// Done.
    Complete,
    /// Declared not to apply.
    Overridden,
    /// Unfinished when the incident was closed.
    Abandoned,
}

impl ChecklistState {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inhibited => "inhibited",
            Self::Queued => "queued",
            Self::Open => "open",
            Self::Held => "held",
            Self::CompleteExceptDeferred => "complete except deferred items",
            Self::Complete => "complete",
            Self::Overridden => "overridden",
            Self::Abandoned => "abandoned",
        }
    }
}

/// One entry of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct QueueRow {
    /// The checklist to open; none when the alert has none.
    pub checklist: Option<Name>,
    /// The checklist's title, or the alert's.
    pub title: String,
    /// How loud.
    pub level: AlertLevel,
    /// How the checklist stands; none for an alert that has none of its own.
    pub state: Option<ChecklistState>,
    /// The alert that called for it.
    pub alert: Option<Name>,
    /// Whether the alert's condition still holds.
    pub alert_active: bool,
    /// Since when it asks for attention.
    pub since: Timestamp,
    /// When a held checklist comes back.
    pub resume_by: Option<Timestamp>,
    /// Items that still ask for something, and all that apply.
    pub left: usize,
    /// See `left`.
    pub total: usize,
    /// What this one keeps out of the queue; still visible, and can be opened.
    pub folded: Vec<QueueRow>,
}

/// A checklist, ready to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChecklistView {
    /// Its name.
    pub checklist: Name,
    /// Its title.
    pub title: String,
    /// How loud.
    pub level: AlertLevel,
    /// How it stands.
    pub state: ChecklistState,
    /// Which run of it, from 1.
    pub run: u32,
    /// When to use it.
    pub condition: Option<String>,
    /// What it achieves.
    pub objective: Option<String>,
    /// When not to use it.
    pub not_when: Option<String>,
    /// How it is worked.
    pub method: Method,
    /// Version, or `unversioned`.
    pub version: String,
    /// SHA-256 of the pinned text, in hexadecimal.
    pub digest: String,
    /// What it keeps out of the queue.
    pub inhibits: Vec<Name>,
    /// Its parts that have items; then, for each other checklist that left items for this one, those.
    pub sections: Vec<Section>,
    /// What to say at the end.
    pub complete: Option<String>,
    /// The alert that called for it.
    pub alert: Option<Name>,
    /// Why there are no items, when the pinned text cannot be read.
    pub unreadable: Option<String>,
}

/// A part of a checklist with its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Section {
    /// Which part.
    pub part: Part,
    /// Its heading; names the checklist that items left for this one came from.
    pub heading: String,
    /// Its items, in reading order.
    pub rows: Vec<ItemRow>,
}

/// One item, ready to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ItemRow {
    /// Which.
    pub id: ItemId,
    /// How many decisions it is under.
    pub depth: usize,
    /// How it stands.
    pub marker: Marker,
    /// What to do, ask or see.
    pub text: String,
    /// The state it must end in.
    pub response: Option<String>,
    /// The kind's word: `do`, `sensed`, `decide`, `wait`, `deferred`.
    pub kind: &'static str,
    /// The role that does it.
    pub by: Option<String>,
    /// Who did it.
    pub actor: Option<String>,
    /// The reading, the answer, or what the probe read last.
    pub value: Option<String>,
    /// When it came to stand as it does.
    pub since: Option<Timestamp>,
    /// How old the last sample of its probe is; none before the first.
    pub age: Option<Seconds>,
    /// What a wait still takes.
    pub remaining: Option<Seconds>,
    /// Whether it was recorded later than it happened.
    pub back_dated: bool,
    /// Why it stands as it does: the probe's words, the reason given, what to do while unknown.
    pub detail: Option<String>,
    /// Whether it is the next line to work on.
    pub current: bool,
    /// Why it is on the list, and what completes it.
    pub explains: String,
    /// The answers of a decision.
    pub answers: Vec<String>,
    /// The answer this item stands under, when it is in a branch.
    pub branch: Option<String>,
    /// What must be read off to confirm it.
    pub reading: Option<String>,
    /// The command it offers, placeholders unfilled.
    pub command: Option<Vec<String>>,
    /// Whether a second person is needed to confirm, run or override it.
    pub needs_second: bool,
    /// What its command did last: exit status and the end of its output.
    pub ran: Option<String>,
}

/// A span in whole seconds, as rows show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Seconds(pub i64);

impl From<TimeDelta> for Seconds {
    fn from(delta: TimeDelta) -> Self {
        Self(delta.num_seconds())
    }
}

/// A deferred item that is not disposed of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeferredRow {
    /// Which.
    pub id: ItemId,
    /// What to do.
    pub text: String,
    /// Whose it is.
    pub by: String,
    /// When: a checklist or a moment.
    pub to: Name,
    /// The title of the checklist it comes from.
    pub from: String,
    /// Since when.
    pub since: Option<Timestamp>,
}
