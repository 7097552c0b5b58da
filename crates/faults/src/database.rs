//! PostgreSQL sessions of ours, seen from another session: looked for, and ended.
//!
//! Owns the connection with its time limits and the way a DSN is written without its password.

use std::time::Duration;

use deadstick_core::identity::BackendIdentity;
use deadstick_core::ledger::DatabaseSession;
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls};

use crate::undo::{Secrets, UndoFailure, Undone};

/// No answer of a healthy server takes as long.
const PATIENCE: Duration = Duration::from_secs(3);

/// A database that could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// The DSN cannot be read.
    #[error("cannot read the DSN: {}", chain(.0))]
    Dsn(#[source] tokio_postgres::Error),
    /// The DSN asks for TLS.
    #[error("the DSN asks for TLS, which is not spoken here")]
    Tls,
    /// The server said no, or nothing is there.
    #[error("PostgreSQL: {}", chain(.0))]
    Server(#[from] tokio_postgres::Error),
    /// The server did not answer.
    #[error("PostgreSQL did not answer within {} s", PATIENCE.as_secs())]
    Silent,
}

/// The whole chain: the driver's own text says only "db error".
fn chain(error: &tokio_postgres::Error) -> String {
    use std::error::Error;
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// Reads a DSN.
pub(crate) fn config(dsn: &str) -> Result<Config, DatabaseError> {
    let mut config: Config = dsn.parse().map_err(DatabaseError::Dsn)?;
    if config.get_ssl_mode() == SslMode::Require {
        return Err(DatabaseError::Tls);
    }
    config.connect_timeout(PATIENCE);
    Ok(config)
}

/// The password in a DSN.
pub(crate) fn password(config: &Config) -> Option<String> {
    config.get_password().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// The DSN in words and values, without its password: what the ledger may hold.
pub(crate) fn without_password(config: &Config) -> String {
    let quoted = |value: &str| format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"));
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    let ports: Vec<String> = config.get_ports().iter().map(u16::to_string).collect();
    let pairs = [
        ("host", Some(hosts.join(",")).filter(|text| !text.is_empty())),
        ("port", Some(ports.join(",")).filter(|text| !text.is_empty())),
        ("user", config.get_user().map(str::to_owned)),
        ("dbname", config.get_dbname().map(str::to_owned)),
    ];
    let words: Vec<String> =
        pairs.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", quoted(&value?)))).collect();
    words.join(" ")
}

/// Connects; the connection lives on a task of its own and ends with the client.
pub(crate) async fn connect(config: &Config) -> Result<Client, DatabaseError> {
    let (client, connection) =
        timeout(PATIENCE, config.connect(NoTls)).await.map_err(|_| DatabaseError::Silent)??;
    // How the connection ends is seen by whoever uses the client.
    tokio::spawn(async move { connection.await.is_ok() });
    Ok(client)
}

/// The session of this client.
pub(crate) async fn backend(client: &Client) -> Result<BackendIdentity, DatabaseError> {
    let sql = "select pid, (backend_start at time zone 'utc')::text from pg_stat_activity where pid = pg_backend_pid()";
    let row = limited(client.query_one(sql, &[])).await?;
    Ok(BackendIdentity { pid: row.try_get(0)?, started: row.try_get(1)? })
}

/// Waits for a query, but not for ever.
pub(crate) async fn limited<T>(
    query: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, DatabaseError> {
    Ok(timeout(PATIENCE, query).await.map_err(|_| DatabaseError::Silent)??)
}

/// Looks for a session of ours, and ends it if it is still there.
pub(crate) async fn end_session(session: &DatabaseSession, secrets: &Secrets) -> Result<Undone, UndoFailure> {
    let pid = session.backend.pid;
    let manual = format!("psql \"{}\" -c 'select pg_terminate_backend({pid})'", session.dsn);
    match try_end(session, secrets).await {
        Ok(undone) => Ok(undone),
        // Nothing listens there any more: the server ended, and its sessions with it.
        Err(DatabaseError::Server(error)) if is_refused(&error) => Ok(Undone::AlreadyGone),
        Err(error) => {
            Err(UndoFailure { why: format!("cannot see whether session {pid} is gone: {error}"), manual })
        }
    }
}

async fn try_end(session: &DatabaseSession, secrets: &Secrets) -> Result<Undone, DatabaseError> {
    let mut config = config(&session.dsn)?;
    if let Some(password) = &secrets.password {
        config.password(password);
    }
    config.application_name("deadstick undo");
    let client = connect(&config).await?;
    let BackendIdentity { pid, started } = &session.backend;
    let there = "select count(*) from pg_stat_activity where pid = $1 and (backend_start at time zone 'utc')::text = $2";
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity
               where pid = $1 and (backend_start at time zone 'utc')::text = $2";
    // Its client is gone already, so it is on its way out in most cases; it is ended only if it lingers.
    for attempt in 0..100 {
        let sql = if attempt == 10 { end } else { there };
        let count: i64 = limited(client.query_one(sql, &[pid, started])).await?.try_get(0)?;
        if count == 0 {
            return Ok(if attempt == 0 { Undone::AlreadyGone } else { Undone::Done });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(DatabaseError::Silent)
}

fn is_refused(error: &tokio_postgres::Error) -> bool {
    use std::error::Error;
    let kind =
        error.source().and_then(|source| source.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    matches!(kind, Some(std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::NotFound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_never_sees_a_password() {
        let config = config("postgres://ann:s3cret@db.example:5433/shop%20one").expect("a DSN");
        let text = without_password(&config);
        assert_eq!(text, "host='db.example' port='5433' user='ann' dbname='shop one'");
        assert_eq!(password(&config).as_deref(), Some("s3cret"));
        let again: Config = text.parse().expect("reads back");
        assert_eq!(
            (again.get_hosts(), again.get_ports(), again.get_user()),
            (config.get_hosts(), config.get_ports(), config.get_user())
        );
    }

    #[test]
    fn tls_is_refused_by_name() {
        assert!(matches!(config("postgres://db.example/x?sslmode=require"), Err(DatabaseError::Tls)));
    }
}
