//! One fault that is, or may be, in place.

use deadstick_core::ledger::{FaultId, Intent};
use tokio::sync::{Mutex, watch};

use crate::holder::link::Holder;
use crate::kernel::{Conversation, Table};
use crate::undo::Secrets;

/// What keeps a fault in place while this process lives.
pub(crate) enum Hold {
    Table(Box<dyn Table>),
    /// Kept only to be closed after the table is gone, so that its end reaches the witness.
    Conversation(Box<dyn Conversation>),
    Relay(Box<dyn Send>),
    Holder(Box<Holder>),
}

/// What an undo needs to know.
pub(crate) struct State {
    pub(crate) holds: Vec<Hold>,
    pub(crate) undone: bool,
}

/// One fault, or one thing that is registered to be undone.
pub(crate) struct Live {
    pub(crate) id: FaultId,
    pub(crate) intent: Intent,
    pub(crate) secrets: Secrets,
    /// Held by whoever applies or undoes it.
    pub(crate) state: Mutex<State>,
    cancel: watch::Sender<bool>,
}

impl Live {
    pub(crate) fn new(id: FaultId, intent: Intent, secrets: Secrets) -> Self {
        let state = Mutex::new(State { holds: Vec::new(), undone: false });
        Self { id, intent, secrets, state, cancel: watch::Sender::new(false) }
    }

    pub(crate) fn is_fault(&self) -> bool {
        self.intent.fault.is_some()
    }

    /// Makes whoever applies it stop at the next safe place.
    pub(crate) fn cancel(&self) {
        self.cancel.send_replace(true);
    }

    /// Runs something that may be given up half way. None when it was.
    pub(crate) async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut cancelled = self.cancel.subscribe();
        tokio::select! {
            biased;
            _ = cancelled.wait_for(|cancelled| *cancelled) => None,
            result = work => Some(result),
        }
    }
}
