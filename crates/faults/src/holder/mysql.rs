//! Holding a table of a `MySQL` or `MariaDB` server locked.

use std::time::Duration;

use deadstick_core::fault::LockMode;
use deadstick_core::ledger::{ConnectionIdentity, SessionIdentity};
use tokio::sync::mpsc;

use super::{Order, go, left, patience, say_held};
use crate::database::address::Address;
use crate::database::mysql::{MysqlError, Session, literal, table};
use crate::means::mysql::sql_mode;

pub(super) async fn hold(
    order: &Order,
    address: &Address,
    name: &str,
    mode: LockMode,
    inbox: &mut mpsc::UnboundedReceiver<String>,
) -> Result<(), String> {
    let text = |error: MysqlError| error.to_string();
    let table = table(name)?;
    let mut session = Session::open(address).await.map_err(text)?;
    let connection = prepare(&mut session, order).await.map_err(text)?;
    // Whether it is there, and may be read.
    session.query(&format!("select 1 from {table} where 1 = 0")).await.map_err(text)?;
    if !go(Some(SessionIdentity::Connection(connection)), inbox).await? {
        return Ok(());
    }
    let statement = format!("lock tables {table} {}", sql_mode(mode).to_lowercase());
    tokio::select! {
        locked = session.query_within(patience(order) + Duration::from_secs(2), &statement) => drop(locked.map_err(text)?),
        // No line but the end of input can come now.
        _ = inbox.recv() => return Ok(()),
    }
    say_held()?;
    inbox.recv().await;
    // Here rather than with the socket: the server need not notice first.
    session.query("unlock tables").await.map(drop).map_err(text)
}

/// Server-side limits, in whole seconds: a session that is quiet for as long as the lease is ended by the server, even when
/// this process, its owner and its host are gone. And the mark by which the session is known again.
async fn prepare(session: &mut Session, order: &Order) -> Result<ConnectionIdentity, MysqlError> {
    let seconds = |time: Duration| time.as_millis().div_ceil(1_000).clamp(1, 31_536_000);
    let (lease, acquire) = (seconds(left(order)), seconds(patience(order)));
    let sql = format!(
        "set session wait_timeout = {lease}, interactive_timeout = {lease}, net_read_timeout = {lease}, net_write_timeout = {lease}, \
         lock_wait_timeout = {acquire}"
    );
    session.query(&sql).await?;
    let id = session.number("select connection_id()").await?.ok_or(MysqlError::Form("connection_id()"))?;
    let lock = order.application.clone();
    if session.number(&format!("select get_lock({}, 0)", literal(&lock))).await? == Some(1) {
        Ok(ConnectionIdentity { id, lock })
    } else {
        Err(MysqlError::Refused(
            "the server gives no user-level lock, by which the session is known again".to_owned(),
        ))
    }
}
