//! Taking a fault out again.

use std::sync::Arc;

use deadstick_core::ledger::Entry;

use super::live::Live;
use super::{FaultEvent, FaultStep, Residue, Shared};
use crate::error::FaultError;
use crate::store::LedgerError;
use crate::undo::{Undone, undo_on};

impl Shared {
    /// On a task of its own: it goes on when who asked for it is gone.
    pub(super) async fn retract_apart(
        shared: &Arc<Self>,
        live: Arc<Live>,
        because: &str,
    ) -> Result<Undone, Residue> {
        let (own, because, id) = (Arc::clone(shared), because.to_owned(), live.id.clone());
        let task = tokio::spawn(async move { own.retract(&live, &because).await });
        let lost =
            |_| Residue { id, why: FaultError::Lost.to_string(), manual: "deadstick restore".to_owned() };
        task.await.map_err(lost)?
    }

    /// Interrupts whoever applies it, then takes it out; a second call finds it gone.
    pub(super) async fn retract(&self, live: &Live, because: &str) -> Result<Undone, Residue> {
        live.cancel.cancel();
        let mut state = live.state.lock().await;
        if state.undone {
            return Ok(Undone::AlreadyGone);
        }
        // The effect is taken out whatever becomes of the entry: left in place it would be worse than a gap.
        let begun = self.record(&live.id, Entry::Undoing { because: because.to_owned() }).await;
        self.step(FaultStep::UndoRecorded, &live.id);
        let held = match state.effect.take() {
            Some(effect) => effect.release().await,
            None => false,
        };
        let outcome = undo_on(&self.kernel, &live.intent, &live.secrets).await;
        self.step(FaultStep::Retracted, &live.id);
        let residue = |why: String, manual: String| Residue { id: live.id.clone(), why, manual };
        let result = match outcome {
            Ok(undone) => match begun.and(self.record(&live.id, Entry::Undone).await) {
                // The guardian was first, or both came at once: it is out either way.
                Ok(()) | Err(FaultError::Ledger(LedgerError::AlreadyUndone)) => {
                    Ok(if held { Undone::Done } else { undone })
                }
                Err(error) => Err(residue(format!("it is out, but {error}"), "deadstick restore".to_owned())),
            },
            Err(failure) => {
                let entry = Entry::Residue { why: failure.why.clone(), manual: failure.manual.clone() };
                let unrecorded = self
                    .record(&live.id, entry)
                    .await
                    .err()
                    .map_or(String::new(), |error| format!("; {error}"));
                Err(residue(failure.why + &unrecorded, failure.manual))
            }
        };
        match &result {
            Ok(_) => {
                state.undone = true;
                self.forget(live);
                if let Some(guard) = self.guard() {
                    // A guardian that cannot be told has ended, which its own follower reports.
                    drop(guard.disarm(&live.id).await);
                }
                self.step(FaultStep::Undone, &live.id);
                self.tell(live, FaultEvent::Undone { id: live.id.clone(), because: because.to_owned() });
            }
            Err(residue) => self.tell(live, FaultEvent::Residue(residue.clone())),
        }
        result
    }
}
