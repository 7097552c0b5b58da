//! How far a fault has come, derived from its entries alone.

use serde::{Deserialize, Serialize};

use super::Entry;

/// How far a fault has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultState {
    /// Perhaps in place.
    Applying,
    /// In place.
    Applied,
    /// In place, with its effect seen.
    Proved,
    /// In place, with its effect not seen.
    NotProved,
    /// On its way out.
    Undoing,
    /// Out.
    Undone,
    /// Stuck: needs a person.
    Residue,
}

impl FaultState {
    /// Whether something may still have to be undone.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Undone)
    }

    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::Proved => "proved",
            Self::NotProved => "not proved",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
            Self::Residue => "residue",
        }
    }
}

/// An entry that cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` cannot follow `{}`", state.map_or("nothing", FaultState::word))]
pub struct OutOfOrder {
    /// Where the fault was.
    pub state: Option<FaultState>,
    /// What came.
    pub entry: &'static str,
}

/// Where a fault is after one more entry. What is not listed is refused, so a damaged ledger is seen, not interpreted.
///
/// # Errors
/// The pair that is not allowed.
pub fn next(state: Option<FaultState>, entry: &Entry) -> Result<FaultState, OutOfOrder> {
    use FaultState as S;
    match (state, entry) {
        (None, Entry::Applying(_)) => Ok(S::Applying),
        (Some(S::Applying), Entry::Applied) => Ok(S::Applied),
        (Some(S::Applied), Entry::Proved { .. }) => Ok(S::Proved),
        (Some(S::Applied), Entry::NotProved { .. }) => Ok(S::NotProved),
        // An undo may be begun again: by the guardian after the owner died in the middle, or by a person after residue.
        (Some(state), Entry::Undoing { .. }) if state.is_open() => Ok(S::Undoing),
        (Some(S::Undoing), Entry::Undone) => Ok(S::Undone),
        (Some(S::Undoing), Entry::Residue { .. }) => Ok(S::Residue),
        (state, entry) => Err(OutOfOrder { state, entry: entry.word() }),
    }
}
