//! The joint between the faults crate, which writes down what must be undone, and the timeline crate, which keeps it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use deadstick_core::ledger::{Entry, FaultId, FaultState};
use deadstick_faults::{LedgerError as StoreError, LedgerStore};
use deadstick_timeline::{Ledger, LedgerError};

/// One run's ledger, for the injector, the guardian or a recovery.
#[derive(Clone)]
pub struct SharedLedger(Arc<Ledger>);

impl SharedLedger {
    /// A ledger that was created, joined or claimed.
    #[must_use]
    pub fn new(ledger: Ledger) -> Self {
        Self(Arc::new(ledger))
    }

    /// Joins the ledger of a run as its guardian.
    ///
    /// # Errors
    /// It is being recovered, damaged or gone.
    pub fn join(path: &Path) -> Result<Self, LedgerError> {
        Ledger::join(path).map(Self::new)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    /// As the faults crate sees it.
    #[must_use]
    pub fn store(&self) -> Arc<dyn LedgerStore> {
        Arc::new(self.clone())
    }

    /// Puts the file away when every fault is out; with residue it stays, and blocks the next run.
    ///
    /// # Errors
    /// The disk says no.
    pub fn retire(&self) -> Result<(), LedgerError> {
        match self.0.retire() {
            Err(LedgerError::StillOpen { .. }) => Ok(()),
            other => other,
        }
    }
}

impl LedgerStore for SharedLedger {
    fn record(&self, id: &FaultId, entry: &Entry) -> Result<(), StoreError> {
        match self.0.record(id, entry, crate::session::now()) {
            Ok(_) => Ok(()),
            // Owner and guardian may both come to undo a fault; who comes second finds it closed.
            Err(LedgerError::OutOfOrder { source, .. }) if source.state == Some(FaultState::Undone) => {
                Err(StoreError::AlreadyUndone)
            }
            Err(error) => Err(StoreError::NotDurable(Box::new(error))),
        }
    }
}
