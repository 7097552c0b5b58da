//! Databases as faults meet them: how each kind of server is reached, and how its DSN is written without the password.
//!
//! Leaves what is held in a session to [`crate::holder`], and ending it from another process to
//! [`crate::undo`](mod@crate::undo).

pub(crate) mod address;
pub(crate) mod mysql;
pub(crate) mod postgres;
pub(crate) mod redis;

use std::time::Duration;

use deadstick_core::dsn::{DsnError, DsnProblem};
use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::tls::TlsSettings;

use crate::error::FaultError;

/// No answer of a healthy server takes as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Postgres,
    Mysql,
    Redis,
}

impl Server {
    /// Which kind a DSN is for.
    pub(crate) fn of(dsn: &str) -> Option<Self> {
        match dsn.split_once("://") {
            Some(("postgres" | "postgresql", _)) => Some(Self::Postgres),
            Some(("mysql" | "mariadb", _)) => Some(Self::Mysql),
            Some(("redis" | "rediss", _)) => Some(Self::Redis),
            Some(_) => None,
            None => dsn.contains('=').then_some(Self::Postgres),
        }
    }

    /// What people call it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL or MariaDB",
            Self::Redis => "Redis",
        }
    }

    /// How its DSNs begin.
    pub(crate) const fn scheme(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Redis => "redis",
        }
    }

    /// Where its own client program looks for a password.
    pub(crate) const fn password_variable(self) -> &'static str {
        match self {
            Self::Postgres => "PGPASSWORD",
            Self::Mysql => "MYSQL_PWD",
            Self::Redis => "REDISCLI_AUTH",
        }
    }
}

/// The target's database, whatever server it is on.
pub(crate) fn any(fault: &Fault, target: &ResolvedTarget) -> Result<(Server, String), FaultError> {
    let what = || format!("{} needs a database, and {} has none", fault.kind(), target.name);
    let none = || FaultError::refused(what(), "write postgres://…, mysql://… or redis://…");
    let dsn = target.dsn.clone().ok_or_else(none)?;
    check(&dsn)?;
    let unknown = || DsnError::whole(DsnProblem::NoScheme(SCHEMES));
    Ok((Server::of(&dsn).ok_or_else(unknown)?, dsn))
}

/// The target's database on the one kind of server that the fault is for.
pub(crate) fn on(wanted: Server, fault: &Fault, target: &ResolvedTarget) -> Result<String, FaultError> {
    let refused = |found: &str| {
        FaultError::refused(
            format!("{} needs a {} server, and {} has {found}", fault.kind(), wanted.word(), target.name),
            format!("name it as {}://…", wanted.scheme()),
        )
    };
    if target.dsn.is_none() {
        return Err(refused("no database"));
    }
    match any(fault, target)? {
        (found, dsn) if found == wanted => Ok(dsn),
        (found, _) => Err(refused(&format!("one of {}", found.word()))),
    }
}

/// The files that a DSN names, found from whichever folder it is read again: the guardian's, or that of the next boot.
fn absolute(tls: TlsSettings) -> Result<TlsSettings, DsnError> {
    tls.with_paths(|path| {
        let folder = |error: std::io::Error| DsnProblem::Folder { why: error.to_string() };
        std::path::absolute(&path).map_err(|error| DsnError::whole(folder(error)))
    })
}

/// Every scheme there is.
const SCHEMES: &[&str] = &["postgres", "postgresql", "mysql", "mariadb", "redis", "rediss"];

/// Whether a DSN can be read, of whichever kind of server.
///
/// # Errors
/// Why not, and where.
pub fn check(dsn: &str) -> Result<(), DsnError> {
    match Server::of(dsn) {
        Some(Server::Postgres) => postgres::address(dsn).map(drop),
        Some(Server::Mysql | Server::Redis) => address::Address::read(dsn).map(drop),
        None if dsn.contains("://") => Err(DsnError { problem: DsnProblem::Scheme(SCHEMES), at: Some(1) }),
        None => Err(DsnError::whole(DsnProblem::NoScheme(SCHEMES))),
    }
}

/// Whether an error of a connection says that nothing listens there: the server ended, and what it held with it.
pub(crate) fn nobody_listens(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dsn_says_which_server_it_is_for() {
        for (dsn, server) in [
            ("postgres://h/db", Some(Server::Postgres)),
            ("postgresql://h/db", Some(Server::Postgres)),
            ("host=h user=u", Some(Server::Postgres)),
            ("mysql://h/db", Some(Server::Mysql)),
            ("mariadb://h/db", Some(Server::Mysql)),
            ("redis://h", Some(Server::Redis)),
            ("rediss://h", Some(Server::Redis)),
            ("mongodb://h", None),
            ("shop", None),
        ] {
            assert_eq!(Server::of(dsn), server, "{dsn}");
        }
    }
}
