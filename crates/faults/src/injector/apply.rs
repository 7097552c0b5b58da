//! The way in: ledger, guardian, effect, proof.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use deadstick_core::ledger::{Entry, Intent};

use super::live::Live;
use super::shared::{lease_from_now, new_id};
use super::{FaultEvent, FaultStep, Injected, Proof, Shared};
use crate::error::FaultError;
use crate::means::{Cancel, Prepared, Site, unseen};
use crate::plan::Plan;

impl Shared {
    /// The whole way in. Whatever goes wrong after the ledger entry, the fault is taken out again (design law 4).
    pub(super) async fn inject(self: &Arc<Self>, plan: Plan) -> Result<Injected, FaultError> {
        let id = new_id();
        let lease = lease_from_now(plan.lease)?;
        if self.closing.load(Ordering::Acquire) {
            return Err(FaultError::Aborted);
        }
        let guardian = self.guard().map(|guard| guard.process.clone());
        let site = Site {
            id: id.clone(),
            ends_boottime_ms: lease.ends_boottime_ms,
            kernel: Arc::clone(&self.kernel),
            program: self.settings.program.clone(),
            ledger: self.settings.ledger.clone(),
            relay: self.settings.relay.clone(),
            load: self.settings.load.clone(),
            ours: std::iter::once(self.owner.clone()).chain(guardian).collect(),
            cancel: Cancel::default(),
        };
        let Prepared { undo, secrets, effect } = plan.means.prepare(&site).await?;
        let target = plan.target.name.clone();
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
    async fn carry_out(&self, site: &Site, live: &Live) -> Result<Proof, FaultError> {
        let mut state = live.state.lock().await;
        let Some(effect) = state.effect.as_mut() else { return Err(FaultError::Aborted) };
        effect.apply(site).await?;
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
