//! What is looked at, started and decided before anything is disturbed.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use deadstick_core::ledger::{DatabaseSession, Undo};

use super::Shared;
use super::apply::{BASELINE, blocking, table_name};
use super::late::{Timed, time};
use crate::database;
use crate::error::FaultError;
use crate::holder::link::Holder;
use crate::holder::{Order, What};
use crate::kernel::{Conversation, Reach, Sent, TableEffect};
use crate::network::qdisc;
use crate::plan::{Action, DISCARD, Plan};
use crate::process::Life;
use crate::undo::Secrets;

/// What was seen, or started, before anything was disturbed.
#[derive(Default)]
pub(super) struct Before {
    pub(super) reach: Option<Reach>,
    pub(super) conversation: Option<Box<dyn Conversation>>,
    /// How long the peer took to answer.
    pub(super) plain: Option<Duration>,
    pub(super) holder: Option<Holder>,
    pub(super) devices: Vec<String>,
}

impl Shared {
    /// Looks at the world as it is, refuses what makes no sense, and starts what will hold the fault.
    pub(super) async fn before(
        &self,
        plan: &Plan,
        id: &str,
        ends_boottime_ms: u64,
    ) -> Result<Before, FaultError> {
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
            Action::Shape { network, ask, delay, jitter, .. } => {
                let inside = network.clone();
                match blocking(&self.kernel, move |kernel| kernel.shapeable(&inside)).await {
                    Ok(devices) => before.devices = devices,
                    Err(error) => return Err(FaultError::refused(error.to_string(), "nothing was touched")),
                }
                if let Some(ask) = ask.filter(|ask| ask.port() != DISCARD) {
                    before.plain =
                        time(&self.kernel, network, ask, Timed::Connect, (*delay, *jitter)).await?;
                }
            }
            Action::Relay { network, peer, delay, jitter } => {
                before.plain = time(&self.kernel, network, *peer, Timed::Farewell, (*delay, *jitter)).await?;
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
}

/// How it will be taken back, and what that needs beyond the ledger.
pub(super) fn undo_of(plan: &Plan, id: &str, before: &Before) -> Result<(Undo, Secrets), FaultError> {
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
