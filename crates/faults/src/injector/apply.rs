//! The way in: ledger, guardian, effect, proof.

use std::sync::Arc;
use std::time::Duration;

use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::{Entry, Intent};

use super::before::{Before, undo_of};
use super::live::{Hold, Live, State};
use super::shared::{lease_from_now, new_id};
use super::{FaultEvent, FaultStep, Injected, Proof, Shared};
use crate::error::FaultError;
use crate::kernel::{Delivery, Kernel, KernelError, Layer, TableEffect, TableSpec};
use crate::network::qdisc;
use crate::plan::{Action, Plan};
use crate::process;
use crate::relay::{self, Dialer, RelayOrder};
use crate::undo::TABLE_PREFIX;

/// How long a peer that answers at all may take.
pub(super) const BASELINE: Duration = Duration::from_secs(1);

/// What was put in place, as far as its proof needs it.
#[derive(Default)]
pub(super) struct Placed {
    /// Its place among the holds.
    pub(super) table: Option<usize>,
    pub(super) conversation: Option<usize>,
    pub(super) connections: usize,
}

/// Runs on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    kernel: &Arc<dyn Kernel>,
    call: impl FnOnce(&dyn Kernel) -> Result<T, KernelError> + Send + 'static,
) -> Result<T, FaultError> {
    let kernel = Arc::clone(kernel);
    let result =
        tokio::task::spawn_blocking(move || call(kernel.as_ref())).await.map_err(|_| FaultError::Lost)?;
    Ok(result?)
}

impl Shared {
    /// The whole way in. Whatever goes wrong after the ledger entry, the fault is taken out again (design law 4).
    pub(super) async fn inject(self: &Arc<Self>, plan: Plan) -> Result<Injected, FaultError> {
        let id = new_id();
        let lease = lease_from_now(plan.lease)?;
        let mut before = self.before(&plan, &id, lease.ends_boottime_ms).await?;
        let (undo, secrets) = undo_of(&plan, &id, &before)?;
        let target = plan.target.name.clone();
        let intent =
            Intent { fault: Some(plan.fault.clone()), target, undo, lease, owner: self.owner.clone() };
        let live = Arc::new(Live::new(id.clone(), intent, secrets));
        self.step(FaultStep::Prepared, &id);
        self.begin(&live).await?;
        let event = FaultEvent::Applying {
            id: id.clone(),
            fault: plan.fault.clone(),
            target: Box::new(plan.target.clone()),
            lease: plan.lease,
        };
        self.tell(&live, event);
        let outcome = self.carry_out(&plan, &live, &mut before).await;
        let (why, aborted) = match outcome {
            Ok(Some(proof)) => return Ok(Injected { id, proof }),
            Ok(None) => ("it was to be undone while it was being applied".to_owned(), true),
            Err(error) => (error.to_string(), false),
        };
        drop(before);
        let residue =
            self.retract(&live, if aborted { "given up" } else { "it could not be applied" }).await.err();
        if aborted && residue.is_none() {
            Err(FaultError::Aborted)
        } else {
            Err(FaultError::Apply { why, residue })
        }
    }

    /// Effect, entry, proof, entry. None when it was cancelled on the way.
    async fn carry_out(
        &self,
        plan: &Plan,
        live: &Live,
        before: &mut Before,
    ) -> Result<Option<Proof>, FaultError> {
        let mut state = live.state.lock().await;
        if state.undone {
            return Ok(None);
        }
        let Some(placed) = self.apply(plan, live, before, &mut state).await? else { return Ok(None) };
        self.step(FaultStep::Effected, &live.id);
        self.record(&live.id, Entry::Applied).await?;
        self.step(FaultStep::EffectRecorded, &live.id);
        self.tell(live, FaultEvent::Applied { id: live.id.clone() });
        let Some(proof) = live.unless_cancelled(self.prove(plan, live, before, &placed, &mut state)).await
        else {
            return Ok(None);
        };
        let evidence = proof.evidence.clone();
        self.record(
            &live.id,
            if proof.landed { Entry::Proved { evidence } } else { Entry::NotProved { evidence } },
        )
        .await?;
        self.step(FaultStep::Examined, &live.id);
        self.tell(live, FaultEvent::Examined { id: live.id.clone(), proof: proof.clone() });
        Ok(Some(proof))
    }

    /// The effect itself. None when it was cancelled before it was there.
    async fn apply(
        &self,
        plan: &Plan,
        live: &Live,
        before: &mut Before,
        state: &mut State,
    ) -> Result<Option<Placed>, FaultError> {
        let mut placed = Placed::default();
        let failed = |why: String| FaultError::Apply { why, residue: None };
        match &plan.action {
            Action::Signal { process, what } => {
                let (process, what) = (process.clone(), *what);
                if blocking(&self.kernel, move |kernel| kernel.signal(&process, what)).await?
                    == Delivery::Gone
                {
                    return Err(failed("the process has ended".to_owned()));
                }
            }
            Action::Table { network, layer, effect, .. } => {
                self.install(network, *layer, effect.clone(), live, state, &mut placed).await?;
                if let Some(conversation) = before.conversation.take() {
                    placed.conversation = Some(state.holds.len());
                    state.holds.push(Hold::Conversation(conversation));
                }
            }
            Action::Shape { network, layer, to, delay, jitter, .. } => {
                for device in before.devices.clone() {
                    let (network, delay, jitter) = (network.clone(), *delay, *jitter);
                    blocking(&self.kernel, move |kernel| kernel.make_late(&network, &device, delay, jitter))
                        .await?;
                }
                let effect = TableEffect::Classify { to: *to, class: qdisc::class() };
                self.install(network, *layer, effect, live, state, &mut placed).await?;
            }
            Action::Relay { network, peer, delay, jitter } => {
                let factory =
                    self.settings.relay.clone().ok_or_else(|| failed("there is no relay".to_owned()))?;
                let (inside, upstream, delay, jitter) = (network.clone(), *peer, *delay, *jitter);
                let prepared = tokio::task::spawn_blocking(move || {
                    let listener = relay::listener(&inside, upstream)
                        .map_err(|error| error.to_string())?
                        .map_err(|error| error.to_string())?;
                    let dial = Dialer::new(&inside, upstream).map_err(|error| error.to_string())?;
                    Ok::<_, String>(RelayOrder { listener, upstream, delay, jitter, dial })
                });
                let order = prepared.await.map_err(|_| FaultError::Lost)?.map_err(failed)?;
                let port = order.listener.local_addr().map_err(|error| failed(error.to_string()))?.port();
                // Starting one may block until its tasks run, which a thread that has tasks to run must not.
                let started = tokio::task::spawn_blocking(move || factory.start(order)).await;
                let relay = started
                    .map_err(|_| FaultError::Lost)?
                    .map_err(|error| failed(format!("the relay: {error}")))?;
                state.holds.push(Hold::Relay(relay));
                let effect = TableEffect::Redirect { peer: *peer, port, mark: relay::MARK };
                self.install(network, Layer::Internet, effect, live, state, &mut placed).await?;
            }
            Action::Postgres { .. } | Action::Sqlite { .. } => {
                let mut holder = before.holder.take().ok_or(FaultError::Lost)?;
                let held = live.unless_cancelled(holder.take_hold()).await;
                state.holds.push(Hold::Holder(Box::new(holder)));
                match held {
                    None => return Ok(None),
                    Some(held) => held.map_err(failed)?,
                }
            }
        }
        Ok(Some(placed))
    }

    async fn install(
        &self,
        network: &NetworkIdentity,
        layer: Layer,
        effect: TableEffect,
        live: &Live,
        state: &mut State,
        placed: &mut Placed,
    ) -> Result<(), FaultError> {
        let left = live.intent.lease.ends_boottime_ms.saturating_sub(process::boottime_ms()).max(1);
        let spec =
            TableSpec { name: table_name(&live.id), layer, lease: Duration::from_millis(left), effect };
        let network = network.clone();
        let table = blocking(&self.kernel, move |kernel| kernel.install(&network, &spec)).await?;
        placed.connections = table.connections();
        placed.table = Some(state.holds.len());
        state.holds.push(Hold::Table(table));
        Ok(())
    }
}

pub(super) fn table_name(id: &str) -> String {
    format!("{TABLE_PREFIX}{id}")
}
