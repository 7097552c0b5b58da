//! Sessions of ours on database servers: looked for from another session, and ended if they linger.

use std::time::Duration;

use deadstick_core::identity::BackendIdentity;
use deadstick_core::ledger::{ConnectionIdentity, DatabaseSession, SessionIdentity};
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use super::{Secrets, UndoFailure, Undone};
use crate::database::Server;
use crate::database::address::Address;
use crate::database::mysql::{self, MysqlError, NO_SUCH_THREAD, literal};
use crate::database::postgres::{self, DatabaseError, limited};

/// What our sessions are called that only look and end.
const APPLICATION: &str = "deadstick undo";
/// How long a session whose client is gone may take to end by itself before it is ended.
const BY_ITSELF: Duration = Duration::from_millis(100);
/// How long a session that is being ended may take, and a server to have a place for us.
const ENDING: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(10);

/// Looks for sessions of ours, and ends those that are still there.
pub(super) async fn end(session: &DatabaseSession, secrets: &Secrets) -> Result<Undone, UndoFailure> {
    let DatabaseSession { dsn, backend } = session;
    let server = match backend {
        SessionIdentity::Connection(_) => Server::Mysql,
        SessionIdentity::Backend(_) | SessionIdentity::Application { .. } => Server::Postgres,
    };
    let failed = |why: String, manual: String| UndoFailure {
        why: format!("cannot see whether our session at {dsn} is gone: {why}{}", secrets.missing(server)),
        manual,
    };
    match backend {
        SessionIdentity::Backend(backend) => {
            let manual = psql(dsn, &format!("select pg_terminate_backend({})", backend.pid));
            ended(end_backend(dsn, backend, secrets).await, DatabaseError::is_refused)
                .map_err(|error| failed(error.to_string(), manual))
        }
        SessionIdentity::Application { application } => {
            let sql = format!(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = '{application}'"
            );
            ended(end_application(dsn, application, secrets).await, DatabaseError::is_refused)
                .map_err(|error| failed(error.to_string(), psql(dsn, &sql)))
        }
        SessionIdentity::Connection(connection) => {
            let manual = mysql_command(dsn, connection.id);
            ended(end_connection(dsn, connection, secrets).await, MysqlError::is_refused)
                .map_err(|error| failed(error.to_string(), manual))
        }
    }
}

/// A command for people.
pub(super) fn psql(dsn: &str, sql: &str) -> String {
    format!("psql \"{dsn}\" -c \"{sql}\"")
}

fn mysql_command(dsn: &str, id: u64) -> String {
    match Address::read(dsn) {
        Ok(address) => {
            let Address { user, host, port, .. } = &address;
            let tls: String = address
                .tls_options()
                .into_iter()
                // MariaDB's program of the same name has no modes, and TLS where it can.
                .map(|(key, value)| match key {
                    "ssl-mode" => format!("--loose-ssl-mode={value} "),
                    key => format!("--{key}='{value}' "),
                })
                .collect();
            format!(
                "mysql {tls}--host='{host}' --port={port} --user='{user}' --password --execute='kill {id}'"
            )
        }
        Err(_) => format!("kill {id} # in a session at {dsn}"),
    }
}

/// Where nothing listens any more, the server ended, and its sessions with it.
fn ended<E>(result: Result<Undone, E>, is_refused: impl Fn(&E) -> bool) -> Result<Undone, E> {
    match result {
        Err(error) if is_refused(&error) => Ok(Undone::AlreadyGone),
        other => other,
    }
}

/// Our way in, with the password that the ledger does not hold.
pub(super) fn address(dsn: &str, secrets: &Secrets) -> Result<postgres::Address, DatabaseError> {
    let mut address = postgres::address(dsn)?;
    if let Some(password) = secrets.of(Server::Postgres) {
        address.config.password(password);
    }
    address.config.application_name(APPLICATION);
    Ok(address)
}

async fn end_backend(
    dsn: &str,
    BackendIdentity { pid, started }: &BackendIdentity,
    secrets: &Secrets,
) -> Result<Undone, DatabaseError> {
    let client = postgres::connect(&address(dsn, secrets)?).await?;
    let those = "pid = $1 and (backend_start at time zone 'utc')::text = $2";
    end_those(&client, those, &[pid, started]).await
}

async fn end_application(
    dsn: &str,
    application: &String,
    secrets: &Secrets,
) -> Result<Undone, DatabaseError> {
    let address = address(dsn, secrets)?;
    let deadline = Instant::now() + ENDING;
    let client = loop {
        match postgres::connect(&address).await {
            // Our own sessions have the places, and are on their way out.
            Err(error) if error.is_full() && Instant::now() < deadline => sleep(AGAIN).await,
            other => break other?,
        }
    };
    end_those(&client, "application_name = $1", &[application]).await
}

/// Their clients are gone already, so they are on their way out in most cases; they are ended only if they linger.
async fn end_those(
    client: &Client,
    those: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Undone, DatabaseError> {
    let there = format!("select count(*) from pg_stat_activity where {those}");
    let end = format!("select count(pg_terminate_backend(pid)) from pg_stat_activity where {those}");
    let (began, mut undone, mut asked) = (Instant::now(), Undone::AlreadyGone, false);
    while began.elapsed() < ENDING {
        let ask = !asked && began.elapsed() >= BY_ITSELF;
        asked |= ask;
        let sql = if ask { &end } else { &there };
        let count: i64 = limited(client.query_one(sql, values)).await?.try_get(0)?;
        if count == 0 {
            return Ok(undone);
        }
        undone = Undone::Done;
        sleep(AGAIN).await;
    }
    Err(DatabaseError::Silent)
}

async fn end_connection(
    dsn: &str,
    ConnectionIdentity { id, lock }: &ConnectionIdentity,
    secrets: &Secrets,
) -> Result<Undone, MysqlError> {
    let mut address = Address::read(dsn)?;
    address.password = secrets.of(Server::Mysql);
    let mut session = mysql::Session::open(&address).await?;
    let holder = format!("select is_used_lock({})", literal(lock));
    let (began, mut undone, mut asked) = (Instant::now(), Undone::AlreadyGone, false);
    while began.elapsed() < ENDING {
        // Only who holds the lock with the name that nobody else has is our session, whoever has its number now.
        if session.number(&holder).await? != Some(*id) {
            return Ok(undone);
        }
        if !asked && began.elapsed() >= BY_ITSELF {
            asked = true;
            match session.query(&format!("kill {id}")).await {
                Err(error) if error.code() == Some(NO_SUCH_THREAD) => {}
                other => drop(other?),
            }
        }
        undone = Undone::Done;
        sleep(AGAIN).await;
    }
    Err(MysqlError::Silent)
}
