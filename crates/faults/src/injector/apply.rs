//! Preparing a fault and putting it in place.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::{DatabaseSession, Entry, Intent, Undo};

use super::live::{Hold, Live, State};
use super::{FaultEvent, FaultStep, Injected, Proof, Shared, lease_from_now, new_id};
use crate::database;
use crate::error::FaultError;
use crate::holder::link::Holder;
use crate::holder::{Order, What};
use crate::kernel::{
    Conversation, Delivery, Kernel, KernelError, Layer, Reach, Sent, TableEffect, TableSpec,
};
use crate::network::qdisc;
use crate::plan::{Action, DISCARD, Plan};
use crate::process::{self, Life};
use crate::relay::{self, Dialer, RelayOrder};
use crate::undo::{Secrets, TABLE_PREFIX};

/// How long a peer that answers at all may take.
pub(super) const BASELINE: Duration = Duration::from_secs(1);

/// What was seen, or started, before anything was disturbed.
#[derive(Default)]
pub(super) struct Before {
    pub(super) reach: Option<Reach>,
    pub(super) conversation: Option<Box<dyn Conversation>>,
    pub(super) farewell: Option<Duration>,
    pub(super) holder: Option<Holder>,
    pub(super) devices: Vec<String>,
}

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

    /// Looks at the world as it is, refuses what makes no sense, and starts what will hold the fault.
    async fn before(&self, plan: &Plan, id: &str, ends_boottime_ms: u64) -> Result<Before, FaultError> {
        let mut before = Before::default();
        if self.closing.load(Ordering::Acquire) {
            return Err(FaultError::Aborted);
        }
        match &plan.action {
            Action::Signal { process, what } => {
                let guardian = self.guard().map(|guard| guard.process.clone());
                if *process == self.owner || Some(process) == guardian.as_ref() {
                    return Err(FaultError::refused(
                        format!("process {} is deadstick itself", process.pid),
                        "name another process",
                    ));
                }
                let target = process.clone();
                match (blocking(&self.kernel, move |kernel| kernel.life(&target)).await?, what) {
                    (Life::Gone, _) => {
                        return Err(FaultError::refused(
                            format!("process {} is gone", process.pid),
                            "find the target again",
                        ));
                    }
                    (Life::Stopped, Sent::Stop) => {
                        return Err(FaultError::refused(
                            format!("process {} is stopped already", process.pid),
                            "let it go on first: it is not ours to resume",
                        ));
                    }
                    _ => {}
                }
            }
            Action::Table { network, effect, ask: Some(ask), .. } if ask.port() != DISCARD => {
                let (network, ask, hush) =
                    (network.clone(), *ask, matches!(effect, TableEffect::Hush { .. }));
                before.reach =
                    Some(blocking(&self.kernel, move |kernel| kernel.reach(&network, ask, BASELINE)).await?);
                if hush && matches!(before.reach, Some(Reach::Accepted(_))) {
                    before.conversation = Some(self.converse(plan, ask).await?);
                }
            }
            Action::Table { .. } => {}
            Action::Shape { network, ask, .. } => {
                let (inside, ask) = (network.clone(), ask.filter(|ask| ask.port() != DISCARD));
                let seen = blocking(&self.kernel, move |kernel| {
                    let reach = ask.map(|ask| kernel.reach(&inside, ask, BASELINE)).transpose()?;
                    Ok((kernel.shapeable(&inside)?, reach))
                });
                match seen.await {
                    Ok((devices, reach)) => (before.devices, before.reach) = (devices, reach),
                    Err(error) => return Err(FaultError::refused(error.to_string(), "nothing was touched")),
                }
            }
            Action::Relay { network, peer, .. } => {
                let (network, peer) = (network.clone(), *peer);
                before.farewell =
                    blocking(&self.kernel, move |kernel| kernel.farewell(&network, peer, BASELINE)).await?;
            }
            Action::Postgres { dsn, table, lock } => {
                let what = What::Postgres { dsn: dsn.clone(), table: table.clone(), lock: *lock };
                before.holder = Some(self.holder(what, id, ends_boottime_ms).await?);
            }
            Action::Sqlite { path, mode } => {
                let what = What::Sqlite { path: path.clone(), mode: *mode };
                before.holder = Some(self.holder(what, id, ends_boottime_ms).await?);
            }
        }
        Ok(before)
    }

    async fn converse(&self, plan: &Plan, ask: SocketAddr) -> Result<Box<dyn Conversation>, FaultError> {
        let Action::Table { network, .. } = &plan.action else { return Err(FaultError::Lost) };
        let network = network.clone();
        blocking(&self.kernel, move |kernel| kernel.converse(&network, ask, BASELINE)).await
    }

    async fn holder(&self, what: What, id: &str, ends_boottime_ms: u64) -> Result<Holder, FaultError> {
        let order = Order { what, application: format!("deadstick/{id}"), ends_boottime_ms };
        Holder::start(&self.settings.program, &order).await
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
                // On this runtime, where the relay's tasks will live.
                let relay = factory.start(order).map_err(|error| failed(format!("the relay: {error}")))?;
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

fn table_name(id: &str) -> String {
    format!("{TABLE_PREFIX}{id}")
}

/// How it will be taken back, and what that needs beyond the ledger.
fn undo_of(plan: &Plan, id: &str, before: &Before) -> Result<(Undo, Secrets), FaultError> {
    let undo = match &plan.action {
        Action::Signal { process, what: Sent::Stop } => Undo::Resume { process: process.clone() },
        Action::Signal { .. } => Undo::Nothing { because: "a process that ended stays ended".to_owned() },
        // The table first: from then on nothing is late, and the qdisc is inert.
        Action::Shape { network, .. } => {
            let table = Undo::RemoveTable { network: network.clone(), table: table_name(id) };
            let qdisc = |device: &String| Undo::RemoveQdisc {
                network: network.clone(),
                device: device.clone(),
                handle: qdisc::HANDLE,
            };
            Undo::All { steps: std::iter::once(table).chain(before.devices.iter().map(qdisc)).collect() }
        }
        Action::Table { network, .. } | Action::Relay { network, .. } => {
            Undo::RemoveTable { network: network.clone(), table: table_name(id) }
        }
        Action::Postgres { .. } | Action::Sqlite { .. } => {
            let holder = before.holder.as_ref().ok_or(FaultError::Lost)?;
            let Action::Postgres { dsn, .. } = &plan.action else {
                return Ok((
                    Undo::EndHolder { process: holder.process.clone(), session: None },
                    Secrets::default(),
                ));
            };
            let config = database::config(dsn)
                .map_err(|error| FaultError::refused(error.to_string(), "see the DSN of the target"))?;
            let backend = holder.backend.clone().ok_or(FaultError::Lost)?;
            let session = DatabaseSession { dsn: database::without_password(&config), backend };
            let secrets = Secrets { password: database::password(&config) };
            return Ok((
                Undo::EndHolder { process: holder.process.clone(), session: Some(session) },
                secrets,
            ));
        }
    };
    Ok((undo, Secrets::default()))
}
