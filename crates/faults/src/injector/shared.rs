//! What every step of a fault's life needs: the ledger, the list of the living, the lease.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use deadstick_core::ledger::{Entry, FaultId, Lease};
use deadstick_core::units::HumanDuration;

use super::guard::Guard;
use super::live::Live;
use super::{FaultEvent, FaultStep, Residue, Shared};
use crate::error::FaultError;
use crate::process;
use crate::sequence::{self, Item};

impl Shared {
    pub(super) fn guard(&self) -> Option<Arc<Guard>> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn find(&self, id: &FaultId) -> Option<Arc<Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).iter().find(|live| live.id == *id).cloned()
    }

    pub(super) fn tell(&self, live: &Live, event: FaultEvent) {
        if live.is_fault() || matches!(event, FaultEvent::Residue(_)) {
            (self.settings.observer)(event);
        }
    }

    pub(super) fn step(&self, step: FaultStep, id: &FaultId) {
        if let Some(hook) = &self.settings.steps {
            hook(step, id);
        }
    }

    /// Writes a ledger entry, on a thread that may block.
    pub(super) async fn record(&self, id: &FaultId, entry: Entry) -> Result<(), FaultError> {
        let (store, id) = (Arc::clone(&self.settings.store), id.clone());
        let task = tokio::task::spawn_blocking(move || store.record(&id, &entry));
        Ok(task.await.map_err(|_| FaultError::Lost)??)
    }

    /// Ledger, guardian, lease: in this order, and before any effect. Whoever wants to undo it meanwhile waits.
    pub(super) async fn begin(self: &Arc<Self>, live: &Arc<Live>) -> Result<(), FaultError> {
        let mut state = live.state.lock().await;
        self.live.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(live));
        // Looked at after it is on the list: an undo of everything either finds it there or is seen here.
        let guard = self.guard().filter(|_| !self.closing.is_cancelled()).ok_or(FaultError::Aborted);
        let recorded = match guard {
            Ok(guard) => {
                self.record(&live.id, Entry::Applying(Box::new(live.intent.clone()))).await.map(|()| guard)
            }
            Err(error) => Err(error),
        };
        let guard = match recorded {
            Ok(guard) => guard,
            Err(error) => {
                state.undone = true;
                self.forget(live);
                return Err(error);
            }
        };
        self.step(FaultStep::Recorded, &live.id);
        let armed = guard.arm(&live.id, &live.intent, live.secrets.password.clone());
        let armed = live.cancel.unless(armed).await.unwrap_or(Err(FaultError::Aborted));
        drop(state);
        self.step(FaultStep::Armed, &live.id);
        if let Err(error) = armed {
            // Nothing was touched; the ledger learns that nothing is left. Residue is told to the observer.
            drop(Box::pin(self.retract(live, "the guardian did not take it")).await);
            return Err(error);
        }
        self.watch_lease(live);
        Ok(())
    }

    /// Whether a call of any of them has not come back.
    pub(super) async fn hangs(&self) -> bool {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for one in live {
            if one.state.lock().await.hangs() {
                return true;
            }
        }
        false
    }

    pub(super) fn forget(&self, live: &Live) {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| other.id != live.id);
    }

    /// Ends a fault when its lease is over, unless it has ended.
    fn watch_lease(self: &Arc<Self>, live: &Arc<Live>) {
        let (shared, live) = (Arc::downgrade(self), Arc::downgrade(live));
        tokio::spawn(async move {
            loop {
                let Some(one) = live.upgrade() else { return };
                let left = one.intent.lease.ends_boottime_ms.saturating_sub(process::boottime_ms());
                if left == 0 {
                    if let Some(shared) = shared.upgrade() {
                        // Residue is told to the observer, and the guardian tries again.
                        drop(Self::retract_apart(&shared, one, "its lease is over").await);
                    }
                    return;
                }
                drop(one);
                // In short pieces: the timer does not count the time the machine sleeps.
                tokio::time::sleep(Duration::from_millis(left.min(1_000))).await;
            }
        });
    }

    pub(super) async fn undo_some(self: &Arc<Self>, because: &str, faults_only: bool) -> Vec<Residue> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let items = live.into_iter().filter(|live| live.is_fault() || !faults_only).map(|live| {
            // Interrupted at once, whenever its turn comes.
            live.cancel.cancel();
            Item { chain: live.intent.target.clone(), is_fault: live.is_fault(), value: live }
        });
        let results = sequence::run(items.collect(), |live| Self::retract_apart(self, live, because)).await;
        results.into_iter().filter_map(Result::err).collect()
    }
}

/// Unique for ever, and in the order of time.
pub(super) fn new_id() -> FaultId {
    uuid::Uuid::now_v7().to_string()
}

/// A lease of this length that begins now.
pub(crate) fn lease_from_now(length: HumanDuration) -> Result<Lease, FaultError> {
    let endless =
        || FaultError::refused(format!("a lease of {length}"), "give it a length of time that ends");
    let ends = chrono::TimeDelta::from_std(length.0)
        .ok()
        .and_then(|length| chrono::Utc::now().checked_add_signed(length))
        .ok_or_else(endless)?;
    let length_ms = u64::try_from(length.0.as_millis()).map_err(|_| endless())?;
    Ok(Lease { length, ends, ends_boottime_ms: process::boottime_ms().saturating_add(length_ms) })
}
