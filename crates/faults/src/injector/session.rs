//! Looking for the effect of a database fault, from a second session.

use std::path::Path;
use std::time::Duration;

use deadstick_core::fault::LockMode;
use deadstick_core::identity::BackendIdentity;
use rusqlite::{Connection, OpenFlags};

use super::Proof;
use super::prove::{seen, unseen};
use crate::database;
use crate::error::FaultError;
use crate::plan::sql_mode;

/// Sees the session from another one.
pub(super) async fn postgres(
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
pub(super) fn sqlite(path: &Path, mode: LockMode) -> Proof {
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
