//! Sessions that hold something: a lock on a table, on rows, by number, or a transaction that does nothing.

use std::time::Duration;

use deadstick_core::fault::Fault;
use deadstick_core::identity::BackendIdentity;
use deadstick_core::ledger::{SessionIdentity, Undo};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::Place;
use super::held::Held;
use crate::database::postgres::{DatabaseError, limited};
use crate::error::FaultError;
use crate::holder::What;
use crate::holder::link::Holder;
use crate::injector::Proof;
use crate::means::holding::Look;
use crate::means::{Means, Prepared, Site, Step, seen, unseen};
use crate::plan::{Planned, PlannedObject};

/// Plans a session.
pub(super) fn plan(place: Place, fault: &Fault) -> Result<Planned, FaultError> {
    let held = match fault.clone() {
        Fault::Lock { table: Some(table), mode, rows: None, advisory: None } => Held::Table { table, mode },
        Fault::Lock { table: Some(table), mode, rows: Some(rows), advisory: None } => {
            Held::Rows { table, rows, mode }
        }
        Fault::Lock { table: None, mode, rows: None, advisory: Some(number) } => {
            Held::Advisory { number, mode }
        }
        Fault::Lock { advisory: Some(_), .. } => {
            return Err(FaultError::refused("an advisory lock has no table and no rows", "leave them out"));
        }
        Fault::Lock { rows: Some(_), .. } => {
            return Err(FaultError::refused("a lock on rows without a table", "name the table"));
        }
        Fault::IdleInTransaction { table } => Held::Idle { table },
        other => {
            let what = format!("a PostgreSQL {} without a table", other.kind());
            return Err(FaultError::refused(what, "name the table, or the number of an advisory lock"));
        }
    };
    let object = PlannedObject::new(
        format!("one session: {}", held.words()),
        "roll back and end the session; the server ends it by itself when the lease is over",
    );
    Ok(Planned::new(Session { place, held }, vec![object]))
}

#[derive(Clone, Debug)]
struct Session {
    place: Place,
    held: Held,
}

struct Holding {
    means: Session,
    backend: BackendIdentity,
}

impl Means for Session {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let secrets = self.place.secrets()?;
            let what = What::Postgres { dsn: self.place.dsn.clone(), held: self.held.clone() };
            let holder = site.holder(what).await?;
            let Some(SessionIdentity::Backend(backend)) = holder.session.clone() else {
                return Err(FaultError::Lost);
            };
            let session = self.place.remembered(SessionIdentity::Backend(backend.clone()))?;
            let undo = Undo::EndHolder { process: holder.process.clone(), session: Some(session) };
            Ok(Prepared::held(undo, secrets, holder, Holding { means: self.clone(), backend }))
        })
    }
}

impl Look for Holding {
    fn look<'a>(&'a mut self, _: &'a Holder, _: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let looked = look(&self.means, &self.backend).await;
            Ok(looked.unwrap_or_else(|error| unseen(format!("a second session could not look: {error}"))))
        })
    }
}

/// Sees the session from another one, and tries what it must forbid.
async fn look(Session { place, held }: &Session, backend: &BackendIdentity) -> Result<Proof, DatabaseError> {
    let client = place.visit("deadstick proof").await?;
    let (table, mode) = (held.table(), held.table_lock());
    let sql = "select a.state, ($3::text is null) or exists (
                   select from pg_locks l where l.pid = a.pid and l.granted and l.mode = $4 and l.relation = ($3::text)::regclass),
                   ($3::text)::regclass::text
               from pg_stat_activity a
               where a.pid = $1 and (a.backend_start at time zone 'utc')::text = $2";
    let mut last = "is not there".to_owned();
    // The server shows the new state a moment after it answered the client.
    for _ in 0..500 {
        if let Some(row) =
            limited(client.query_opt(sql, &[&backend.pid, &backend.started, &table, &mode])).await?
        {
            let (state, locked): (Option<String>, bool) = (row.try_get(0)?, row.try_get(1)?);
            let state = state.unwrap_or_default();
            if locked && state == "idle in transaction" {
                let quoted: Option<String> = row.try_get(2)?;
                return refused(&client, held, &quoted.unwrap_or_default(), backend).await;
            }
            last = format!("is {state:?}, lock granted: {locked}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(unseen(format!("a second session looked for backend {}, which {last}", backend.pid)))
}

/// Tries what it must forbid, as far as that can be tried without standing in anybody's way.
async fn refused(
    client: &Client,
    held: &Held,
    table: &str,
    backend: &BackendIdentity,
) -> Result<Proof, DatabaseError> {
    let there = format!("a second session sees backend {} idle in transaction", backend.pid);
    let Some(forbidden) = held.forbidden(table) else {
        let holds =
            held.table().map_or(String::new(), |table| format!(" and holds {table} ({})", held.table_lock()));
        return Ok(seen(there + &holds));
    };
    limited(client.batch_execute("begin")).await?;
    let tried = limited(client.batch_execute(&forbidden)).await;
    limited(client.batch_execute("rollback")).await?;
    match tried {
        Ok(()) => Ok(unseen(format!("{there}, but is not kept from what it should hold"))),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            Ok(seen(format!("{there}, and is refused the same lock")))
        }
        Err(other) => Err(other),
    }
}
