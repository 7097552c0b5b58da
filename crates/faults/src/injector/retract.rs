//! Taking a fault out again.

use std::sync::Arc;
use std::time::Duration;

use deadstick_core::ledger::{Entry, FaultId};

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::live::{Live, State};
use super::{FaultEvent, FaultStep, Residue, Shared};
use crate::error::FaultError;
use crate::store::LedgerError;
use crate::undo::{ONCE_IT_ANSWERS, UndoFailure, Undone};

/// How long an undo may take before it counts as stuck: servers that do not answer take their time.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same where the way in is stuck already.
const HANGING: Duration = Duration::from_secs(3);
/// What is left where a call does not come back.
const STUCK: &str = "a call of the kernel has not come back; what it does then is undone then";
/// How often those that are stuck are looked at.
const AGAIN: Duration = Duration::from_millis(100);

impl Shared {
    /// On a task of its own: it goes on when who asked for it is gone.
    pub(super) fn retract_apart(
        shared: &Arc<Self>,
        live: Arc<Live>,
        because: &str,
    ) -> BoxFuture<'static, Result<Undone, Residue>> {
        let (own, because, id) = (Arc::clone(shared), because.to_owned(), live.id.clone());
        let task = tokio::spawn(async move { own.retract(&live, &because).await });
        let lost =
            |_| Residue { id, why: FaultError::Lost.to_string(), manual: "deadstick restore".to_owned() };
        Box::pin(async move { task.await.map_err(lost)? })
    }

    /// Interrupts whoever applies it, then takes it out; a second call finds it gone.
    pub(super) async fn retract(
        self: &Arc<Self>,
        live: &Arc<Live>,
        because: &str,
    ) -> Result<Undone, Residue> {
        live.cancel.cancel();
        let mut state = live.state.lock().await;
        if state.undone {
            return Ok(Undone::AlreadyGone);
        }
        if state.is_awaited && state.hangs() {
            // Told, recorded and waited for already.
            return Err(Residue {
                id: live.id.clone(),
                why: STUCK.to_owned(),
                manual: ONCE_IT_ANSWERS.to_owned(),
            });
        }
        // The effect is taken out whatever becomes of the entry: left in place it would be worse than a gap.
        let begun = self.record(&live.id, Entry::Undoing { because: because.to_owned() }).await;
        self.step(FaultStep::UndoRecorded, &live.id);
        let (held, outcome) = self.take_out(live, &mut state).await;
        self.step(FaultStep::Retracted, &live.id);
        let residue = |why: String, manual: String| Residue { id: live.id.clone(), why, manual };
        let result = match outcome {
            Ok(undone) => match begun.and(self.record_undone(&live.id, because).await) {
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
            Err(residue) => {
                self.tell(live, FaultEvent::Residue(residue.clone()));
                self.await_what_hangs(live, &mut state).await;
            }
        }
        result
    }

    /// Lets go and undoes. Whether there was anything to let go of, and how the undo ended.
    async fn take_out(&self, live: &Live, state: &mut State) -> (bool, Result<Undone, UndoFailure>) {
        let State { effect, applying, undoing, .. } = state;
        let mut held = match effect.take() {
            Some(effect) => effect.release().await,
            None => false,
        };
        let Some(stuck) = applying else {
            return (held, undoing.undo(&self.kernel, &live.intent, &live.secrets, PATIENCE).await);
        };
        // What it has done so far goes now, and what else it does once it has come back.
        let early = undoing.undo(&self.kernel, &live.intent, &live.secrets, HANGING);
        let (early, came_back) = tokio::join!(early, timeout(HANGING, stuck));
        let Ok(came_back) = came_back else {
            let manual = early.err().map_or(ONCE_IT_ANSWERS.to_owned(), |failure| failure.manual);
            return (held, Err(UndoFailure { why: STUCK.to_owned(), manual }));
        };
        *applying = None;
        if let Ok((effect, _)) = came_back {
            held |= effect.release().await;
        }
        (held, undoing.undo(&self.kernel, &live.intent, &live.secrets, PATIENCE).await)
    }

    /// The guardian may have come in between, and given up what is out now.
    async fn record_undone(&self, id: &FaultId, because: &str) -> Result<(), FaultError> {
        match self.record(id, Entry::Undone).await {
            Err(FaultError::Ledger(LedgerError::NotDurable(_))) => {
                self.record(id, Entry::Undoing { because: because.to_owned() }).await?;
                self.record(id, Entry::Undone).await
            }
            other => other,
        }
    }

    pub(super) async fn tell_that_it_hangs(&self, live: &Live) {
        if let Some(guard) = self.guard() {
            // A guardian that cannot be told has ended, which its own follower reports.
            drop(guard.hangs(&live.id).await);
        }
    }

    /// Takes it out once more when the calls that have not come back do. Until then guardian and ledger keep it.
    async fn await_what_hangs(self: &Arc<Self>, live: &Arc<Live>, state: &mut State) {
        if !state.hangs() || std::mem::replace(&mut state.is_awaited, true) {
            return;
        }
        self.tell_that_it_hangs(live).await;
        let (shared, live) = (Arc::downgrade(self), Arc::clone(live));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(AGAIN).await;
                let mut state = live.state.lock().await;
                if state.undone {
                    return;
                }
                if !state.hangs() {
                    state.is_awaited = false;
                    break;
                }
            }
            if let Some(shared) = shared.upgrade() {
                // Residue is told to the observer.
                drop(Self::retract_apart(&shared, live, "a call that had been stuck came back").await);
            }
        });
    }
}
