//! Replicas whose replay is paused.

use deadstick_core::ledger::ServerIdentity;

use super::session::{address, psql};
use super::{Secrets, UndoFailure, Undone};
use crate::database::Server;
use crate::database::postgres::{self as database, DatabaseError, limited};

/// Lets replay go on, if it is still paused in the run of the server in which we paused it.
pub(super) async fn resume(
    dsn: &str,
    server: &ServerIdentity,
    secrets: &Secrets,
) -> Result<Undone, UndoFailure> {
    match try_resume(dsn, server, secrets).await {
        // Nothing listens there any more: the server ended, and a pause does not outlive it.
        Err(error) if error.is_refused() => Ok(Undone::AlreadyGone),
        other => other.map_err(|error| UndoFailure {
            why: format!(
                "cannot see whether replay at {dsn} goes on: {error}{}",
                secrets.missing(Server::Postgres)
            ),
            manual: psql(dsn, "select pg_wal_replay_resume()"),
        }),
    }
}

async fn try_resume(dsn: &str, server: &ServerIdentity, secrets: &Secrets) -> Result<Undone, DatabaseError> {
    let client = database::connect(&address(dsn, secrets)?).await?;
    if database::server(&client).await? != *server || !database::is_replay_paused(&client).await? {
        return Ok(Undone::AlreadyGone);
    }
    limited(client.batch_execute("select pg_wal_replay_resume()")).await?;
    if database::is_replay_paused(&client).await? { Err(DatabaseError::Silent) } else { Ok(Undone::Done) }
}
