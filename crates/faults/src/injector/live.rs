//! One fault that is, or may be, in place.

use deadstick_core::ledger::{FaultId, Intent};
use tokio::sync::Mutex;

use crate::means::{Cancel, Effect};
use crate::undo::Secrets;

/// What an undo needs to know.
pub(crate) struct State {
    /// None once it was let go of, and for what is no fault.
    pub(crate) effect: Option<Box<dyn Effect>>,
    pub(crate) undone: bool,
}

/// One fault, or one thing that is registered to be undone.
pub(crate) struct Live {
    pub(crate) id: FaultId,
    pub(crate) intent: Intent,
    pub(crate) secrets: Secrets,
    /// Held by whoever applies or undoes it.
    pub(crate) state: Mutex<State>,
    pub(crate) cancel: Cancel,
}

impl Live {
    pub(crate) fn new(
        id: FaultId,
        intent: Intent,
        secrets: Secrets,
        effect: Option<Box<dyn Effect>>,
        cancel: Cancel,
    ) -> Self {
        Self { id, intent, secrets, state: Mutex::new(State { effect, undone: false }), cancel }
    }

    pub(crate) fn is_fault(&self) -> bool {
        self.intent.fault.is_some()
    }
}
