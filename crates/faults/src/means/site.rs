//! What the means of one fault work with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::FaultId;
use tokio::sync::watch;

use crate::error::FaultError;
use crate::holder::link::Holder;
use crate::holder::{Order, What};
use crate::kernel::{Kernel, KernelError};
use crate::load::LoadFactory;
use crate::process;
use crate::relay::RelayFactory;
use crate::undo::TABLE_PREFIX;

/// Makes whoever applies a fault stop at the next safe place. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancel(Arc<watch::Sender<bool>>);

impl Cancel {
    pub(crate) fn cancel(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends so long after it was cancelled.
    pub(crate) async fn outlasted(&self, patience: Duration) {
        // What holds the other end is this value itself, so there is nothing but the wait to end it.
        drop(self.0.subscribe().wait_for(|cancelled| *cancelled).await);
        tokio::time::sleep(patience).await;
    }

    /// Runs something that may be given up half way. None when it was.
    pub(crate) async fn unless<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut cancelled = self.0.subscribe();
        tokio::select! {
            biased;
            _ = cancelled.wait_for(|cancelled| *cancelled) => None,
            result = work => Some(result),
        }
    }
}

/// One fault's surroundings.
pub(crate) struct Site {
    pub(crate) id: FaultId,
    pub(crate) ends_boottime_ms: u64,
    pub(crate) kernel: Arc<dyn Kernel>,
    /// The deadstick program, which is a holder, too.
    pub(crate) program: PathBuf,
    /// The ledger file, which no fault may hold up.
    pub(crate) ledger: PathBuf,
    pub(crate) relay: Option<Arc<dyn RelayFactory>>,
    pub(crate) load: Option<Arc<dyn LoadFactory>>,
    /// The owner and its guardian, which no fault may hit.
    pub(crate) ours: Vec<ProcessIdentity>,
    pub(crate) cancel: Cancel,
}

impl Site {
    /// Asks the kernel, on a thread that may block.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Kernel) -> Result<T, KernelError> + Send + 'static,
    ) -> Result<T, FaultError> {
        let kernel = Arc::clone(&self.kernel);
        let task = tokio::task::spawn_blocking(move || call(kernel.as_ref()));
        Ok(task.await.map_err(|_| FaultError::Lost)??)
    }

    /// Runs something that may be given up half way.
    pub(crate) async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, FaultError> {
        self.cancel.unless(work).await.ok_or(FaultError::Aborted)
    }

    /// Starts a process that will hold something.
    pub(crate) async fn holder(&self, what: What) -> Result<Holder, FaultError> {
        let order = Order { what, application: self.application(), ends_boottime_ms: self.ends_boottime_ms };
        Holder::start(&self.program, &order).await
    }

    /// What sessions of ours are called on a server: unique for ever.
    pub(crate) fn application(&self) -> String {
        format!("deadstick/{}", self.id)
    }

    /// What is left of the lease.
    pub(crate) fn left(&self) -> Duration {
        Duration::from_millis(self.ends_boottime_ms.saturating_sub(process::boottime_ms()).max(1))
    }

    /// The name of the fault's nftables table.
    pub(crate) fn table_name(&self) -> String {
        format!("{TABLE_PREFIX}{}", self.id)
    }
}
