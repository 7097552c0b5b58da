//! What the lab's database clients share: how they connect, and how they name their session.

use std::time::Duration;

use deadstick_core::identity::BackendIdentity;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Error, NoTls};

use super::{DATABASE, PORT, ROLE};

/// A session, and the task that moves its bytes; that one ends once the server knows that the client is gone.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) connection: JoinHandle<Result<(), Error>>,
}

/// How everybody in the lab connects to a server.
pub(super) fn config(host: &str, name: &str) -> Config {
    let mut config = Config::new();
    config.host(host).port(PORT).user(ROLE).dbname(DATABASE).application_name(name);
    config.connect_timeout(Duration::from_secs(3));
    config
}

pub(super) async fn connect(config: &Config) -> Result<Session, Error> {
    let (client, connection) = config.connect(NoTls).await?;
    Ok(Session { client, connection: tokio::spawn(connection) })
}

/// Who the server says that this session is.
pub(super) async fn identity(client: &Client) -> Result<BackendIdentity, Error> {
    let query = "SELECT pid, (backend_start AT TIME ZONE 'utc')::text FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    let row = client.query_one(query, &[]).await?;
    Ok(BackendIdentity { pid: row.try_get(0)?, started: row.try_get(1)? })
}

/// What the server said, rather than "db error".
pub(super) fn said(error: &Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |e| e.message().to_owned())
}
