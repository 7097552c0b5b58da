//! SIGKILL of owner, guardian or both at every step of a database fault's life: afterwards, or after the next start, no
//! session of ours is left, replay goes on, and nobody is kept waiting.

mod common;

use std::process::Child;
use std::sync::Mutex;
use std::time::Duration;

use common::fault;
use common::mariadb::Mariadb;
use common::matrix::{Killed, World, every_step};
use common::redis::Redis;
use common::server::Server;
use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_faults::Secrets;

fn at(dsn: String) -> ResolvedTarget {
    ResolvedTarget { name: "server".to_owned(), dsn: Some(dsn), ..ResolvedTarget::default() }
}

fn secret() -> Secrets {
    Secrets::with(Some("s3cret".to_owned()))
}

struct Postgres {
    server: Server,
    fault: Fault,
}

impl World for Postgres {
    fn fault(&self) -> Fault {
        self.fault.clone()
    }
    fn target(&self) -> ResolvedTarget {
        at(self.server.dsn())
    }
    /// No session, and the one lock that nobody else could have beside ours.
    fn is_as_before(&self) -> bool {
        let sql = "select count(*) from pg_stat_activity where application_name like 'deadstick/%'";
        self.server.ask(sql).as_deref() == Some("0")
            && self
                .server
                .ask("set lock_timeout = 300; begin; lock table orders; select pg_try_advisory_xact_lock(7)")
                .is_some_and(|said| said.ends_with('t'))
    }
    fn secrets(&self) -> Secrets {
        secret()
    }
}

async fn postgres(words: Fault, killed: Killed) {
    let Some(server) = Server::start() else { return };
    server.ask("create table orders (id int); insert into orders values (1), (2)").expect("made");
    every_step(&Postgres { server, fault: words }, killed).await;
}

/// What was ended stays ended; nobody is ended any more.
struct Ended {
    server: Server,
    sleepers: Mutex<Vec<Child>>,
}

impl World for Ended {
    fn fault(&self) -> Fault {
        let sleeper = self.server.sleeper("web");
        self.sleepers.lock().expect("not poisoned").push(sleeper);
        fault("terminate-backends application=web")
    }
    fn target(&self) -> ResolvedTarget {
        at(self.server.dsn())
    }
    fn is_as_before(&self) -> bool {
        let sql = "select count(*) from pg_stat_activity where application_name like 'deadstick/%'";
        if self.server.ask(sql).as_deref() != Some("0") {
            return false;
        }
        // The server has few places.
        self.end_sleepers();
        let mut sleeper = self.server.sleeper("web");
        std::thread::sleep(Duration::from_millis(400));
        let lives = matches!(sleeper.try_wait(), Ok(None));
        self.sleepers.lock().expect("not poisoned").push(sleeper);
        lives
    }
    fn secrets(&self) -> Secrets {
        secret()
    }
}

impl Ended {
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
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.end_sleepers();
    }
}

async fn backends(killed: Killed) {
    let Some(server) = Server::start() else { return };
    every_step(&Ended { server, sleepers: Mutex::default() }, killed).await;
}

struct Replica {
    _primary: Server,
    replica: Server,
}

impl World for Replica {
    fn fault(&self) -> Fault {
        fault("pause-replay")
    }
    fn target(&self) -> ResolvedTarget {
        at(self.replica.dsn())
    }
    fn is_as_before(&self) -> bool {
        self.replica.ask("select pg_is_wal_replay_paused()").as_deref() == Some("f")
    }
    fn secrets(&self) -> Secrets {
        secret()
    }
}

async fn replay(killed: Killed) {
    let Some(primary) = Server::start() else { return };
    let replica = primary.replica();
    every_step(&Replica { _primary: primary, replica }, killed).await;
}

struct Tables(Mariadb);

impl World for Tables {
    fn fault(&self) -> Fault {
        fault("lock table=orders")
    }
    fn target(&self) -> ResolvedTarget {
        at(self.0.dsn())
    }
    fn is_as_before(&self) -> bool {
        self.0.ask("set session lock_wait_timeout = 1; lock tables orders write; unlock tables").is_some()
            && self.0.ask("select count(*) from information_schema.processlist where user = 'ann'").as_deref()
                == Some("1")
    }
    fn secrets(&self) -> Secrets {
        secret()
    }
}

async fn mariadb(killed: Killed) {
    let Some(server) = Mariadb::start() else { return };
    every_step(&Tables(server), killed).await;
}

struct Paused(Redis, Fault);

impl World for Paused {
    fn fault(&self) -> Fault {
        self.1.clone()
    }
    fn target(&self) -> ResolvedTarget {
        at(self.0.dsn())
    }
    fn is_as_before(&self) -> bool {
        self.0.ask(&["SET", "a", "b"]).as_deref() == Some("OK")
    }
    fn secrets(&self) -> Secrets {
        secret()
    }
}

async fn redis(words: Fault, killed: Killed) {
    let Some(server) = Redis::start() else { return };
    every_step(&Paused(server, words), killed).await;
}

macro_rules! matrix {
    ($($name:ident: $run:ident($($argument:expr)?);)*) => {$(
        mod $name {
            use super::*;
            #[tokio::test]
            async fn owner_killed() { $run($($argument,)? Killed::Owner).await; }
            #[tokio::test]
            async fn guardian_killed() { $run($($argument,)? Killed::Guardian).await; }
            #[tokio::test]
            async fn both_killed() { $run($($argument,)? Killed::Both).await; }
        }
    )*};
}

fn rows() -> Fault {
    let pairs = [("table", "orders"), ("rows", "id = 1")];
    Fault::read(deadstick_core::fault::FaultKind::Lock, pairs).expect("a fault")
}

matrix! {
    postgres_lock: postgres(fault("lock table=orders"));
    postgres_rows: postgres(rows());
    postgres_advisory: postgres(fault("lock advisory=7"));
    idle_in_transaction: postgres(fault("idle-in-transaction table=orders"));
    exhaust_connections: postgres(fault("exhaust-connections"));
    terminate_backends: backends();
    pause_replay: replay();
    mariadb_lock: mariadb();
    redis_pause: redis(fault("pause"));
    redis_pause_of_writes: redis(fault("pause commands=writes"));
}
