//! Ending database sessions by their identity.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

use super::client::said;
use super::server::Server;
use super::{JOB, MIGRATE};
use crate::LabError;

/// How long a session that was terminated may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(3);

/// Sessions as rows of `pid, started`, whose client is of one of these names.
const BY_NAME: &str = "SELECT pid, (backend_start AT TIME ZONE 'utc')::text FROM pg_stat_activity WHERE application_name = ANY ($1) AND backend_type = 'client backend'";
/// The same, for one backend pid.
const BY_PID: &str = "SELECT pid, (backend_start AT TIME ZONE 'utc')::text FROM pg_stat_activity WHERE pid = $1 AND backend_type = 'client backend'";
/// By pid and start: never a later session that was given the same number.
const TERMINATE: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND (backend_start AT TIME ZONE 'utc')::text = $2";
const IS_THERE: &str =
    "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND (backend_start AT TIME ZONE 'utc')::text = $2";

fn failed(error: &tokio_postgres::Error) -> LabError {
    LabError::Database { doing: "end a session".to_owned(), detail: said(error) }
}

/// Ends what job and migration have left on a server.
pub(super) async fn end_ours(server: &Server) -> Result<(), LabError> {
    let keeper = server.session().await?;
    for row in keeper.query(BY_NAME, &[&[JOB, MIGRATE].as_slice()]).await.map_err(|e| failed(&e))? {
        end(&keeper, row.get(0), row.get(1)).await?;
    }
    Ok(())
}

/// Ends one session.
pub(super) async fn end_one(server: &Server, pid: i32) -> Result<(), LabError> {
    let keeper = server.session().await?;
    let found = keeper.query_opt(BY_PID, &[&pid]).await.map_err(|e| failed(&e))?;
    let row = found.ok_or(LabError::NoSession { pid })?;
    end(&keeper, pid, row.get(1)).await
}

async fn end(keeper: &Client, pid: i32, started: String) -> Result<(), LabError> {
    keeper.execute(TERMINATE, &[&pid, &started]).await.map_err(|e| failed(&e))?;
    let deadline = Instant::now() + GONE_WITHIN;
    while keeper.query_opt(IS_THERE, &[&pid, &started]).await.map_err(|e| failed(&e))?.is_some() {
        if Instant::now() >= deadline {
            return Err(LabError::LeftBehind { left: format!("the session with backend pid {pid}") });
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
