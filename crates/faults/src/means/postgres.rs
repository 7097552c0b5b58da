//! PostgreSQL sessions that hold something: a table lock, or a transaction that does nothing.

use std::time::Duration;

use deadstick_core::fault::{Fault, LockMode, ResolvedTarget};
use deadstick_core::identity::BackendIdentity;
use deadstick_core::ledger::{DatabaseSession, Undo};
use futures_util::future::BoxFuture;

use super::{Effect, Means, Prepared, Site, Step, seen, unseen};
use crate::database;
use crate::error::FaultError;
use crate::holder::What;
use crate::holder::link::Holder;
use crate::injector::Proof;
use crate::plan::{Planned, PlannedObject};
use crate::undo::Secrets;

/// Plans a session.
pub(crate) fn plan(fault: &Fault, target: &ResolvedTarget) -> Result<Planned, FaultError> {
    let dsn = target.dsn.clone().ok_or_else(|| {
        FaultError::refused(
            format!("{} needs a PostgreSQL database, and {} has none", fault.kind(), target.name),
            "name it as postgres://…",
        )
    })?;
    let (what, means) = match fault {
        Fault::Lock { table: Some(table), mode, .. } => (
            format!("one session: holds {table} in {} mode", sql_mode(*mode)),
            Session { dsn, table: Some(table.clone()), lock: Some(*mode) },
        ),
        Fault::IdleInTransaction { table } => {
            let reads = table.as_ref().map_or(String::new(), |table| format!(", reads one row of {table}"));
            (
                format!("one session: opens a transaction{reads}, then does nothing"),
                Session { dsn, table: table.clone(), lock: None },
            )
        }
        _ => return Err(FaultError::refused("a PostgreSQL lock without a table", "name the table")),
    };
    Ok(Planned::new(means, vec![object(what)]))
}

/// A session of ours, as plans print it.
pub(crate) fn object(what: String) -> PlannedObject {
    PlannedObject::new(
        what,
        "roll back and end the session; the server ends it by itself when the lease is over",
    )
}

/// PostgreSQL's words for a mode.
pub(crate) const fn sql_mode(mode: LockMode) -> &'static str {
    match mode {
        LockMode::Share => "SHARE",
        LockMode::Exclusive => "ACCESS EXCLUSIVE",
    }
}

#[derive(Clone)]
struct Session {
    /// May hold a password.
    dsn: String,
    table: Option<String>,
    lock: Option<LockMode>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("table", &self.table)
            .field("lock", &self.lock)
            .finish_non_exhaustive()
    }
}

struct Holding {
    means: Session,
    backend: BackendIdentity,
    holder: Holder,
}

impl Means for Session {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let Self { dsn, table, lock } = self.clone();
            let config = database::config(&dsn)
                .map_err(|error| FaultError::refused(error.to_string(), "see the DSN of the target"))?;
            let holder = site.holder(What::Postgres { dsn, table, lock }).await?;
            let backend = holder.backend.clone().ok_or(FaultError::Lost)?;
            let session =
                DatabaseSession { dsn: database::without_password(&config), backend: backend.clone() };
            let undo = Undo::EndHolder { process: holder.process.clone(), session: Some(session) };
            let secrets = Secrets { password: database::password(&config) };
            let effect = Box::new(Holding { means: self.clone(), backend, holder });
            Ok(Prepared { undo, secrets, effect })
        })
    }
}

impl Effect for Holding {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        Box::pin(async move { site.unless_cancelled(self.holder.take_hold()).await?.map_err(super::failed) })
    }

    fn prove<'a>(&'a mut self, _: &'a Site) -> Step<'a, Proof> {
        let Session { dsn, table, lock } = &self.means;
        Box::pin(examine(dsn, &self.backend, table.as_deref(), *lock))
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            self.holder.let_go().await;
            true
        })
    }
}

/// Sees the session from another one.
async fn examine(
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
