//! PostgreSQL: the connection, the limits that the server keeps for it, and its DSN without the password.

use std::error::Error;
use std::time::Duration;

use deadstick_core::dsn::DsnError;
use deadstick_core::identity::BackendIdentity;
use deadstick_core::ledger::ServerIdentity;
use deadstick_core::tls;
pub(crate) use deadstick_tls::postgres::Address;
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::config::{ChannelBinding, Host, SslNegotiation};
use tokio_postgres::error::SqlState;

pub(crate) use super::PATIENCE;
use super::{absolute, nobody_listens};

/// A database that could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// The DSN cannot be read.
    #[error(transparent)]
    Dsn(#[from] DsnError),
    /// The server said no, or nothing is there.
    #[error("PostgreSQL: {}", chain(.0))]
    Server(#[from] tokio_postgres::Error),
    /// The server did not answer.
    #[error("PostgreSQL did not answer within {} s", PATIENCE.as_secs())]
    Silent,
}

impl DatabaseError {
    /// The server's own code for what went wrong.
    pub(crate) fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Server(error) => error.code(),
            _ => None,
        }
    }

    /// Nothing listens there any more: the server ended, and its sessions with it.
    pub(crate) fn is_refused(&self) -> bool {
        let Self::Server(error) = self else { return false };
        error.source().and_then(|source| source.downcast_ref()).is_some_and(nobody_listens)
    }

    /// The server has no place for another session.
    pub(crate) fn is_full(&self) -> bool {
        self.code() == Some(&SqlState::TOO_MANY_CONNECTIONS)
    }
}

/// The whole chain: the driver's own text says only "db error".
fn chain(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// Reads a DSN.
pub(crate) fn address(dsn: &str) -> Result<Address, DsnError> {
    let mut address = Address::read(dsn)?;
    address.tls = absolute(address.tls)?;
    address.config.connect_timeout(PATIENCE);
    Ok(address)
}

/// Whether the way there is a socket in the file system.
pub(crate) fn is_by_file(address: &Address) -> bool {
    address.config.get_hosts().iter().any(|host| matches!(host, Host::Unix(_)))
}

/// The password in a DSN.
pub(crate) fn password(address: &Address) -> Option<String> {
    address.config.get_password().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// The DSN in words and values, without its password: what the ledger may hold.
pub(crate) fn without_password(Address { config, tls, .. }: &Address) -> String {
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
    let bound = (config.get_channel_binding() == ChannelBinding::Require).then(|| "require".to_owned());
    let direct = (config.get_ssl_negotiation() == SslNegotiation::Direct).then(|| "direct".to_owned());
    let pairs = [
        ("host", Some(hosts.join(",")).filter(|text| !text.is_empty())),
        ("port", Some(ports.join(",")).filter(|text| !text.is_empty())),
        ("user", config.get_user().map(str::to_owned)),
        ("dbname", config.get_dbname().map(str::to_owned)),
        ("channel_binding", bound),
        ("sslnegotiation", direct),
    ];
    let pairs = pairs.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let words: Vec<String> = pairs
        .chain(tls::postgres::options(tls))
        .map(|(key, value)| format!("{key}={}", quoted(&value)))
        .collect();
    words.join(" ")
}

/// Connects; the connection lives on a task of its own and ends with the client.
pub(crate) async fn connect(address: &Address) -> Result<Client, DatabaseError> {
    let (client, connection) =
        timeout(PATIENCE, address.connect()).await.map_err(|_| DatabaseError::Silent)??;
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

/// The server's version, as in `150018`.
pub(crate) async fn version(client: &Client) -> Result<i32, DatabaseError> {
    let sql = "select current_setting('server_version_num')::int";
    Ok(limited(client.query_one(sql, &[])).await?.try_get(0)?)
}

/// Which run of which server this is.
pub(crate) async fn server(client: &Client) -> Result<ServerIdentity, DatabaseError> {
    let sql = "select system_identifier::text, (pg_postmaster_start_time() at time zone 'utc')::text from pg_control_system()";
    let row = limited(client.query_one(sql, &[])).await?;
    Ok(ServerIdentity { system: row.try_get(0)?, started: row.try_get(1)? })
}

/// Whether replay is paused, or was asked to; never on a server that is no replica.
pub(crate) async fn is_replay_paused(client: &Client) -> Result<bool, DatabaseError> {
    let sql = "select case when pg_is_in_recovery() then pg_is_wal_replay_paused() else false end";
    Ok(limited(client.query_one(sql, &[])).await?.try_get(0)?)
}

/// Places for sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    /// Those not kept for superusers.
    pub(crate) all: i64,
    /// Those in use.
    pub(crate) used: i64,
}

impl Places {
    pub(crate) const fn free(self) -> i64 {
        self.all - self.used
    }
}

/// Counts them. Rows of roles that we are no member of show little; a database is shown for clients only. Up to 11 the
/// senders of replication, which have none, sat among them.
pub(crate) async fn places(client: &Client) -> Result<Places, DatabaseError> {
    let sql = "select current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint
                    - coalesce(nullif(current_setting('reserved_connections', true), ''), '0')::bigint,
                  (select count(*) from pg_stat_activity where usesysid is not null and (datid is not null
                    or (state is not null and current_setting('server_version_num')::int < 120000)))";
    // Inside a transaction, what was seen before would be seen again.
    limited(client.batch_execute("select pg_stat_clear_snapshot()")).await?;
    let row = limited(client.query_one(sql, &[])).await?;
    Ok(Places { all: row.try_get(0)?, used: row.try_get(1)? })
}

/// Limits that the server keeps by itself, as far as it has them (9.6 to 17): the session ends with the lease even when
/// this process, its owner and its host are gone, and no statement runs longer than `acquire`.
pub(crate) async fn limit(client: &Client, lease: Duration, acquire: Duration) -> Result<(), DatabaseError> {
    let ms = |time: Duration| time.as_millis().clamp(1, i32::MAX.unsigned_abs().into()).to_string();
    // The keepalives tell the server within seconds that our host is gone; on a local socket they mean nothing.
    let sql = "select set_config(s.name, v.value, false) from pg_settings s join (values
                   ('idle_in_transaction_session_timeout', $1::text), ('idle_session_timeout', $1), ('transaction_timeout', $1),
                   ('statement_timeout', $2::text), ('lock_timeout', $2),
                   ('tcp_keepalives_idle', '1'), ('tcp_keepalives_interval', '1'), ('tcp_keepalives_count', '3')
               ) v (name, value) on v.name = s.name";
    limited(client.query(sql, &[&ms(lease.max(Duration::from_secs(1))), &ms(acquire)])).await?;
    let sql = "select set_config(name, '1000', false) from pg_settings where name = 'client_connection_check_interval'";
    match limited(client.query(sql, &[])).await {
        // Not every platform of the server can check the connection of a running statement.
        Err(error) if error.code() == Some(&SqlState::INVALID_PARAMETER_VALUE) => Ok(()),
        other => other.map(drop),
    }
}

/// Waits for a query, but not for ever.
pub(crate) async fn limited<T>(
    query: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, DatabaseError> {
    Ok(timeout(PATIENCE, query).await.map_err(|_| DatabaseError::Silent)??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_never_sees_a_password() {
        let address = address("postgres://ann:s3cret@db.example:5433/shop%20one").expect("a DSN");
        let text = without_password(&address);
        assert_eq!(text, "host='db.example' port='5433' user='ann' dbname='shop one'");
        assert_eq!(password(&address).as_deref(), Some("s3cret"));
    }

    #[test]
    fn what_the_ledger_holds_reads_back() {
        for dsn in [
            "postgres://ann@db.example:5433/shop",
            "postgres://ann@a,b/shop?sslmode=disable",
            "postgres://ann@db.example/shop?sslmode=verify-ca&sslrootcert=/ca%27s/ca.pem&channel_binding=require",
            "postgres://ann@db.example/shop?sslmode=require&sslcert=/c.pem&sslkey=/k.pem&sslnegotiation=direct",
        ] {
            let address = address(dsn).expect(dsn);
            let again = self::address(&without_password(&address)).expect(dsn);
            assert_eq!((again.config, again.tls), (address.config, address.tls), "{dsn}");
        }
    }

    #[test]
    fn a_file_is_found_from_whichever_folder() {
        let text =
            without_password(&address("postgres://h?sslmode=verify-full&sslrootcert=ca.pem").expect("a DSN"));
        let folder = std::env::current_dir().expect("a folder");
        assert!(text.ends_with(&format!("sslrootcert='{}'", folder.join("ca.pem").display())), "{text}");
    }
}
