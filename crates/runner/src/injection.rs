//! One fault by hand: put in place, proved, held until its lease ends or somebody ends it, and taken out.
//!
//! Owns the order of these, and the ledger and the guardian of the one fault. Leaves what a target means to
//! [`crate::targets`], the life of a fault to the faults crate, and words to the binary.

use std::path::PathBuf;
use std::sync::Arc;

use deadstick_core::event::{Actor, Body};
use deadstick_core::fault::{Fault, FaultKind, ResolvedTarget};
use deadstick_core::ledger::FaultId;
use deadstick_core::units::HumanDuration;
use deadstick_faults::{FaultError, FaultEvent, Injected, Injector, Proof};
use deadstick_timeline::Ledger;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::ledger::SharedLedger;
use crate::load::OpenLoads;
use crate::relay::ProxyRelays;
use crate::session::{Session, now};
use crate::{incidents, signals};

/// What the runs of single faults are named by, and so their ledgers: their owners hold nothing else.
const PREFIX: &str = "inject-";

/// What is to be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Order {
    /// What.
    pub fault: Fault,
    /// On whom.
    pub target: ResolvedTarget,
    /// The target's database. It may hold a password, and so is not part of the target's record.
    pub dsn: Option<String>,
    /// For how long.
    pub lease: HumanDuration,
}

impl Order {
    /// An order for a target that was found.
    #[must_use]
    pub fn new(fault: Fault, target: ResolvedTarget, lease: HumanDuration) -> Self {
        Self { dsn: target.dsn.clone(), fault, target, lease }
    }
}

/// Told about every event of the fault's life, in order.
pub type Tell = Arc<dyn Fn(&Body) + Send + Sync>;

/// What it works with.
pub struct Settings {
    /// The deadstick program, for the guardian and for holders.
    pub program: PathBuf,
    /// The run's ledger, named by [`new_run`].
    pub ledger: Ledger,
    /// On whose timeline it is recorded, if anybody's.
    pub session: Option<Session>,
    /// Who is told.
    pub tell: Tell,
    /// When to stop, and why.
    pub stop: watch::Receiver<Option<String>>,
}

/// Why it was taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// Its lease was over.
    LeaseOver,
    /// Somebody wanted it to end.
    Stopped,
    /// Its effect was looked for and not seen.
    NotLanded,
    /// The guardian had died: nothing stays injected without one.
    GuardianLost,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outcome {
    /// Its name.
    pub id: FaultId,
    /// Whether its effect was seen.
    pub landed: bool,
    /// What was seen.
    pub evidence: String,
    /// Why it was taken out.
    pub ended: Ended,
    /// The same in words.
    pub because: String,
    /// What could not be taken out, with the command that does it.
    pub residue: Vec<String>,
    /// Why its events are not on the incident's timeline, where they should be.
    pub unrecorded: Option<String>,
}

/// The name of the run of one fault.
#[must_use]
pub fn new_run(kind: FaultKind) -> String {
    PREFIX.to_owned() + &incidents::new_id(now(), kind.word())
}

/// Whether a run is that of a single fault, whose owner does nothing but hold it.
#[must_use]
pub fn is_single(run: &str) -> bool {
    run.starts_with(PREFIX)
}

/// Holds one fault, from its plan to its undo. Whatever happens, it is out again when this returns, or is residue.
///
/// # Errors
/// It was not injected; nothing of it is left but what the error says.
pub async fn hold(order: Order, settings: Settings) -> Result<Outcome, FaultError> {
    let Settings { program, ledger, session, tell, mut stop } = settings;
    let Order { fault, target, dsn, lease } = order;
    let target = ResolvedTarget { dsn, ..target };
    let ledger = SharedLedger::new(ledger);
    let (events, recorder) = follow(session, tell);
    let (out, mut is_out) = watch::channel(None);
    let observer = Arc::new(move |event: FaultEvent| {
        match &event {
            FaultEvent::Undone { because, .. } => drop(out.send_replace(Some(because.clone()))),
            FaultEvent::Residue(left) => drop(out.send_replace(Some(left.why.clone()))),
            _ => {}
        }
        if let Some(body) = body_of(event) {
            // The follower ends after the injector does, so nothing is lost here.
            drop(events.send(body));
        }
    });
    let settings = deadstick_faults::Settings {
        program,
        ledger: ledger.path(),
        store: ledger.store(),
        observer,
        relay: Some(Arc::new(ProxyRelays)),
        load: Some(Arc::new(OpenLoads)),
        steps: None,
    };
    let armed = Injector::arm_for(settings, &fault).await;
    let (held, residue) = match armed {
        Ok(injector) => {
            let held = hold_with(&injector, fault, target, lease, &mut stop, &mut is_out).await;
            (held, injector.close().await)
        }
        Err(error) => (Err(error), Vec::new()),
    };
    // The injector held the other end of the events; whatever is left of a recorder that broke is said by it.
    let unrecorded = recorder.await.unwrap_or_else(|error| Some(error.to_string()));
    let mut residue: Vec<String> =
        residue.iter().map(|left| format!("{}: {}; run: {}", left.id, left.why, left.manual)).collect();
    residue.extend(ledger.retire().err().map(|error| format!("the ledger could not be retired: {error}")));
    let (Injected { id, proof: Proof { landed, evidence } }, ended, because) = held?;
    Ok(Outcome { id, landed, evidence, ended, because, residue, unrecorded })
}

async fn hold_with(
    injector: &Injector,
    fault: Fault,
    target: ResolvedTarget,
    lease: HumanDuration,
    stop: &mut watch::Receiver<Option<String>>,
    is_out: &mut watch::Receiver<Option<String>>,
) -> Result<(Injected, Ended, String), FaultError> {
    let injecting = injector.inject(fault, target, lease);
    tokio::pin!(injecting);
    let injected = tokio::select! {
        injected = &mut injecting => injected.map_err(|error| match (error, &*is_out.borrow()) {
            // Nobody wanted it to stop: it was its lease, which is too short for what it takes here.
            (FaultError::Aborted, Some(because)) => FaultError::Apply {
                why: format!("it had not landed when it was taken out: {because}"),
                residue: None,
            },
            (error, _) => error,
        })?,
        why = signals::stopped(stop) => {
            // Interrupts it; what is left of it, closing says.
            drop(injector.undo_all(&why).await);
            let injected = injecting.await?;
            return Ok((injected, Ended::Stopped, why));
        }
    };
    if !injected.proof.landed {
        let because = "it did not land";
        // Told to the observer, and tried again by closing.
        drop(injector.undo(&injected.id, because).await);
        return Ok((injected, Ended::NotLanded, because.to_owned()));
    }
    let (ended, because) = tokio::select! {
        out = is_out.wait_for(Option::is_some) => {
            let because = out.ok().and_then(|why| why.clone()).unwrap_or_default();
            return Ok((injected, Ended::LeaseOver, because));
        }
        why = signals::stopped(stop) => (Ended::Stopped, why),
        () = injector.guardian_lost() => (
            Ended::GuardianLost,
            "the guardian died; nothing stays injected without one".to_owned(),
        ),
    };
    drop(injector.undo(&injected.id, &because).await);
    Ok((injected, ended, because))
}

/// Tells and records events in the order in which they happened; what comes back says why some could not be recorded.
fn follow(session: Option<Session>, tell: Tell) -> (mpsc::UnboundedSender<Body>, JoinHandle<Option<String>>) {
    let (sink, mut stream) = mpsc::unbounded_channel();
    let follower = tokio::spawn(async move {
        let mut failed = None;
        while let Some(body) = stream.recv().await {
            tell(&body);
            if let Some(session) = &session
                && let Err(error) = session.record(Actor::tool(), body).await
            {
                failed = Some(error.to_string());
            }
        }
        failed
    });
    (sink, follower)
}

/// What happened to a fault, as it stands on a timeline; none for what is no event of a fault.
pub(crate) fn body_of(event: FaultEvent) -> Option<Body> {
    Some(match event {
        FaultEvent::Applying { id, fault, target, lease } => Body::FaultApplying { id, fault, target, lease },
        FaultEvent::Applied { id } => Body::FaultApplied { id },
        FaultEvent::Examined { id, proof: Proof { landed: true, evidence } } => {
            Body::FaultProved { id, evidence }
        }
        FaultEvent::Examined { id, proof: Proof { landed: false, evidence } } => {
            Body::FaultNotProved { id, evidence }
        }
        FaultEvent::Undone { id, because } => Body::FaultUndone { id, because },
        FaultEvent::Residue(left) => Body::FaultResidue { id: left.id, why: left.why, manual: left.manual },
        FaultEvent::GuardianLost => return None,
    })
}
