//! Everything that can happen, as it stands on the timeline.
//!
//! Owns the event with its two times, who did it, and the record around it; what happened is a [`Body`]. Leaves framing,
//! hashing and durability to the timeline crate. Events are facts: a correction is a new event (design law 7).

mod body;
mod describe;
mod fault_words;
mod item;
mod staged;
mod subject;
mod terms;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

pub use body::Body;
pub use describe::{describe, describe_with};
pub use fault_words::fault_words;
pub use item::{ItemId, ItemIdError};
pub use staged::{hold_back, writer_of_open_drill};
pub use terms::{AlertLevel, IncidentSeverity, Phase, SliceKind, Verdict};

/// Who did something: a person's name, or [`Actor::tool`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Actor(String);

impl Actor {
    /// A person by name; printable, trimmed, at most 64 characters.
    #[must_use]
    pub fn person(name: &str) -> Self {
        Self(crate::text::printable(name).trim().chars().take(64).collect())
    }

    /// deadstick itself.
    #[must_use]
    pub fn tool() -> Self {
        Self("deadstick".to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened.
    pub occurred: Timestamp,
    /// When it was recorded: never before it happened, later when somebody back-dated it.
    pub recorded: Timestamp,
    /// Who did it or saw it.
    pub by: Actor,
    /// What.
    pub body: Body,
}

impl Event {
    /// Something that happens as it is recorded.
    #[must_use]
    pub const fn now(now: Timestamp, by: Actor, body: Body) -> Self {
        Self { occurred: now, recorded: now, by, body }
    }

    /// Something that happened earlier than it is recorded.
    #[must_use]
    pub fn at(occurred: Timestamp, recorded: Timestamp, by: Actor, body: Body) -> Self {
        Self { occurred: occurred.min(recorded), recorded, by, body }
    }

    /// How much later it was recorded.
    #[must_use]
    pub fn back_dated_by(&self) -> chrono::TimeDelta {
        self.recorded - self.occurred
    }
}

/// Who writes: one chain of the log. A process that appends has one of its own.
pub type WriterId = String;

/// An event's place on the timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Unique for ever (UUID version 7).
    pub id: String,
    /// Which chain it stands in.
    pub writer: WriterId,
    /// Its position in that chain, from 1.
    pub seq: u64,
    /// Its position among all chains.
    pub hlc: Hlc,
    /// What happened.
    pub event: Event,
}

/// A hybrid logical clock stamp: wall clock where it can be trusted, a counter where it cannot. Orders events of several
/// writers so that an effect never stands before its cause (Kulkarni et al., 2014).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hlc {
    /// Milliseconds since 1970, the largest seen.
    pub ms: u64,
    /// Counts events within one millisecond.
    pub count: u32,
}

impl Hlc {
    /// The stamp after this one and after everything seen, at a wall-clock time.
    #[must_use]
    pub fn next(self, wall_ms: u64) -> Self {
        if wall_ms > self.ms {
            Self { ms: wall_ms, count: 0 }
        } else {
            match self.count.checked_add(1) {
                Some(count) => Self { ms: self.ms, count },
                None => Self { ms: self.ms + 1, count: 0 },
            }
        }
    }
}

impl Record {
    /// The order of records from any number of writers: the same whichever way round logs are merged.
    #[must_use]
    pub fn order(&self) -> (Hlc, &str, u64) {
        (self.hlc, &self.writer, self.seq)
    }
}
