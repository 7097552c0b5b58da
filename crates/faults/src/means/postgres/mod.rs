//! PostgreSQL: sessions that hold something, sessions that take every place, replay that stands still, sessions that are
//! ended.

mod backends;
mod crowd;
pub(crate) mod held;
mod replay;
mod session;

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::ledger::{DatabaseSession, SessionIdentity};
use tokio_postgres::Client;

use crate::database::postgres::{self as database, Address, DatabaseError};
use crate::database::{self as databases, Server};
use crate::error::FaultError;
use crate::plan::Planned;
use crate::undo::Secrets;

/// Plans what a session, or its absence, does.
pub(crate) fn plan(fault: &Fault, target: &ResolvedTarget) -> Result<Planned, FaultError> {
    let place = Place { dsn: databases::on(Server::Postgres, fault, target)? };
    match fault {
        Fault::ExhaustConnections { leave } => Ok(crowd::plan(place, *leave)),
        Fault::PauseReplay => Ok(replay::plan(place)),
        Fault::TerminateBackends { application, role } => {
            Ok(backends::plan(place, application.clone(), role.clone()))
        }
        other => session::plan(place, other),
    }
}

/// Where the server is; may hold a password, so never shown.
#[derive(Clone)]
struct Place {
    dsn: String,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&deadstick_core::text::redact_dsn(&self.dsn))
    }
}

impl Place {
    fn address(&self) -> Result<Address, FaultError> {
        Ok(database::address(&self.dsn)?)
    }

    fn secrets(&self) -> Result<Secrets, FaultError> {
        Ok(Secrets::with(database::password(&self.address()?)))
    }

    /// How the ledger remembers a session, or several.
    fn remembered(&self, backend: SessionIdentity) -> Result<DatabaseSession, FaultError> {
        Ok(DatabaseSession { dsn: database::without_password(&self.address()?), backend })
    }

    /// A session of our own beside the one that does the fault.
    async fn visit(&self, application: &str) -> Result<Client, DatabaseError> {
        let mut address = database::address(&self.dsn)?;
        address.config.application_name(application);
        database::connect(&address).await
    }
}

/// A server that does not do what is asked before anything was touched.
fn refused(error: impl std::fmt::Display) -> FaultError {
    FaultError::refused(error.to_string(), "see the DSN of the target, and what its role may do")
}
