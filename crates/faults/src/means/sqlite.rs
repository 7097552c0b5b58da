//! SQLite files that are locked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use deadstick_core::fault::LockMode;
use deadstick_core::ledger::Undo;
use rusqlite::{Connection, OpenFlags};

use super::holding::Look;
use super::{Means, Prepared, Site, Step, seen, unseen};
use crate::error::FaultError;
use crate::holder::What;
use crate::holder::link::Holder;
use crate::injector::Proof;
use crate::plan::{Planned, PlannedObject};
use crate::undo::Secrets;

/// Plans a lock on a file.
pub(crate) fn plan(path: &Path, mode: LockMode) -> Planned {
    let who = if mode == LockMode::Share { "writers wait" } else { "everybody waits" };
    let objects = vec![PlannedObject::new(
        format!("SQLite file {}: locked, {who}", path.display()),
        "roll back and end the process that holds it",
    )];
    Planned::new(Locked { path: path.to_owned(), mode }, objects)
}

#[derive(Clone, Debug)]
struct Locked {
    path: PathBuf,
    mode: LockMode,
}

impl Means for Locked {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let holder = site.holder(What::Sqlite { path: self.path.clone(), mode: self.mode }).await?;
            let undo = Undo::EndHolder { process: holder.process.clone(), session: None };
            Ok(Prepared::held(undo, Secrets::default(), holder, self.clone()))
        })
    }
}

impl Look for Locked {
    fn look<'a>(&'a mut self, _: &'a Holder, _: &'a Site) -> Step<'a, Proof> {
        let Locked { path, mode } = self.clone();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || examine(&path, mode)).await.map_err(|_| FaultError::Lost)
        })
    }
}

/// Tries what the lock must forbid, on a second connection.
fn examine(path: &Path, mode: LockMode) -> Proof {
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
