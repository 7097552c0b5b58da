//! Holding a PostgreSQL session: a table lock, or an idle transaction.

use std::time::Duration;

use deadstick_core::fault::LockMode;
use tokio::sync::mpsc;
use tokio_postgres::Client;

use super::{Order, Said, go, patience, say};
use crate::database::{self, DatabaseError};
use crate::means::postgres::sql_mode;
use crate::process;

pub(super) async fn hold(
    order: &Order,
    dsn: &str,
    table: Option<&str>,
    lock: Option<LockMode>,
    inbox: &mut mpsc::UnboundedReceiver<String>,
) -> Result<(), String> {
    let text = |error: DatabaseError| error.to_string();
    let mut config = database::config(dsn).map_err(text)?;
    config.application_name(&order.application);
    let client = database::connect(&config).await.map_err(text)?;
    prepare(&client, order).await.map_err(text)?;
    let table = match table {
        Some(table) => Some(quoted(&client, table).await.map_err(text)?),
        None => None,
    };
    let backend = database::backend(&client).await.map_err(text)?;
    if !go(Some(backend), inbox).await? {
        return Ok(());
    }
    tokio::select! {
        acquired = acquire(&client, table.as_deref(), lock) => acquired.map_err(|error| text(error.into()))?,
        // No line but the end of input can come now.
        _ = inbox.recv() => return Ok(()),
    }
    say(&Said::Held).map_err(|error| error.to_string())?;
    inbox.recv().await;
    // The transaction ends here rather than with the socket: the server need not notice first.
    client.batch_execute("rollback").await.map_err(|error| text(error.into()))
}

/// Server-side limits: the session ends with the lease even when this process, its owner and its host are gone.
async fn prepare(client: &Client, order: &Order) -> Result<(), DatabaseError> {
    let lease = Duration::from_millis(order.ends_boottime_ms.saturating_sub(process::boottime_ms()))
        .max(Duration::from_secs(1));
    let lease = lease.as_millis().min(i32::MAX.unsigned_abs().into());
    let acquire = patience(order).as_millis().max(1);
    // The keepalives tell the server within seconds that our host is gone; on a local socket they mean nothing.
    let sql = format!(
        "set idle_in_transaction_session_timeout = {lease}; set statement_timeout = {acquire}; set lock_timeout = {acquire};
         set tcp_keepalives_idle = 1; set tcp_keepalives_interval = 1; set tcp_keepalives_count = 3;
         set client_connection_check_interval = 1000"
    );
    match database::limited(client.batch_execute(&sql)).await {
        // Not every platform of the server can check the connection of a running statement.
        Err(DatabaseError::Server(error))
            if error.code() == Some(&tokio_postgres::error::SqlState::INVALID_PARAMETER_VALUE) =>
        {
            let (first, _) = sql.rsplit_once(';').unwrap_or((&sql, ""));
            database::limited(client.batch_execute(first)).await
        }
        other => other,
    }
}

/// The table's name as the server writes it, quoted where it must be.
async fn quoted(client: &Client, table: &str) -> Result<String, DatabaseError> {
    Ok(database::limited(client.query_one("select ($1::text)::regclass::text", &[&table]))
        .await?
        .try_get(0)?)
}

async fn acquire(
    client: &Client,
    table: Option<&str>,
    lock: Option<LockMode>,
) -> Result<(), tokio_postgres::Error> {
    let statement = match (lock, table) {
        (Some(mode), Some(table)) => format!("lock table {table} in {} mode", sql_mode(mode)),
        (_, Some(table)) => format!("select from {table} limit 1"),
        (_, None) => "select 1".to_owned(),
    };
    client.batch_execute("begin").await?;
    client.batch_execute(&statement).await
}
