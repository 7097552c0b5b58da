//! The seam to the undo ledger.
//!
//! Owns the trait and its errors. Leaves the file, its format and its durability to the timeline crate, and joining the
//! two to the runner, since this crate and that one never depend on each other.

use deadstick_core::ledger::{Entry, FaultId};

/// Where entries are made durable.
pub trait LedgerStore: Send + Sync {
    /// Writes one entry; it is durable when this returns. Called on threads that may block.
    ///
    /// # Errors
    /// [`LedgerError`]; then nothing may be injected (design law 1).
    fn record(&self, id: &FaultId, entry: &Entry) -> Result<(), LedgerError>;
}

/// An entry was not written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The fault is closed already: owner and guardian may both come to undo it, and the other one was first.
    #[error("the ledger has the fault as undone already")]
    AlreadyUndone,
    /// It could not be made durable.
    #[error("the ledger could not be written: {0}")]
    NotDurable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
