//! The way in: ledger, guardian, effect, proof.

use std::sync::Arc;
use std::time::Duration;

use deadstick_core::fault::catalogue::of;
use deadstick_core::ledger::{Entry, Intent};

use super::live::Live;
use super::shared::{lease_from_now, new_id};
use super::{FaultEvent, FaultStep, Injected, Proof, Shared};
use crate::error::FaultError;
use crate::means::{Cancel, Effect, LateLease, Prepared, Site, unseen};
use crate::plan::Plan;
use crate::process;

/// How long whoever gives a fault up waits for a step of it that goes on to its end.
const PATIENCE: Duration = Duration::from_millis(100);

impl Shared {
    /// The whole way in. Whatever goes wrong after the ledger entry, the fault is taken out again (design law 4).
    pub(super) async fn inject(self: &Arc<Self>, plan: Plan) -> Result<Injected, FaultError> {
        let id = new_id();
        let lease = LateLease::new(lease_from_now(plan.lease)?);
        if self.closing.is_cancelled() {
            return Err(FaultError::Aborted);
        }
        let guardian = self.guard().map(|guard| guard.process.clone());
        let site = Arc::new(Site {
            id: id.clone(),
            lease,
            kernel: Arc::clone(&self.kernel),
            program: self.settings.program.clone(),
            ledger: self.settings.ledger.clone(),
            relay: self.settings.relay.clone(),
            load: self.settings.load.clone(),
            ours: std::iter::once(self.owner.clone()).chain(guardian).collect(),
            cancel: Cancel::default(),
        });
        // Nothing is disturbed yet, so that it may be left to itself whatever it waits for.
        let prepared = self.closing.unless(plan.means.prepare(&site)).await;
        let Prepared { undo, secrets, effect } = prepared.ok_or(FaultError::Aborted)??;
        // The processes that undo it keep no more than the tables say.
        debug_assert!(
            undo.privileges().iter().all(|one| of(plan.fault.kind()).privileges.contains(one)),
            "{}: {undo:?}",
            plan.fault.kind()
        );
        let target = plan.target.name.clone();
        let lease = site.lease.get().clone();
        let ends_boottime_ms = lease.ends_boottime_ms;
        let intent =
            Intent { fault: Some(plan.fault.clone()), target, undo, lease, owner: self.owner.clone() };
        let live = Arc::new(Live::new(id.clone(), intent, secrets, Some(effect), site.cancel.clone()));
        self.step(FaultStep::Prepared, &id);
        self.begin(&live).await?;
        let event = FaultEvent::Applying {
            id: id.clone(),
            fault: Box::new(plan.fault.clone()),
            target: Box::new(plan.target.clone()),
            lease: plan.lease,
        };
        self.tell(&live, event);
        let (why, aborted) = match self.carry_out(&site, &live).await {
            Ok(proof) => return Ok(Injected { id, proof }),
            // Whoever was first took it out: this process by its lease, or the guardian, who has closed its entry.
            Err(FaultError::Aborted | FaultError::Ledger(_))
                if process::boottime_ms() >= ends_boottime_ms && !self.closing.is_cancelled() =>
            {
                let lease = plan.lease;
                (format!("its lease of {lease} was over before it had landed: give it a longer one"), false)
            }
            Err(FaultError::Aborted) => ("it was to be undone while it was being applied".to_owned(), true),
            // Said again below, with what is left.
            Err(FaultError::Apply { why, .. }) => (why, false),
            Err(error) => (error.to_string(), false),
        };
        let because = if aborted { "given up" } else { "it could not be applied" };
        let residue = self.retract(&live, because).await.err();
        if aborted && residue.is_none() {
            Err(FaultError::Aborted)
        } else {
            Err(FaultError::Apply { why, residue })
        }
    }

    /// Effect, entry, proof, entry.
    async fn carry_out(&self, site: &Arc<Site>, live: &Live) -> Result<Proof, FaultError> {
        let mut state = live.state.lock().await;
        let Some(effect) = state.effect.take() else { return Err(FaultError::Aborted) };
        let mut applying = tokio::spawn(apply(effect, Arc::clone(site)));
        let applied = tokio::select! {
            applied = &mut applying => applied,
            () = live.cancel.outlasted(PATIENCE) => {
                // Whoever undoes it takes it from here. The guardian knows before its own time comes.
                self.tell_that_it_hangs(live).await;
                state.applying = Some(applying);
                return Err(FaultError::Aborted);
            }
        };
        let (effect, applied) = applied.map_err(|_| FaultError::Lost)?;
        let effect = state.effect.insert(effect);
        applied?;
        self.step(FaultStep::Effected, &live.id);
        self.record(&live.id, Entry::Applied).await?;
        self.step(FaultStep::EffectRecorded, &live.id);
        self.tell(live, FaultEvent::Applied { id: live.id.clone() });
        // Whatever keeps it from being looked at counts as not seen.
        let proof = site
            .unless_cancelled(effect.prove(site))
            .await?
            .unwrap_or_else(|error| unseen(format!("its effect could not be looked for: {error}")));
        let evidence = proof.evidence.clone();
        let entry = if proof.landed { Entry::Proved { evidence } } else { Entry::NotProved { evidence } };
        self.record(&live.id, entry).await?;
        self.step(FaultStep::Examined, &live.id);
        self.tell(live, FaultEvent::Examined { id: live.id.clone(), proof: proof.clone() });
        Ok(proof)
    }
}

async fn apply(mut effect: Box<dyn Effect>, site: Arc<Site>) -> (Box<dyn Effect>, Result<(), FaultError>) {
    let applied = effect.apply(&site).await;
    (effect, applied)
}
