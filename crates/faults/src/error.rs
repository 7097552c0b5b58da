//! Why a fault was not injected.
//!
//! Owns the one error that callers of the injector meet. Errors of single steps live beside their steps.

use deadstick_core::dsn::DsnError;

use crate::injector::Residue;
use crate::kernel::KernelError;
use crate::store::LedgerError;

/// Why a fault was not injected.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// It cannot be done here, or not to this target. Nothing was touched.
    #[error("{what}; {hint}")]
    Refused {
        /// What cannot be done.
        what: String,
        /// What would help.
        hint: String,
    },
    /// The target's database is named in a way that cannot be read. Nothing was touched.
    #[error(transparent)]
    Dsn(#[from] DsnError),
    /// The ledger did not take the entry. Nothing was touched.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The guardian could not be started or does not answer. Nothing was touched.
    #[error("the guardian {0}")]
    Guardian(String),
    /// A process that would hold the fault could not be started. Nothing was touched.
    #[error("the holder process {0}")]
    Holder(String),
    /// Applying failed half way; it was undone, or is residue (design law 4).
    #[error("could not be applied: {why}{}", residue.as_ref().map_or(String::new(), |left| format!("; and not be undone: {}", left.why)))]
    Apply {
        /// What went wrong.
        why: String,
        /// What is left, if anything.
        residue: Option<Residue>,
    },
    /// It was asked to be undone while it was being applied.
    #[error("undone while it was being applied")]
    Aborted,
    /// A task of ours ended without an answer.
    #[error("an inner task ended without an answer")]
    Lost,
}

impl FaultError {
    /// A refusal.
    pub(crate) fn refused(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), hint: hint.into() }
    }
}

impl From<KernelError> for FaultError {
    fn from(error: KernelError) -> Self {
        Self::Apply { why: error.to_string(), residue: None }
    }
}
