//! What can go wrong with a log.

use std::io;
use std::path::{Path, PathBuf};

use super::Damage;

/// What can go wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk said no. What was to be appended is not acknowledged.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is a log already where one should be created.
    #[error("{} holds a log already", .0.display())]
    Exists(PathBuf),
    /// There is no log where one should be opened.
    #[error("{} holds no log", .0.display())]
    NotALog(PathBuf),
    /// Another process appends as this writer.
    #[error("another process appends as writer `{0}`")]
    Busy(String),
    /// Our own chain is damaged before its end, so nothing may be appended to it; open the log as a new writer.
    #[error("{0}; the chain is not continued: open the log as a new writer, and `verify` it")]
    Damaged(Damage),
    /// Written by a newer version.
    #[error("{} has format {format}, written by a newer version of deadstick", file.display())]
    NewerFormat {
        /// Which file.
        file: PathBuf,
        /// Its format.
        format: String,
    },
    /// An earlier append failed in a way that leaves open what is on the disk; open the log as a new writer.
    #[error("an earlier failure leaves open what {} holds: open the log as a new writer", .0.display())]
    Poisoned(PathBuf),
    /// The thread that appends has ended.
    #[error("the log was closed")]
    Closed,
    /// A time outside the years 0 to 9999 has no place in RFC 3339.
    #[error("the time {0} cannot be written")]
    Time(deadstick_core::Timestamp),
    /// A payload that JSON cannot hold.
    #[error("an event cannot be written: {0}")]
    Encode(#[from] serde_json::Error),
    /// No record has this id.
    #[error("no record has the id `{0}`")]
    NoRecord(String),
    /// The record has no payload that could be taken away.
    #[error("the record `{0}` has no payload, or lost it already")]
    NoPayload(String),
}

/// For `map_err`: an I/O error with what was tried on what.
pub(crate) fn at(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> LogError {
    let path = path.to_owned();
    move |source| LogError::Io { what, path, source }
}
