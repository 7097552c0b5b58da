//! The injector: the life of every fault of this process, from plan to undo.
//!
//! Owns the order of the steps (design laws 1 to 5): the ledger entry is durable and the guardian armed before the first
//! effect; a fault that was half applied is undone like any other; the effect is looked for from the victim's side; every
//! lease ends. Leaves the effects to the means, and what undoing means to [`crate::undo`](mod@crate::undo).

mod apply;
mod event;
mod guard;
mod live;
mod retract;
mod shared;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::{FaultId, Intent, Undo};
use deadstick_core::units::HumanDuration;

use crate::doctor;
use crate::error::FaultError;
use crate::kernel::{Kernel, Linux};
use crate::load::LoadFactory;
use crate::means::Cancel;
use crate::plan::{Fact, HostFacts, asks, plan};
use crate::process;
use crate::relay::RelayFactory;
use crate::store::LedgerStore;
use crate::undo::{Secrets, Undone};

pub use event::{FaultEvent, FaultStep, Injected, Proof, Residue};

use guard::Guard;
use live::Live;
pub(crate) use shared::lease_from_now;
use shared::new_id;

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
    /// Sends requests, for spikes.
    pub load: Option<Arc<dyn LoadFactory>>,
    /// Called at every step.
    pub steps: Option<StepHook>,
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
    host: tokio::sync::Mutex<Known>,
    owner: ProcessIdentity,
    guard: Mutex<Option<Arc<Guard>>>,
    live: Mutex<Vec<Arc<Live>>>,
    closing: Cancel,
}

/// What is known of this host so far.
struct Known {
    facts: HostFacts,
    asked: BTreeSet<Fact>,
}

impl Known {
    fn nothing(settings: &Settings) -> Self {
        Self {
            facts: HostFacts { relay: settings.relay.is_some(), ..HostFacts::default() },
            asked: BTreeSet::new(),
        }
    }

    fn learn(&mut self, asked: &BTreeSet<Fact>, facts: &HostFacts) {
        for fact in asked {
            self.facts.set(*fact, facts.has(*fact));
        }
        self.asked.extend(asked);
    }
}

impl Shared {
    /// What this host can do, as far as it is asked for.
    async fn facts(&self, wanted: BTreeSet<Fact>) -> Result<HostFacts, FaultError> {
        let mut known = self.host.lock().await;
        let missing: BTreeSet<Fact> = wanted.difference(&known.asked).copied().collect();
        if !missing.is_empty() {
            let looking = tokio::task::spawn_blocking(move || (doctor::facts_about(&missing), missing));
            let (facts, missing) = looking.await.map_err(|_| FaultError::Lost)?;
            known.learn(&missing, &facts);
        }
        Ok(known.facts)
    }
}

impl Injector {
    /// Starts the guardian and waits until it listens. What this host can do is found out for each fault that asks for it.
    ///
    /// # Errors
    /// The guardian does not start.
    pub async fn arm(settings: Settings) -> Result<Self, FaultError> {
        let known = Known::nothing(&settings);
        Self::arm_knowing(settings, Arc::new(Linux), known).await
    }

    /// The same for one fault: what it asks for is found out while the guardian starts.
    ///
    /// # Errors
    /// The guardian does not start.
    pub async fn arm_for(settings: Settings, fault: &Fault) -> Result<Self, FaultError> {
        let injector = Self::arm(settings);
        let asked = asks(fault);
        let looking = tokio::task::spawn_blocking(move || (doctor::facts_about(&asked), asked));
        let injector = injector.await?;
        let (facts, asked) = looking.await.map_err(|_| FaultError::Lost)?;
        injector.shared.host.lock().await.learn(&asked, &facts);
        Ok(injector)
    }

    /// Finds out in the background whatever any fault may ask for, so that none waits for it.
    pub fn look_ahead(&self) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            // What cannot be found out is asked again by the fault that needs it, and said there.
            drop(shared.facts(Fact::ALL.iter().copied().collect()).await);
        });
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
        let known = Known { facts: host, asked: Fact::ALL.iter().copied().collect() };
        Self::arm_knowing(settings, kernel, known).await
    }

    async fn arm_knowing(
        settings: Settings,
        kernel: Arc<dyn Kernel>,
        known: Known,
    ) -> Result<Self, FaultError> {
        let guard = Arc::new(Guard::start(&settings.program, &settings.ledger).await?);
        let owner = process::me().map_err(|error| FaultError::Guardian(error.to_string()))?;
        let shared = Shared {
            settings,
            kernel,
            host: tokio::sync::Mutex::new(known),
            owner,
            guard: Mutex::new(Some(Arc::clone(&guard))),
            live: Mutex::default(),
            closing: Cancel::default(),
        };
        let injector = Self { shared: Arc::new(shared) };
        let (shared, lost) = (Arc::downgrade(&injector.shared), guard.lost());
        tokio::spawn(async move {
            lost.await;
            if let Some(shared) = shared.upgrade().filter(|shared| !shared.closing.is_cancelled()) {
                (shared.settings.observer)(FaultEvent::GuardianLost);
            }
        });
        Ok(injector)
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
            let host = shared.facts(asks(&fault)).await?;
            shared.inject(plan(&fault, &target, lease, &host)?).await
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
        let live = Arc::new(Live::new(new_id(), intent, Secrets::default(), None, Cancel::default()));
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
        self.shared.closing.cancel();
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
            guard.dismiss(self.shared.hangs().await).await;
        }
        left
    }
}
