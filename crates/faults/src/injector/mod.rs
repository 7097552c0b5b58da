//! The injector: the life of every fault of this process, from plan to undo.
//!
//! Owns the order of the steps (design laws 1 to 5): the ledger entry is durable and the guardian armed before the first
//! effect; a fault that was half applied is undone like any other; the effect is looked for from the victim's side; every
//! lease ends. Leaves the effects to [`crate::kernel`] and the holder, and what undoing means to [`crate::undo`].

mod apply;
mod guard;
mod live;
mod prove;
mod retract;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::{Entry, FaultId, Intent, Lease, Undo};
use deadstick_core::units::HumanDuration;

use crate::doctor;
use crate::error::FaultError;
use crate::kernel::{Kernel, Linux};
use crate::plan::{HostFacts, plan};
use crate::process;
use crate::relay::RelayFactory;
use crate::sequence::{self, Item};
use crate::store::LedgerStore;
use crate::undo::{Secrets, Undone};

use guard::Guard;
use live::Live;

/// Told about every step of every fault; must return at once.
pub type Observer = Arc<dyn Fn(FaultEvent) + Send + Sync>;
/// Called at every step of a fault's life; it may block, so that a test can stop there.
pub type StepHook = Arc<dyn Fn(FaultStep, &FaultId) + Send + Sync>;

/// What an injector works with.
#[derive(Clone)]
pub struct Settings {
    /// The deadstick program, started as guardian (`guardian --ledger FILE`) and as holder (`hold`).
    pub program: PathBuf,
    /// The ledger file, as the guardian is told.
    pub ledger: PathBuf,
    /// The same ledger, for this process.
    pub store: Arc<dyn LedgerStore>,
    /// Who is told.
    pub observer: Observer,
    /// Makes relays, for latency.
    pub relay: Option<Arc<dyn RelayFactory>>,
    /// Called at every step.
    pub steps: Option<StepHook>,
}

/// What happened to a fault. Of things that were only registered, nothing but residue is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultEvent {
    /// About to be applied; the ledger has it.
    Applying {
        /// Its name.
        id: FaultId,
        /// What it is.
        fault: Fault,
        /// Whom it is for.
        target: Box<ResolvedTarget>,
        /// How long it may live.
        lease: HumanDuration,
    },
    /// In place.
    Applied {
        /// Its name.
        id: FaultId,
    },
    /// Its effect was looked for.
    Examined {
        /// Its name.
        id: FaultId,
        /// What came of it.
        proof: Proof,
    },
    /// It is out.
    Undone {
        /// Its name.
        id: FaultId,
        /// Why it was taken out.
        because: String,
    },
    /// It could not be taken out.
    Residue(Residue),
    /// The guardian has ended: nothing undoes the faults when this process dies.
    GuardianLost,
}

/// The steps of a fault's life; each is told when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultStep {
    /// Everything is prepared (a holder process runs), nothing is disturbed.
    Prepared,
    /// The ledger has it.
    Recorded,
    /// The guardian has it.
    Armed,
    /// The effect is there.
    Effected,
    /// The ledger says so.
    EffectRecorded,
    /// The effect was looked for, and the ledger has the result.
    Examined,
    /// The ledger says that the undo has begun.
    UndoRecorded,
    /// The effect is gone.
    Retracted,
    /// The ledger says so.
    Undone,
}

impl FaultStep {
    /// Every step in order.
    pub const ALL: [Self; 9] = [
        Self::Prepared,
        Self::Recorded,
        Self::Armed,
        Self::Effected,
        Self::EffectRecorded,
        Self::Examined,
        Self::UndoRecorded,
        Self::Retracted,
        Self::Undone,
    ];
}

/// Whether a fault landed (design law 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Whether its effect was seen.
    pub landed: bool,
    /// What was seen.
    pub evidence: String,
}

/// A fault in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    /// Its name.
    pub id: FaultId,
    /// Whether it landed.
    pub proof: Proof,
}

/// What could not be undone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{id} could not be undone: {why}; by hand: {manual}")]
pub struct Residue {
    /// The fault's name.
    pub id: FaultId,
    /// What went wrong.
    pub why: String,
    /// The exact command a person can run.
    pub manual: String,
}

/// Owns the live faults of this process. Clones share them. When the last one is dropped without [`Injector::close`],
/// the guardian undoes what is left.
#[derive(Clone)]
pub struct Injector {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    kernel: Arc<dyn Kernel>,
    host: HostFacts,
    owner: ProcessIdentity,
    guard: Mutex<Option<Arc<Guard>>>,
    live: Mutex<Vec<Arc<Live>>>,
    closing: AtomicBool,
}

impl Injector {
    /// Starts the guardian and waits until it listens.
    ///
    /// # Errors
    /// The guardian does not start.
    pub async fn arm(settings: Settings) -> Result<Self, FaultError> {
        let facts = tokio::task::spawn_blocking(doctor::facts).await.map_err(|_| FaultError::Lost)?;
        let host = HostFacts { relay: settings.relay.is_some(), ..facts };
        Self::arm_on(settings, Arc::new(Linux), host).await
    }

    /// The same on a given kernel, with what it can do.
    ///
    /// # Errors
    /// The guardian does not start.
    pub async fn arm_on(
        settings: Settings,
        kernel: Arc<dyn Kernel>,
        host: HostFacts,
    ) -> Result<Self, FaultError> {
        let guard = Arc::new(Guard::start(&settings.program, &settings.ledger).await?);
        let owner = process::me().map_err(|error| FaultError::Guardian(error.to_string()))?;
        let shared = Shared {
            settings,
            kernel,
            host,
            owner,
            guard: Mutex::new(Some(Arc::clone(&guard))),
            live: Mutex::default(),
            closing: AtomicBool::new(false),
        };
        let injector = Self { shared: Arc::new(shared) };
        let (shared, lost) = (Arc::downgrade(&injector.shared), guard.lost());
        tokio::spawn(async move {
            lost.await;
            if let Some(shared) = shared.upgrade().filter(|shared| !shared.closing.load(Ordering::Acquire)) {
                (shared.settings.observer)(FaultEvent::GuardianLost);
            }
        });
        Ok(injector)
    }

    /// What this host can do.
    #[must_use]
    pub fn host(&self) -> &HostFacts {
        &self.shared.host
    }

    /// The guardian's process.
    #[must_use]
    pub fn guardian(&self) -> Option<ProcessIdentity> {
        self.shared.guard().map(|guard| guard.process.clone())
    }

    /// Puts a fault in place and looks whether it landed. It goes on in the background when this future is dropped.
    ///
    /// # Errors
    /// [`FaultError`]; whatever it says about residue, nothing else of this fault is left.
    pub async fn inject(
        &self,
        fault: Fault,
        target: ResolvedTarget,
        lease: HumanDuration,
    ) -> Result<Injected, FaultError> {
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move {
            let plan = plan(&fault, &target, lease, &shared.host)?;
            shared.inject(plan).await
        });
        task.await.map_err(|_| FaultError::Lost)?
    }

    /// Has something undone that is no fault (a lab, a folder): the ledger and the guardian have it when this returns.
    ///
    /// # Errors
    /// The ledger or the guardian did not take it.
    pub async fn register(
        &self,
        what: &str,
        undo: Undo,
        lease: HumanDuration,
    ) -> Result<FaultId, FaultError> {
        let intent = Intent {
            fault: None,
            target: what.to_owned(),
            undo,
            lease: lease_from_now(lease)?,
            owner: self.shared.owner.clone(),
        };
        let live = Arc::new(Live::new(new_id(), intent, Secrets::default()));
        let id = live.id.clone();
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move { shared.begin(&live).await });
        task.await.map_err(|_| FaultError::Lost)??;
        Ok(id)
    }

    /// Takes one out, interrupting whatever it was doing.
    ///
    /// # Errors
    /// What is left.
    pub async fn undo(&self, id: &FaultId, because: &str) -> Result<Undone, Residue> {
        let Some(live) = self.shared.find(id) else { return Ok(Undone::AlreadyGone) };
        Shared::retract_apart(&self.shared, live, because).await
    }

    /// Takes every fault out; what is registered stays.
    pub async fn undo_faults(&self, because: &str) -> Vec<Residue> {
        self.shared.undo_some(because, true).await
    }

    /// Takes everything out, faults first. Nothing can be injected any more.
    pub async fn undo_all(&self, because: &str) -> Vec<Residue> {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.undo_some(because, false).await
    }

    /// Ends when the guardian has: from then on nothing undoes the faults when this process dies.
    pub async fn guardian_lost(&self) {
        if let Some(lost) = self.shared.guard().map(|guard| guard.lost()) {
            lost.await;
        }
    }

    /// Takes everything out and lets the guardian go; it tries what is left once more.
    pub async fn close(self) -> Vec<Residue> {
        let left = self.undo_all("the work is done").await;
        let guard = self.shared.guard.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(guard) = guard {
            guard.dismiss().await;
        }
        left
    }
}

impl Shared {
    fn guard(&self) -> Option<Arc<Guard>> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn find(&self, id: &FaultId) -> Option<Arc<Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).iter().find(|live| live.id == *id).cloned()
    }

    fn tell(&self, live: &Live, event: FaultEvent) {
        if live.is_fault() || matches!(event, FaultEvent::Residue(_)) {
            (self.settings.observer)(event);
        }
    }

    fn step(&self, step: FaultStep, id: &FaultId) {
        if let Some(hook) = &self.settings.steps {
            hook(step, id);
        }
    }

    /// Writes a ledger entry, on a thread that may block.
    async fn record(&self, id: &FaultId, entry: Entry) -> Result<(), FaultError> {
        let (store, id) = (Arc::clone(&self.settings.store), id.clone());
        let task = tokio::task::spawn_blocking(move || store.record(&id, &entry));
        Ok(task.await.map_err(|_| FaultError::Lost)??)
    }

    /// Ledger, guardian, lease: in this order, and before any effect. Whoever wants to undo it meanwhile waits.
    async fn begin(self: &Arc<Self>, live: &Arc<Live>) -> Result<(), FaultError> {
        let mut state = live.state.lock().await;
        self.live.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(live));
        // Looked at after it is on the list: an undo of everything either finds it there or is seen here.
        let guard = self.guard().filter(|_| !self.closing.load(Ordering::Acquire)).ok_or(FaultError::Aborted);
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
        let armed = live.unless_cancelled(armed).await.unwrap_or(Err(FaultError::Aborted));
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

    fn forget(&self, live: &Live) {
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

    async fn undo_some(self: &Arc<Self>, because: &str, faults_only: bool) -> Vec<Residue> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let items = live.into_iter().filter(|live| live.is_fault() || !faults_only).map(|live| {
            // Interrupted at once, whenever its turn comes.
            live.cancel();
            Item { chain: live.intent.target.clone(), is_fault: live.is_fault(), value: live }
        });
        let results = sequence::run(items.collect(), |live| Self::retract_apart(self, live, because)).await;
        results.into_iter().filter_map(Result::err).collect()
    }
}

/// Unique for ever, and in the order of time.
fn new_id() -> FaultId {
    uuid::Uuid::now_v7().to_string()
}

fn lease_from_now(length: HumanDuration) -> Result<Lease, FaultError> {
    let endless =
        || FaultError::refused(format!("a lease of {length}"), "give it a length of time that ends");
    let ends = chrono::TimeDelta::from_std(length.0)
        .ok()
        .and_then(|length| chrono::Utc::now().checked_add_signed(length))
        .ok_or_else(endless)?;
    let length_ms = u64::try_from(length.0.as_millis()).map_err(|_| endless())?;
    Ok(Lease { length, ends, ends_boottime_ms: process::boottime_ms().saturating_add(length_ms) })
}
