//! `MySQL` and `MariaDB` sessions that hold a table lock.

use deadstick_core::fault::{Fault, LockMode, ResolvedTarget};
use deadstick_core::ledger::{ConnectionIdentity, DatabaseSession, SessionIdentity, Undo};

use super::holding::Look;
use super::{Means, Prepared, Site, Step, seen, unseen};
use crate::database::address::Address;
use crate::database::mysql::{self, LOCK_WAIT_TIMEOUT, MysqlError};
use crate::database::{self, Server};
use crate::error::FaultError;
use crate::holder::What;
use crate::holder::link::Holder;
use crate::injector::Proof;
use crate::plan::{Planned, PlannedObject};
use crate::undo::Secrets;

/// The server's words for a mode.
pub(crate) const fn sql_mode(mode: LockMode) -> &'static str {
    match mode {
        LockMode::Share => "READ",
        LockMode::Exclusive => "WRITE",
    }
}

/// Plans a session that locks a table.
pub(crate) fn plan(fault: &Fault, target: &ResolvedTarget) -> Result<Planned, FaultError> {
    let dsn = database::on(Server::Mysql, fault, target)?;
    let (table, mode) = match fault {
        Fault::Lock { table: Some(table), mode, rows: None, advisory: None } => (table, *mode),
        Fault::Lock { rows: Some(_), .. } => {
            return Err(FaultError::refused("locks on rows are built for PostgreSQL only", "lock the table"));
        }
        Fault::Lock { advisory: Some(_), .. } => {
            return Err(FaultError::refused("advisory locks are built for PostgreSQL only", "lock a table"));
        }
        other => {
            return Err(FaultError::refused(format!("a {} without a table", other.kind()), "name the table"));
        }
    };
    mysql::table(table).map_err(|why| FaultError::refused(why, "name the table as its server does"))?;
    let object = PlannedObject::new(
        format!("one session: LOCK TABLES {table} {}", sql_mode(mode)),
        "unlock and end the session; the server ends it by itself when the lease is over",
    );
    Ok(Planned::new(Locked { dsn, table: table.clone(), mode }, vec![object]))
}

#[derive(Clone)]
struct Locked {
    /// May hold a password.
    dsn: String,
    table: String,
    mode: LockMode,
}

impl std::fmt::Debug for Locked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Locked").field("table", &self.table).field("mode", &self.mode).finish_non_exhaustive()
    }
}

struct Locking {
    means: Locked,
    connection: ConnectionIdentity,
}

impl Means for Locked {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let Self { dsn, table, mode } = self.clone();
            let address = Address::read(&dsn)?;
            let holder = site.holder(What::Mysql { dsn, table, mode }).await?;
            let Some(SessionIdentity::Connection(connection)) = holder.session.clone() else {
                return Err(FaultError::Lost);
            };
            let session = DatabaseSession {
                dsn: address.without_password(),
                backend: SessionIdentity::Connection(connection.clone()),
            };
            let undo = Undo::EndHolder { process: holder.process.clone(), session: Some(session) };
            let secrets = Secrets::with(address.password);
            Ok(Prepared::held(undo, secrets, holder, Locking { means: self.clone(), connection }))
        })
    }
}

impl Look for Locking {
    fn look<'a>(&'a mut self, _: &'a Holder, _: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let looked = look(&self.means, &self.connection).await;
            Ok(looked.unwrap_or_else(|error| unseen(format!("a second session could not look: {error}"))))
        })
    }
}

/// Tries what the lock forbids: reading a row, or a change that would change nothing. Neither keeps readers waiting behind
/// it, as asking for the lock itself would.
async fn look(
    Locked { dsn, table, mode }: &Locked,
    connection: &ConnectionIdentity,
) -> Result<Proof, MysqlError> {
    let address = Address::read(dsn)?;
    let table = mysql::table(table).map_err(MysqlError::Refused)?;
    let mut session = mysql::Session::open(&address).await?;
    let holder =
        session.number(&format!("select is_used_lock({})", mysql::literal(&connection.lock))).await?;
    if holder != Some(connection.id) {
        return Ok(unseen(format!("session {} is not there any more", connection.id)));
    }
    session.query("set session lock_wait_timeout = 1").await?;
    session.query("start transaction").await?;
    let (doing, sql) = match mode {
        LockMode::Exclusive => ("reading", format!("select 1 from {table} limit 1")),
        LockMode::Share => ("writing", format!("delete from {table} where 1 = 0")),
    };
    match session.query(&sql).await {
        Ok(_) => Ok(unseen(format!("{doing} is possible in a second session"))),
        Err(error) if error.code() == Some(LOCK_WAIT_TIMEOUT) => {
            Ok(seen(format!("{doing} waits in a second session for longer than a second: {error}")))
        }
        Err(other) => Err(other),
    }
}
