//! What the means of one fault work with.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::{FaultId, Lease};
use tokio::sync::watch;

use crate::error::FaultError;
use crate::holder::link::Holder;
use crate::holder::{Order, What};
use crate::injector::lease_from_now;
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

/// A lease that begins when something first needs its end, so that what is measured beforehand takes nothing of it.
#[derive(Debug)]
pub(crate) struct LateLease {
    from_now: Lease,
    begun: OnceLock<Lease>,
}

impl LateLease {
    /// One of the same length as this one.
    pub(crate) fn new(from_now: Lease) -> Self {
        Self { from_now, begun: OnceLock::new() }
    }

    /// The lease. The first to ask begins it.
    pub(crate) fn get(&self) -> &Lease {
        // One that would end too late to be told ends as it would have from the beginning.
        self.begun
            .get_or_init(|| lease_from_now(self.from_now.length).unwrap_or_else(|_| self.from_now.clone()))
    }
}

/// One fault's surroundings.
pub(crate) struct Site {
    pub(crate) id: FaultId,
    pub(crate) lease: LateLease,
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
        let ends_boottime_ms = self.lease.get().ends_boottime_ms;
        let order = Order { what, application: self.application(), ends_boottime_ms };
        Holder::start(&self.program, &order).await
    }

    /// What sessions of ours are called on a server: unique for ever.
    pub(crate) fn application(&self) -> String {
        format!("deadstick/{}", self.id)
    }

    /// What is left of the lease.
    pub(crate) fn left(&self) -> Duration {
        Duration::from_millis(self.lease.get().ends_boottime_ms.saturating_sub(process::boottime_ms()).max(1))
    }

    /// The name of the fault's nftables table.
    pub(crate) fn table_name(&self) -> String {
        format!("{TABLE_PREFIX}{}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use deadstick_core::units::HumanDuration;

    use super::*;

    #[test]
    fn a_lease_begins_when_its_end_is_first_needed() {
        let at_first = lease_from_now(HumanDuration::secs(60)).expect("it ends");
        let lease = LateLease::new(at_first.clone());
        std::thread::sleep(Duration::from_millis(20));
        let begun = lease.get().clone();
        assert!(begun.ends_boottime_ms >= at_first.ends_boottime_ms + 20, "{begun:?} after {at_first:?}");
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(*lease.get(), begun, "it begins once");
    }
}
