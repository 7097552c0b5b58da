//! Holding an SQLite file locked.

use std::path::Path;

use deadstick_core::fault::LockMode;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::mpsc;

use super::{Order, Said, go, patience, say};

pub(super) async fn hold(
    order: &Order,
    path: &Path,
    mode: LockMode,
    inbox: &mut mpsc::UnboundedReceiver<String>,
) -> Result<(), String> {
    let text = |error: rusqlite::Error| error.to_string();
    // Neither flag makes a file that is not there.
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(text)?;
    connection.busy_timeout(patience(order)).map_err(text)?;
    let journal: String = connection.query_row("pragma journal_mode", [], |row| row.get(0)).map_err(text)?;
    if journal == "wal" && mode == LockMode::Exclusive {
        return Err(
            "the file is in WAL mode, where no lock keeps readers out; ask for the mode `share`".to_owned()
        );
    }
    if !go(None, inbox).await? {
        return Ok(());
    }
    let begin = match mode {
        LockMode::Share => "begin immediate",
        LockMode::Exclusive => "begin exclusive",
    };
    let acquiring = tokio::task::spawn_blocking(move || connection.execute_batch(begin).map(|()| connection));
    let connection = tokio::select! {
        acquired = acquiring => acquired.map_err(|error| error.to_string())?.map_err(text)?,
        // No line but the end of input can come now.
        _ = inbox.recv() => return Ok(()),
    };
    say(&Said::Held).map_err(|error| error.to_string())?;
    inbox.recv().await;
    connection.execute_batch("rollback").map_err(text)
}
