//! Looking for a fault's effect, from the victim's side (design law 5).

use std::net::SocketAddr;
use std::time::Duration;

use deadstick_core::identity::{NetworkIdentity, ProcessIdentity};
use deadstick_core::ledger::Undo;

use super::apply::{BASELINE, Placed, blocking};
use super::before::Before;
use super::live::{Hold, Live, State};
use super::{Proof, Shared, session};
use crate::error::FaultError;
use crate::kernel::{Reach, Sent, TableEffect};
use crate::plan::{Action, Plan};
use crate::process::Life;
use crate::undo::until;

/// How long nothing must come back before a peer counts as silent: many times a round trip between hosts that answer.
const SILENCE: Duration = Duration::from_millis(400);
/// How long a process that was asked to end may take.
const ENDING: Duration = Duration::from_secs(5);

pub(super) fn seen(evidence: impl Into<String>) -> Proof {
    Proof { landed: true, evidence: evidence.into() }
}

pub(super) fn unseen(evidence: impl Into<String>) -> Proof {
    Proof { landed: false, evidence: evidence.into() }
}

impl Shared {
    /// Looks for the effect; whatever keeps it from being looked at counts as not seen.
    pub(super) async fn prove(
        &self,
        plan: &Plan,
        live: &Live,
        before: &Before,
        placed: &Placed,
        state: &mut State,
    ) -> Proof {
        let result = match &plan.action {
            Action::Signal { process, what } => self.process(process, *what).await,
            Action::Table { network, effect: TableEffect::Hush { .. }, ask, .. } => {
                self.hush(network, *ask, placed, state).await
            }
            Action::Table { network, ask, .. } => self.cut(network, *ask, before, placed, state).await,
            Action::Shape { network, ask, delay, jitter, .. } => {
                self.slow_link(network, *ask, (*delay, *jitter), before, placed, state).await
            }
            Action::Relay { network, peer, delay, jitter } => {
                self.slow_peer(network, *peer, (*delay, *jitter), before).await
            }
            Action::Postgres { dsn, table, lock } => match &live.intent.undo {
                Undo::EndHolder { session: Some(session), .. } => {
                    session::postgres(dsn, &session.backend, table.as_deref(), *lock).await
                }
                _ => Err(FaultError::Lost),
            },
            Action::Sqlite { path, mode } => {
                let (path, mode) = (path.clone(), *mode);
                let looked = tokio::task::spawn_blocking(move || session::sqlite(&path, mode)).await;
                looked.map_err(|_| FaultError::Lost)
            }
        };
        result.unwrap_or_else(|error| unseen(format!("its effect could not be looked for: {error}")))
    }

    async fn process(&self, process: &ProcessIdentity, what: Sent) -> Result<Proof, FaultError> {
        let (wanted, words, patience) = match what {
            Sent::End(_) => (Life::Gone, "gone", ENDING),
            _ => (Life::Stopped, "stopped, in every thread", Duration::from_secs(1)),
        };
        let began = tokio::time::Instant::now();
        if until(patience, || Ok::<_, FaultError>(self.kernel.life(process)? == wanted)).await? {
            Ok(seen(format!("process {} is {words}, after {} ms", process.pid, began.elapsed().as_millis())))
        } else {
            Ok(unseen(format!("process {} is not {words} after {} s", process.pid, patience.as_secs())))
        }
    }

    /// A peer that answered before and is silent now; or, where none answered, packets that the rules dropped.
    async fn cut(
        &self,
        network: &NetworkIdentity,
        ask: Option<SocketAddr>,
        before: &Before,
        placed: &Placed,
        state: &mut State,
    ) -> Result<Proof, FaultError> {
        let Some(ask) = ask else {
            let hits = self.hits(placed, state, Duration::from_secs(1)).await?;
            return Ok(by_count(hits, "there is no witness to ask"));
        };
        let inside = network.clone();
        let after = blocking(&self.kernel, move |kernel| kernel.reach(&inside, ask, SILENCE)).await?;
        match (&before.reach, after) {
            (_, Reach::Accepted(time)) => {
                Ok(unseen(format!("{ask} still accepts, after {} ms", time.as_millis())))
            }
            (_, Reach::Refused(why)) => Ok(unseen(format!("{ask} still answers: {why}"))),
            (Some(Reach::Accepted(time)), Reach::Silent) => Ok(seen(format!(
                "{ask} accepted in {:.1} ms before; now nothing comes back within {} ms",
                time.as_secs_f64() * 1e3,
                SILENCE.as_millis()
            ))),
            (Some(Reach::Refused(_)), Reach::Silent) => Ok(seen(format!(
                "{ask} refused at once before; now nothing comes back within {} ms",
                SILENCE.as_millis()
            ))),
            (_, Reach::Silent) => {
                let hits = self.hits(placed, state, Duration::from_secs(1)).await?;
                Ok(by_count(hits, &format!("{ask} did not answer before either")))
            }
        }
    }

    /// The connection opened before is not heard any more, and a new one passes.
    async fn hush(
        &self,
        network: &NetworkIdentity,
        ask: Option<SocketAddr>,
        placed: &Placed,
        state: &mut State,
    ) -> Result<Proof, FaultError> {
        let (Some(ask), Some(place)) = (ask, placed.conversation) else {
            let hits = self.hits(placed, state, Duration::from_secs(2)).await?;
            return Ok(by_count(
                hits,
                &format!("{} connections were established and no witness answers", placed.connections),
            ));
        };
        let Hold::Conversation(mut conversation) = state.holds.remove(place) else {
            return Err(FaultError::Lost);
        };
        let listened = tokio::task::spawn_blocking(move || {
            let heard = conversation.is_heard(SILENCE);
            (heard, conversation)
        });
        let (heard, conversation) = listened.await.map_err(|_| FaultError::Lost)?;
        state.holds.push(Hold::Conversation(conversation));
        if heard? {
            return Ok(unseen(format!("a connection to {ask} opened before is still heard")));
        }
        let inside = network.clone();
        match blocking(&self.kernel, move |kernel| kernel.reach(&inside, ask, BASELINE)).await? {
            Reach::Accepted(time) => Ok(seen(format!(
                "a connection to {ask} opened before gets no acknowledgement within {} ms, one of {}; a new one is accepted in {:.1} ms",
                SILENCE.as_millis(),
                placed.connections,
                time.as_secs_f64() * 1e3
            ))),
            other => Ok(unseen(format!("new connections to {ask} do not pass either: {other:?}"))),
        }
    }

    /// Waits until the rules have chosen a packet.
    pub(super) async fn hits(
        &self,
        placed: &Placed,
        state: &mut State,
        patience: Duration,
    ) -> Result<u64, FaultError> {
        let Some(Hold::Table(table)) = placed.table.and_then(|place| state.holds.get(place)) else {
            return Err(FaultError::Lost);
        };
        let mut hits = 0;
        until(patience, || {
            hits = table.hits()?;
            Ok::<_, FaultError>(hits > 0)
        })
        .await?;
        Ok(hits)
    }
}

pub(super) fn by_count(hits: u64, why: &str) -> Proof {
    if hits > 0 {
        seen(format!("{why}; the rules chose {hits} packets"))
    } else {
        unseen(format!("{why}, and the rules chose no packet"))
    }
}
