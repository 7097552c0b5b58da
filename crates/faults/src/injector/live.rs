//! One fault that is, or may be, in place.

use deadstick_core::ledger::{FaultId, Intent};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::error::FaultError;
use crate::means::{Cancel, Effect};
use crate::undo::{Apart, Secrets};

/// An effect on its way in, on a task of its own; it comes back with what came of it.
pub(crate) type Applying = JoinHandle<(Box<dyn Effect>, Result<(), FaultError>)>;

/// What an undo needs to know.
pub(crate) struct State {
    /// None while it is being applied, once it was let go of, and for what is no fault.
    pub(crate) effect: Option<Box<dyn Effect>>,
    /// It was given up while a call that applies it did not come back.
    pub(crate) applying: Option<Applying>,
    pub(crate) undoing: Apart,
    /// Somebody waits for the calls that have not come back.
    pub(crate) is_awaited: bool,
    pub(crate) undone: bool,
}

impl State {
    /// Whether a call has not come back yet, so that nobody can say that nothing is left.
    pub(crate) fn hangs(&self) -> bool {
        self.undoing.hangs() || self.applying.as_ref().is_some_and(|applying| !applying.is_finished())
    }
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
        let state =
            State { effect, applying: None, undoing: Apart::default(), is_awaited: false, undone: false };
        Self { id, intent, secrets, state: Mutex::new(state), cancel }
    }

    pub(crate) fn is_fault(&self) -> bool {
        self.intent.fault.is_some()
    }
}
