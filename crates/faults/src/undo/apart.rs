//! An undo on a thread of its own: a call of the kernel that does not come back holds up nobody else.

use std::sync::Arc;
use std::time::Duration;

use deadstick_core::ledger::Intent;
use deadstick_core::units::HumanDuration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Secrets, UndoFailure, Undone, undo_on};
use crate::error::FaultError;
use crate::kernel::Kernel;

/// What a person can do about a call that does not come back: nothing that deadstick could not.
pub(crate) const ONCE_IT_ANSWERS: &str = "deadstick restore # once the device or server behind it answers";

/// The undo of one thing; it may be asked for again.
#[derive(Debug, Default)]
pub(crate) struct Apart(Option<JoinHandle<Result<Undone, UndoFailure>>>);

impl Apart {
    /// Undoes it, and waits for that no longer than this. One that is still under way is waited for first: it began before
    /// whatever the caller knows now.
    pub(crate) async fn undo(
        &mut self,
        kernel: &Arc<dyn Kernel>,
        intent: &Intent,
        secrets: &Secrets,
        patience: Duration,
    ) -> Result<Undone, UndoFailure> {
        if self.0.is_some() {
            // How it ended is seen by the one that follows.
            drop(self.end(patience).await.ok_or_else(|| stuck(patience))?);
        }
        let (kernel, intent, secrets) = (Arc::clone(kernel), intent.clone(), secrets.clone());
        let runtime = Handle::current();
        self.0 =
            Some(tokio::task::spawn_blocking(move || runtime.block_on(undo_on(&kernel, &intent, &secrets))));
        self.end(patience).await.unwrap_or_else(|| Err(stuck(patience)))
    }

    /// How the one under way ends; none when it does not.
    async fn end(&mut self, patience: Duration) -> Option<Result<Undone, UndoFailure>> {
        let ended = timeout(patience, self.0.as_mut()?).await.ok()?;
        self.0 = None;
        Some(ended.unwrap_or_else(|_| Err(failed(FaultError::Lost.to_string()))))
    }

    /// Whether a call has not come back yet.
    pub(crate) fn hangs(&self) -> bool {
        self.0.as_ref().is_some_and(|task| !task.is_finished())
    }
}

fn stuck(patience: Duration) -> UndoFailure {
    let waited = HumanDuration(patience);
    failed(format!("a call of the kernel that undoes it has not come back for {waited}"))
}

fn failed(why: String) -> UndoFailure {
    UndoFailure { why, manual: ONCE_IT_ANSWERS.to_owned() }
}
