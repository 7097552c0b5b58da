//! Looking for a fault's effect, from the victim's side (design law 5).

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use deadstick_core::fault::LockMode;
use deadstick_core::identity::{BackendIdentity, NetworkIdentity, ProcessIdentity};
use deadstick_core::ledger::Undo;
use rusqlite::{Connection, OpenFlags};

use super::apply::{BASELINE, Before, Placed, blocking};
use super::live::{Hold, Live, State};
use super::{Proof, Shared};
use crate::database;
use crate::error::FaultError;
use crate::kernel::{Reach, Sent, TableEffect};
use crate::plan::{Action, Plan, sql_mode};
use crate::process::Life;
use crate::undo::until;

/// How long nothing must come back before a peer counts as silent: many times a round trip between hosts that answer.
const SILENCE: Duration = Duration::from_millis(400);
/// How long a process that was asked to end may take.
const ENDING: Duration = Duration::from_secs(5);

fn seen(evidence: impl Into<String>) -> Proof {
    Proof { landed: true, evidence: evidence.into() }
}

fn unseen(evidence: impl Into<String>) -> Proof {
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
                self.slow(network, *ask, *delay - *jitter, before, placed, state).await
            }
            Action::Relay { network, peer, delay, jitter } => {
                self.late(network, *peer, *delay - *jitter, before).await
            }
            Action::Postgres { dsn, table, lock } => match &live.intent.undo {
                Undo::EndHolder { session: Some(session), .. } => {
                    postgres(dsn, &session.backend, table.as_deref(), *lock).await
                }
                _ => Err(FaultError::Lost),
            },
            Action::Sqlite { path, mode } => {
                let (path, mode) = (path.clone(), *mode);
                let looked = tokio::task::spawn_blocking(move || sqlite(&path, mode)).await;
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
    async fn hits(&self, placed: &Placed, state: &mut State, patience: Duration) -> Result<u64, FaultError> {
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

    /// A connection takes as much longer as its packets are late.
    async fn slow(
        &self,
        network: &NetworkIdentity,
        ask: Option<SocketAddr>,
        least: Duration,
        before: &Before,
        placed: &Placed,
        state: &mut State,
    ) -> Result<Proof, FaultError> {
        let (Some(ask), Some(Reach::Accepted(plain))) = (ask, before.reach.clone()) else {
            let hits = self.hits(placed, state, Duration::from_secs(1)).await?;
            return Ok(by_count(hits, "no peer answers"));
        };
        let inside = network.clone();
        let patience = BASELINE + 4 * least;
        Ok(match blocking(&self.kernel, move |kernel| kernel.reach(&inside, ask, patience)).await? {
            Reach::Accepted(late) => compared(ask, plain, late, least),
            other => unseen(format!("{ask} does not accept any more: {other:?}")),
        })
    }

    /// The end of a connection takes as much longer as it is late.
    async fn late(
        &self,
        network: &NetworkIdentity,
        peer: SocketAddr,
        least: Duration,
        before: &Before,
    ) -> Result<Proof, FaultError> {
        let Some(plain) = before.farewell else {
            return Ok(unseen(format!(
                "{peer} did not answer the end of a connection before, so there is nothing to compare with"
            )));
        };
        let inside = network.clone();
        let patience = BASELINE + 4 * least;
        let Some(late) =
            blocking(&self.kernel, move |kernel| kernel.farewell(&inside, peer, patience)).await?
        else {
            return Ok(unseen(format!("{peer} did not answer within {} ms", patience.as_millis())));
        };
        Ok(compared(peer, plain, late, least))
    }
}

fn compared(peer: SocketAddr, plain: Duration, late: Duration, least: Duration) -> Proof {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let words = format!("{peer} answered in {:.1} ms before, in {:.1} ms now", ms(plain), ms(late));
    if late >= plain + least { seen(words) } else { unseen(words) }
}

fn by_count(hits: u64, why: &str) -> Proof {
    if hits > 0 {
        seen(format!("{why}; the rules chose {hits} packets"))
    } else {
        unseen(format!("{why}, and the rules chose no packet"))
    }
}

/// Sees the session from another one.
async fn postgres(
    dsn: &str,
    backend: &BackendIdentity,
    table: Option<&str>,
    lock: Option<LockMode>,
) -> Result<Proof, FaultError> {
    match look(dsn, backend, table, lock).await {
        Ok(proof) => Ok(proof),
        Err(error) => Ok(unseen(format!("a second session could not look: {error}"))),
    }
}

async fn look(
    dsn: &str,
    backend: &BackendIdentity,
    table: Option<&str>,
    lock: Option<LockMode>,
) -> Result<Proof, database::DatabaseError> {
    let mut config = database::config(dsn)?;
    config.application_name("deadstick proof");
    let client = database::connect(&config).await?;
    let mode = lock.map_or("AccessShareLock", |lock| {
        if sql_mode(lock) == "SHARE" { "ShareLock" } else { "AccessExclusiveLock" }
    });
    let sql = "select a.state, ($3::text is null) or exists (
                   select from pg_locks l where l.pid = a.pid and l.granted and l.mode = $4 and l.relation = ($3::text)::regclass)
               from pg_stat_activity a
               where a.pid = $1 and (a.backend_start at time zone 'utc')::text = $2";
    let mut last = "is not there".to_owned();
    // The server shows the new state a moment after it answered the client.
    for _ in 0..50 {
        if let Some(row) =
            database::limited(client.query_opt(sql, &[&backend.pid, &backend.started, &table, &mode])).await?
        {
            let (state, locked): (Option<String>, bool) = (row.try_get(0)?, row.try_get(1)?);
            let state = state.unwrap_or_default();
            if locked && state == "idle in transaction" {
                let holds = table.map_or(String::new(), |table| format!(" and holds {table} ({mode})"));
                return Ok(seen(format!(
                    "a second session sees backend {} idle in transaction{holds}",
                    backend.pid
                )));
            }
            last = format!("is {state:?}, lock granted: {locked}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(unseen(format!("a second session looked for backend {}, which {last}", backend.pid)))
}

/// Tries what the lock must forbid, on a second connection.
fn sqlite(path: &Path, mode: LockMode) -> Proof {
    let (flags, tried, statement) = match mode {
        LockMode::Share => (OpenFlags::SQLITE_OPEN_READ_WRITE, "writing", "begin immediate"),
        LockMode::Exclusive => {
            (OpenFlags::SQLITE_OPEN_READ_ONLY, "reading", "select count(*) from sqlite_schema")
        }
    };
    let attempt = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(Duration::ZERO)?;
        let mut statement = connection.prepare(statement)?;
        let mut rows = statement.query([])?;
        rows.next().map(|_| ())
    });
    match attempt {
        Ok(()) => unseen(format!("{tried} is possible on a second connection")),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
            seen(format!("{tried} is refused on a second connection: the file is locked"))
        }
        Err(error) => {
            unseen(format!("{tried} failed on a second connection, but not because of the lock: {error}"))
        }
    }
}
