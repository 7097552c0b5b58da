//! Holding a PostgreSQL session: a lock, or an idle transaction.

use tokio::sync::mpsc;
use tokio_postgres::Client;

use super::{Order, go, left, patience, say_held};
use crate::database::postgres::{self as database, Address, DatabaseError, limited};
use crate::means::postgres::held::Held;
use deadstick_core::ledger::SessionIdentity;

pub(super) async fn hold(
    order: &Order,
    mut address: Address,
    held: &Held,
    inbox: &mut mpsc::UnboundedReceiver<String>,
) -> Result<(), String> {
    let text = |error: DatabaseError| error.to_string();
    address.config.application_name(&order.application);
    let client = database::connect(&address).await.map_err(text)?;
    database::limit(&client, left(order), patience(order)).await.map_err(text)?;
    let table = match held.table() {
        Some(table) => quoted(&client, table).await.map_err(text)?,
        None => String::new(),
    };
    if let Some(beforehand) = held.beforehand(&table) {
        limited(client.batch_execute("begin read only")).await.map_err(text)?;
        let rows = limited(client.query(&beforehand, &[])).await.map_err(text)?;
        limited(client.batch_execute("rollback")).await.map_err(text)?;
        if rows.is_empty() {
            return Err(format!("no row of {table} meets the condition"));
        }
    }
    let backend = database::backend(&client).await.map_err(text)?;
    if !go(Some(SessionIdentity::Backend(backend)), inbox).await? {
        return Ok(());
    }
    let statement = held.statement(&table);
    tokio::select! {
        acquired = acquire(&client, &statement) => acquired.map_err(|error| text(error.into()))?,
        // No line but the end of input can come now.
        _ = inbox.recv() => return Ok(()),
    }
    say_held()?;
    inbox.recv().await;
    // The transaction ends here rather than with the socket: the server need not notice first.
    client.batch_execute("rollback").await.map_err(|error| text(error.into()))
}

/// The table's name as the server writes it, quoted where it must be.
async fn quoted(client: &Client, table: &str) -> Result<String, DatabaseError> {
    Ok(limited(client.query_one("select ($1::text)::regclass::text", &[&table])).await?.try_get(0)?)
}

/// One statement, and no way for a second one behind it: it is prepared.
async fn acquire(client: &Client, statement: &str) -> Result<(), tokio_postgres::Error> {
    client.batch_execute("begin").await?;
    client.query(statement, &[]).await.map(drop)
}
