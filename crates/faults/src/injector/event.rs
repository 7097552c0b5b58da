//! What an injector tells: steps, proofs, residue.

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::ledger::FaultId;
use deadstick_core::units::HumanDuration;

/// What happened to a fault. Of things that were only registered, nothing but residue is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultEvent {
    /// About to be applied; the ledger has it.
    Applying {
        /// Its name.
        id: FaultId,
        /// What it is.
        fault: Box<Fault>,
        /// Whom it is for.
        target: Box<ResolvedTarget>,
        /// How long it may live.
        lease: HumanDuration,
    },
    /// In place.
    Applied {
        /// Its name.
        id: FaultId,
    },
    /// Its effect was looked for.
    Examined {
        /// Its name.
        id: FaultId,
        /// What came of it.
        proof: Proof,
    },
    /// It is out.
    Undone {
        /// Its name.
        id: FaultId,
        /// Why it was taken out.
        because: String,
    },
    /// It could not be taken out.
    Residue(Residue),
    /// The guardian has ended: nothing undoes the faults when this process dies.
    GuardianLost,
}

/// The steps of a fault's life; each is told when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultStep {
    /// Everything is prepared (a holder process runs), nothing is disturbed.
    Prepared,
    /// The ledger has it.
    Recorded,
    /// The guardian has it.
    Armed,
    /// The effect is there.
    Effected,
    /// The ledger says so.
    EffectRecorded,
    /// The effect was looked for, and the ledger has the result.
    Examined,
    /// The ledger says that the undo has begun.
    UndoRecorded,
    /// The effect is gone.
    Retracted,
    /// The ledger says so.
    Undone,
}

impl FaultStep {
    /// Every step in order.
    pub const ALL: [Self; 9] = [
        Self::Prepared,
        Self::Recorded,
        Self::Armed,
        Self::Effected,
        Self::EffectRecorded,
        Self::Examined,
        Self::UndoRecorded,
        Self::Retracted,
        Self::Undone,
    ];
}

/// Whether a fault landed (design law 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Whether its effect was seen.
    pub landed: bool,
    /// What was seen.
    pub evidence: String,
}

/// A fault in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    /// Its name.
    pub id: FaultId,
    /// Whether it landed.
    pub proof: Proof,
}

/// What could not be undone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{id} could not be undone: {why}; by hand: {manual}")]
pub struct Residue {
    /// The fault's name.
    pub id: FaultId,
    /// What went wrong.
    pub why: String,
    /// The exact command a person can run.
    pub manual: String,
}
