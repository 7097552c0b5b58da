//! One PostgreSQL server of the lab: making its data, starting it, and the supervisor's own way in.
//!
//! The supervisor comes as the superuser through the server host's own loopback, which no door and no other host leads
//! to. Everybody else is the role `shop`, which may see and end sessions, and owns nothing but the shop.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, Config, NoTls};

use super::client::said;
use super::{DATABASE, PORT, ROLE};
use crate::LabError;
use crate::supervisor::child::Child;
use crate::supervisor::children::{Children, Foreign, What};
use crate::supervisor::network::{Namespace, Place};
use crate::wire::RunState;

const SUPERUSER: &str = "postgres";
const REPLICATOR: &str = "replicator";
/// How long a program of PostgreSQL's may take on a machine that is busy with other things.
const STEP_WITHIN: Duration = Duration::from_secs(30);
/// How long the superuser's session may take to come about once the server runs.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// What both servers have in common. Nothing is made to survive a crash of the machine: it is thrown away.
const CONFIGURATION: &str = "
port = 5432
unix_socket_directories = ''
fsync = off
full_page_writes = off
synchronous_commit = off
shared_buffers = 16MB
dynamic_shared_memory_type = mmap
max_connections = 100
max_wal_senders = 4
wal_level = replica
hot_standby = on
checkpoint_timeout = 1h
autovacuum = off
jit = off
log_lock_waits = on
timezone = 'UTC'
log_timezone = 'UTC'
";

const TABLES: &str = "
CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, cents int NOT NULL, stock int NOT NULL);
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, product int NOT NULL, cents int NOT NULL,
                     placed timestamptz NOT NULL DEFAULT now());
INSERT INTO products SELECT n, 'Article ' || n, 100 + 37 * n % 4900, 1000000 FROM generate_series(1, 200) n;
INSERT INTO orders (product, cents) SELECT id, cents FROM products, generate_series(1, 25);
ANALYZE products;
ANALYZE orders;
";

/// How servers are made.
pub(super) struct Kit {
    pub(super) bin: PathBuf,
    pub(super) user: Option<(u32, u32)>,
    pub(super) folder: PathBuf,
}

pub(super) struct Server {
    pub(super) place: Place,
    pub(super) child: Child,
}

impl Kit {
    fn foreign(&self, program: &str, args: Vec<OsString>) -> What {
        What::Foreign(Foreign { program: self.bin.join(program), args, user: self.user })
    }

    /// Makes an empty data folder that the servers' user owns.
    fn make_data(&self, name: &str) -> Result<PathBuf, LabError> {
        let data = self.folder.join(name);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&data)
            .and_then(|()| self.user.map_or(Ok(()), |(user, group)| chown(&data, Some(user), Some(group))))
            .map_err(|e| LabError::file("make", &data, e))?;
        Ok(data)
    }

    /// Runs one of PostgreSQL's programs to its end.
    async fn complete(
        &self,
        children: &Children,
        what: What,
        step: &str,
        network: Option<&Namespace>,
    ) -> Result<(), LabError> {
        let child = children.start(step, what, network).await?;
        match timeout(STEP_WITHIN, child.ended()).await {
            Ok(RunState::Exited { code: 0 }) => Ok(()),
            Ok(_) => Err(LabError::start(step, end_of(&children.log_of(step)))),
            Err(_) => Err(LabError::start(step, format!("not done within {STEP_WITHIN:?}"))),
        }
    }

    /// Makes the primary's data. `settings` are lines of its configuration.
    pub(super) async fn initialise(&self, children: &Children, settings: &str) -> Result<PathBuf, LabError> {
        let data = self.make_data("primary")?;
        let mut args: Vec<OsString> = vec!["-D".into(), data.clone().into()];
        let rest = [
            "-U",
            SUPERUSER,
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--wal-segsize=4",
        ];
        args.extend(rest.map(OsString::from));
        // It needs no network: the one of the servers may still be in the making.
        self.complete(children, self.foreign("initdb", args), "initdb", None).await?;
        append(&data.join("postgresql.conf"), &format!("{CONFIGURATION}\n{settings}\n"))?;
        let network = "10.83.0.0/24";
        let rules = format!(
            "host all {SUPERUSER} 127.0.0.1/32 trust\n\
             host replication {REPLICATOR} {network} trust\n\
             host all {ROLE} {network} trust\n"
        );
        let file = data.join("pg_hba.conf");
        std::fs::write(&file, rules).map_err(|e| LabError::file("write", &file, e))?;
        Ok(data)
    }

    /// Copies a running primary.
    pub(super) async fn copy(
        &self,
        children: &Children,
        place: &Place,
        primary: IpAddr,
    ) -> Result<PathBuf, LabError> {
        let data = self.make_data("replica")?;
        let primary =
            format!("host={primary} port={PORT} user={REPLICATOR} application_name=deadstick-lab-replica");
        let args: Vec<OsString> = vec![
            "-D".into(),
            data.clone().into(),
            "-d".into(),
            primary.into(),
            "-R".into(),
            "--checkpoint=fast".into(),
            "--no-sync".into(),
        ];
        self.complete(children, self.foreign("pg_basebackup", args), "pg_basebackup", Some(&place.namespace))
            .await?;
        Ok(data)
    }

    /// Starts a server on its data, and waits until it lets the superuser in.
    pub(super) async fn start(
        &self,
        children: &Children,
        place: Place,
        data: PathBuf,
        name: &str,
    ) -> Result<Server, LabError> {
        let args: Vec<OsString> = vec![
            "-D".into(),
            data.into(),
            "-c".into(),
            format!("listen_addresses={},127.0.0.1", place.address).into(),
            "-c".into(),
            // It is in the title of each of the server's processes.
            format!("cluster_name={} {name}", children.label()).into(),
        ];
        let child = children.start(name, self.foreign("postgres", args), Some(&place.namespace)).await?;
        let server = Server { place, child };
        let up = async {
            while server.child.runs() {
                if server.keeper(SUPERUSER).await.is_ok() {
                    return Ok(());
                }
                sleep(Duration::from_millis(20)).await;
            }
            Err(LabError::start(name, end_of(&children.log_of(name))))
        };
        timeout(STEP_WITHIN, up)
            .await
            .unwrap_or_else(|_| Err(LabError::start(name, end_of(&children.log_of(name)))))?;
        Ok(server)
    }
}

impl Server {
    /// A session of the superuser's in one database.
    async fn keeper(&self, database: &str) -> Result<Client, LabError> {
        let who = &self.child.who;
        let connecting = async {
            let inside = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
            let stream = self.place.namespace.connect(inside).await.map_err(|e| LabError::failed(who, e))?;
            let mut config = Config::new();
            config.user(SUPERUSER).dbname(database).application_name("deadstick-lab keeper");
            let (client, connection) =
                config.connect_raw(stream, NoTls).await.map_err(|e| LabError::failed(who, said(&e)))?;
            // It ends with the client; what goes wrong meanwhile, the client's own calls say.
            tokio::spawn(connection);
            Ok(client)
        };
        let within_ms = u64::try_from(CONNECT_WITHIN.as_millis()).unwrap_or(u64::MAX);
        timeout(CONNECT_WITHIN, connecting)
            .await
            .unwrap_or_else(|_| Err(LabError::NoAnswer { who: who.clone(), within_ms }))
    }

    /// A session of the superuser's in the shop.
    pub(super) async fn session(&self) -> Result<Client, LabError> {
        self.keeper(DATABASE).await
    }

    /// Makes roles, database and tables.
    pub(super) async fn fill(&self) -> Result<(), LabError> {
        let failed = |e: tokio_postgres::Error| LabError::start("filling the shop's shelves", said(&e));
        let server = self.keeper(SUPERUSER).await?;
        let roles = format!(
            "CREATE ROLE {REPLICATOR} LOGIN REPLICATION;
             CREATE ROLE {ROLE} LOGIN IN ROLE pg_monitor, pg_signal_backend;"
        );
        server.batch_execute(&roles).await.map_err(failed)?;
        server.batch_execute(&format!("CREATE DATABASE {DATABASE} OWNER {ROLE}")).await.map_err(failed)?;
        let shop = self.session().await?;
        shop.batch_execute(&format!("SET ROLE {ROLE}; {TABLES}")).await.map_err(failed)
    }
}

fn append(file: &Path, text: &str) -> Result<(), LabError> {
    use std::io::Write;
    let appended = std::fs::OpenOptions::new()
        .append(true)
        .open(file)
        .and_then(|mut open| open.write_all(text.as_bytes()));
    appended.map_err(|e| LabError::file("write", file, e))
}

/// The last lines of a log.
fn end_of(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(5)..].join("; ");
    deadstick_core::text::printable(&last)
}
