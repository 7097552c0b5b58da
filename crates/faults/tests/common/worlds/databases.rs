//! Database servers made for it: sessions, locks and settings as they were, and nobody is kept waiting.

use std::process::Child;
use std::sync::Mutex;
use std::time::Duration;

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_faults::Secrets;

use super::secret::Secrecy;
use crate::common::fault;
use crate::common::mariadb::Mariadb;
use crate::common::matrix::World;
use crate::common::redis::Redis;
use crate::common::server::Server;
use crate::common::snapshot::Snapshot;

fn at(dsn: String) -> ResolvedTarget {
    ResolvedTarget { name: "server".to_owned(), dsn: Some(dsn), ..ResolvedTarget::default() }
}

fn secret() -> Secrets {
    Secrets::with(Some("s3cret".to_owned()))
}

/// What of a PostgreSQL server a fault could change, but for the session that asks.
const POSTGRES: &str = "
    select 'session', application_name, usename, state from pg_stat_activity
    where backend_type = 'client backend' and pid <> pg_backend_pid()
    union all
    select 'lock', concat_ws(' ', locktype, mode, relation::regclass, objid), granted::text, null
    from pg_locks join pg_stat_activity using (pid)
    where backend_type = 'client backend' and pid <> pg_backend_pid()
    union all
    select 'setting', name, setting, pending_restart::text from pg_settings
    union all
    select 'prepared', gid, null, null from pg_prepared_xacts
    union all
    select 'slot', slot_name, null, null from pg_replication_slots
    union all
    select 'replay', case when pg_is_in_recovery() then pg_is_wal_replay_paused()::text end, null, null
    order by 1, 2, 3, 4";

fn look_at(server: &Server) -> Snapshot {
    let mut seen = Snapshot::default();
    // One that takes no session is not as before.
    seen.add("server", server.ask(POSTGRES).unwrap_or_else(|| "no answer".to_owned()));
    seen
}

pub(super) struct Postgres {
    pub(super) server: Server,
    /// Whose replica it is.
    pub(super) primary: Option<Server>,
    pub(super) secrecy: Secrecy,
    pub(super) words: &'static str,
}

pub(crate) fn postgres(words: &'static str) -> Option<Box<dyn World>> {
    let server = Server::start()?;
    Some(Postgres::with_orders(server, Secrecy::default(), words))
}

pub(crate) fn replica(words: &'static str) -> Option<Box<dyn World>> {
    let primary = Server::start()?;
    let server = primary.replica();
    Some(Box::new(Postgres { server, primary: Some(primary), secrecy: Secrecy::default(), words }))
}

impl Postgres {
    pub(super) fn with_orders(server: Server, secrecy: Secrecy, words: &'static str) -> Box<dyn World> {
        server.ask("create table orders (id int); insert into orders values (1), (2)").expect("made");
        Box::new(Self { server, primary: None, secrecy, words })
    }
}

impl World for Postgres {
    fn fault(&self) -> Fault {
        fault(self.words)
    }
    fn target(&self) -> ResolvedTarget {
        at(self.server.dsn() + &self.secrecy.parameters)
    }
    fn look(&self) -> Snapshot {
        look_at(&self.server)
    }
    /// The one lock that nobody else could have beside ours; a replica gives none.
    fn works(&self) -> bool {
        self.primary.is_some()
            || self
                .server
                .ask("set lock_timeout = 300; begin; lock table orders; select pg_try_advisory_xact_lock(7)")
                .is_some_and(|said| said.ends_with('t'))
    }
    fn secrets(&self) -> Secrets {
        secret()
    }
}

/// Sessions that are ended: what was ended stays ended, but nobody is ended any more.
struct Backends {
    server: Server,
    sleepers: Mutex<Vec<Child>>,
    words: &'static str,
}

pub(crate) fn backends(words: &'static str) -> Option<Box<dyn World>> {
    Some(Box::new(Backends { server: Server::start()?, sleepers: Mutex::default(), words }))
}

impl Backends {
    fn end_sleepers(&self) {
        for mut sleeper in self.sleepers.lock().expect("not poisoned").drain(..) {
            sleeper.kill().expect("ours");
            sleeper.wait().expect("reaped");
        }
        let sql =
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'web'";
        while self.server.ask(sql).as_deref() != Some("0") {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn begin_sleeper(&self) {
        let sleeper = self.server.sleeper("web");
        self.sleepers.lock().expect("not poisoned").push(sleeper);
    }
}

impl World for Backends {
    /// There is somebody to end.
    fn fault(&self) -> Fault {
        self.begin_sleeper();
        fault(self.words)
    }
    fn target(&self) -> ResolvedTarget {
        at(self.server.dsn())
    }
    fn look(&self) -> Snapshot {
        self.end_sleepers();
        look_at(&self.server)
    }
    fn works(&self) -> bool {
        self.begin_sleeper();
        std::thread::sleep(Duration::from_millis(400));
        let mut sleepers = self.sleepers.lock().expect("not poisoned");
        sleepers.last_mut().is_some_and(|sleeper| matches!(sleeper.try_wait(), Ok(None)))
    }
    fn secrets(&self) -> Secrets {
        secret()
    }
}

impl Drop for Backends {
    fn drop(&mut self) {
        self.end_sleepers();
    }
}

pub(super) struct Tables(pub(super) Mariadb, pub(super) Secrecy, pub(super) &'static str);

pub(crate) fn mariadb(words: &'static str) -> Option<Box<dyn World>> {
    Some(Box::new(Tables(Mariadb::start()?, Secrecy::default(), words)))
}

impl World for Tables {
    fn fault(&self) -> Fault {
        fault(self.2)
    }
    fn target(&self) -> ResolvedTarget {
        at(self.0.dsn() + &self.1.parameters)
    }
    fn look(&self) -> Snapshot {
        let sql = "select user, command, db from information_schema.processlist where id <> connection_id()
                   order by 1, 2, 3; show global variables; show tables";
        let mut seen = Snapshot::default();
        seen.add("server", self.0.ask(sql).unwrap_or_else(|| "no answer".to_owned()));
        seen
    }
    fn works(&self) -> bool {
        self.0.ask("set session lock_wait_timeout = 1; lock tables orders write; unlock tables").is_some()
    }
    fn secrets(&self) -> Secrets {
        secret()
    }
}

pub(super) struct Commands(Redis, Secrecy, &'static str);

pub(crate) fn redis(words: &'static str) -> Option<Box<dyn World>> {
    Some(Commands::with_a_key(Redis::start()?, Secrecy::default(), words))
}

impl Commands {
    pub(super) fn with_a_key(server: Redis, secrecy: Secrecy, words: &'static str) -> Box<dyn World> {
        // The key that is written to see whether one can be.
        assert_eq!(server.ask(&["SET", "a", "b"]).as_deref(), Some("OK"));
        Box::new(Self(server, secrecy, words))
    }
}

impl World for Commands {
    fn fault(&self) -> Fault {
        fault(self.2)
    }
    fn target(&self) -> ResolvedTarget {
        at(self.0.dsn() + &self.1.parameters)
    }
    fn look(&self) -> Snapshot {
        let mut seen = Snapshot::default();
        for words in [&["CONFIG", "GET", "*"] as &[_], &["KEYS", "*"], &["ACL", "LIST"]] {
            seen.add(words[0], self.0.ask_soon(words).unwrap_or_else(|| "no answer".to_owned()));
        }
        // Beside the one that asks.
        let clients = self.0.ask_soon(&["CLIENT", "LIST"]).unwrap_or_else(|| "no answer".to_owned());
        seen.add("clients", clients.lines().count().to_string());
        seen
    }
    fn works(&self) -> bool {
        self.0.ask_soon(&["SET", "a", "b"]).as_deref() == Some("OK")
    }
    fn secrets(&self) -> Secrets {
        secret()
    }
}
