//! What can go wrong with a ledger.

use std::io;
use std::path::{Path, PathBuf};

use deadstick_core::ledger::{FaultId, OutOfOrder};

/// What can go wrong with a ledger. Whoever gets one of these from [`super::Ledger::record`] injects nothing.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The disk said no. The entry is not durable.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// An earlier write was not made durable, so no new fault is taken on; undoing is still recorded.
    #[error("{} could not be made durable before: no new fault is taken on", .0.display())]
    NotDurable(PathBuf),
    /// The entry cannot follow.
    #[error("fault {fault}: {source}")]
    OutOfOrder {
        /// Of which fault.
        fault: FaultId,
        /// Why.
        source: OutOfOrder,
    },
    /// A line is damaged, so what it says is not known.
    #[error(
        "{0}:{line}: {why}. A fault may be in place that is not known: see what the lines around it name, undo that by \
         hand, then put the file aside: mv {0} {0}.damaged", file.display()
    )]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        why: DamagedLine,
    },
    /// Written by a newer version.
    #[error("{}:{line}: written by a newer version of deadstick (entry version {version}); undo with that version", file.display())]
    Newer {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// Its version.
        version: u32,
    },
    /// Its owner or guardian lives, or another process is recovering it.
    #[error("{} is in use: the process that injected, its guardian or another recovery is alive", .0.display())]
    InUse(PathBuf),
    /// Faults are still to be undone.
    #[error("{} still has {open} to be undone", path.display())]
    StillOpen {
        /// Which file.
        path: PathBuf,
        /// How many.
        open: usize,
    },
    /// A run's name that cannot be a file's name.
    #[error("{0:?} cannot name a run: use letters, digits and hyphens")]
    Name(String),
    /// An entry that JSON cannot hold.
    #[error("an entry cannot be written: {0}")]
    Encode(#[from] serde_json::Error),
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamagedLine {
    /// It does not match its checksum, or has none.
    #[error("the line does not match its checksum")]
    Checksum,
    /// It matches its checksum and does not say what an entry says.
    #[error("the line is not an entry: {0}")]
    Entry(String),
    /// It cannot follow.
    #[error("the entry is out of order: {0}")]
    Order(OutOfOrder),
}

pub(super) fn at(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| LedgerError::Io { what, path, source }
}
