//! The timeline as others want it: Markdown for the postmortem, CSV for spreadsheets and Timesketch, JSON Lines for
//! programs and for merging.
//!
//! Owns the formats and their quoting. The sentences are `deadstick_core::event::describe`'s. Markdown and CSV are for
//! reading; only JSON Lines can be read back without loss.

mod csv;
mod jsonl;
mod markdown;

use std::io;

pub use self::csv::{CsvMode, csv};
pub use jsonl::{import, jsonl};
pub use markdown::{Detail, markdown};

use crate::log::{Damage, LogError};

/// Why an export or import stopped.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The place it should go to does not take it, or the place it comes from ends.
    #[error("cannot pass on the timeline: {0}")]
    Io(#[from] io::Error),
    /// The CSV writer failed.
    #[error("cannot write CSV: {0}")]
    Csv(#[from] ::csv::Error),
    /// A payload that JSON cannot hold.
    #[error("cannot write an event: {0}")]
    Encode(#[from] serde_json::Error),
    /// What should be imported is no export of a log.
    #[error("line {line}: {what}")]
    NotALog {
        /// Which line, from 1.
        line: usize,
        /// Why.
        what: crate::Broken,
    },
    /// The log that was read is not sound.
    #[error("the imported log is not sound: {0}")]
    Unsound(Damage),
}
