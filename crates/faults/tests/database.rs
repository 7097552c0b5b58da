//! Database faults on a real PostgreSQL server and a real SQLite file.

mod common;

use std::process::Command;
use std::time::Duration;

use common::server::Server;
use common::{Bench, Talker, eventually, fault, program, store};
use deadstick_core::fault::{Fault, LockMode, ResolvedTarget, Signal};
use deadstick_core::ledger::{FaultState, Undo};
use deadstick_core::units::HumanDuration;
use deadstick_faults::kernel::{Linux, Processes, Sent};
use deadstick_faults::{FaultError, Secrets, Undone, process, undo};
use tokio_postgres::{Client, NoTls};

const LEASE: HumanDuration = HumanDuration::secs(60);

async fn client(server: &Server) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.dsn(), NoTls).await.expect("connected");
    tokio::spawn(connection);
    client
}

async fn with_table(server: &Server) -> Client {
    let client = client(server).await;
    client
        .batch_execute(
            "create schema \"My Shop\"; create table \"My Shop\".\"Orders\" (id int); set lock_timeout = 100",
        )
        .await
        .expect("made");
    client
}

fn target(server: &Server) -> ResolvedTarget {
    ResolvedTarget { name: "primary".to_owned(), dsn: Some(server.dsn()), ..ResolvedTarget::default() }
}

fn orders() -> Option<String> {
    Some("\"My Shop\".\"Orders\"".to_owned())
}

fn lock(mode: LockMode) -> Fault {
    Fault::Lock { table: orders(), mode, rows: None, advisory: None }
}

const READ: &str = "select from \"My Shop\".\"Orders\"";
const WRITE: &str = "insert into \"My Shop\".\"Orders\" values (1)";
const ALTER: &str = "alter table \"My Shop\".\"Orders\" add column later int";

async fn sessions(client: &Client) -> i64 {
    let sql = "select count(*) from pg_stat_activity where application_name like 'deadstick/%'";
    client.query_one(sql, &[]).await.expect("counted").get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_hold_what_they_say_and_let_go() {
    let Some(server) = Server::start() else { return };
    let bench = Bench::new();
    let (injector, client) = (bench.injector().await, with_table(&server).await);
    for (mode, readable) in [(LockMode::Exclusive, false), (LockMode::Share, true)] {
        let fault = lock(mode);
        let injected = injector.inject(fault, target(&server), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{:?}", injected.proof);
        assert_eq!(client.batch_execute(READ).await.is_ok(), readable, "{mode:?}");
        assert!(client.batch_execute(WRITE).await.is_err(), "{mode:?}");
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        client.batch_execute(WRITE).await.expect("free");
        assert_eq!(sessions(&client).await, 0);
    }
    assert_eq!(injector.close().await, []);
    let ledger = std::fs::read_to_string(bench.ledger()).expect("readable");
    assert!(!ledger.contains("s3cret"), "{ledger}");
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_in_transaction_blocks_a_migration_and_not_a_reader() {
    let Some(server) = Server::start() else { return };
    let bench = Bench::new();
    let (injector, client) = (bench.injector().await, with_table(&server).await);
    let injected = injector
        .inject(Fault::IdleInTransaction { table: orders() }, target(&server), LEASE)
        .await
        .expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    client.batch_execute(READ).await.expect("readers go on");
    assert!(client.batch_execute(ALTER).await.is_err());
    assert_eq!(injector.close().await, []);
    client.batch_execute(ALTER).await.expect("free");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_ends_the_session_when_nobody_else_can() {
    let Some(server) = Server::start() else { return };
    let client = with_table(&server).await;
    let ends = process::boottime_ms() + 2_000;
    let what = serde_json::json!({ "postgres": { "dsn": server.dsn(), "held": { "table": { "table": orders(), "mode": "exclusive" } } } });
    let order =
        serde_json::json!({ "what": what, "application": "deadstick/test", "ends_boottime_ms": ends });
    let mut holder = Talker::start(Command::new(program()).arg("hold"));
    assert!(holder.tell(&order.to_string()));
    assert!(holder.hear().is_some_and(|line| line.contains("ready")));
    assert!(holder.tell("go"));
    assert_eq!(holder.hear().as_deref(), Some("\"held\""));
    // Stopped, it can neither see its input end nor its lease: only the server's own time limit is left.
    Linux.signal(&process::of(holder.child.id()).expect("it runs"), Sent::Stop).expect("ours");
    assert!(client.batch_execute(READ).await.is_err());
    while sessions(&client).await > 0 {
        assert!(process::boottime_ms() < ends + 5_000, "the session outlives its lease");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(process::boottime_ms() + 300 >= ends, "not before the lease is over");
    client.batch_execute(READ).await.expect("free");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_not_granted_is_given_up_by_an_abort() {
    let Some(server) = Server::start() else { return };
    let bench = Bench::new();
    let (injector, client) = (bench.injector().await, with_table(&server).await);
    let mut blocker = self::client(&server).await;
    let transaction = blocker.transaction().await.expect("begun");
    transaction.batch_execute(READ).await.expect("read");
    let fault = lock(LockMode::Exclusive);
    let injecting = {
        let (injector, target) = (injector.clone(), target(&server));
        tokio::spawn(async move { injector.inject(fault, target, LEASE).await })
    };
    while sessions(&client).await == 0 || bench.told().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(injector.undo_faults("abort").await, []);
    assert!(matches!(injecting.await.expect("it ends"), Err(FaultError::Aborted)));
    assert_eq!(sessions(&client).await, 0, "nothing waits in the lock queue any more");
    transaction.rollback().await.expect("rolled back");
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_before_anything_is_recorded() {
    let Some(server) = Server::start() else { return };
    let bench = Bench::new();
    let injector = bench.injector().await;
    let named = |table: &str| fault(&format!("lock table={table}"));
    let no_table = injector.inject(named("nowhere"), target(&server), LEASE).await;
    assert!(
        matches!(&no_table, Err(FaultError::Refused { what, .. }) if what.contains("nowhere")),
        "{no_table:?}"
    );
    let wrong = ResolvedTarget { dsn: Some(server.dsn().replace("s3cret", "wrong")), ..target(&server) };
    let wrong = injector.inject(named("pg_class"), wrong, LEASE).await;
    assert!(
        matches!(&wrong, Err(FaultError::Refused { what, .. }) if what.contains("password")),
        "{wrong:?}"
    );
    assert!(store::faults(&bench.ledger()).is_empty());
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_owner_lets_go_without_undoing_the_guardian_ends() {
    let Some(server) = Server::start() else { return };
    let bench = Bench::new();
    let client = with_table(&server).await;
    // The holder is killed, and the injector dropped: to the guardian that is an owner that died.
    let injector = bench.injector().await;
    let fault = lock(LockMode::Exclusive);
    let injected = injector.inject(fault, target(&server), LEASE).await.expect("injected");
    let intent = store::faults(&bench.ledger())[&injected.id].intent.clone();
    let Undo::EndHolder { process: holder, session: Some(_) } = &intent.undo else { panic!("{intent:?}") };
    Linux.signal(holder, Sent::End(Signal::Kill)).expect("ours");
    drop(injector);
    eventually("the guardian recorded it", || {
        store::faults(&bench.ledger())[&injected.id].state == FaultState::Undone
    })
    .await;
    client.batch_execute(READ).await.expect("free");
    // A recovery that knows only the ledger and the environment finds nothing left.
    let secrets = Secrets::with(Some("s3cret".to_owned()));
    assert_eq!(undo(&intent, &secrets).await, Ok(Undone::AlreadyGone));
    let failure = undo(&intent, &Secrets::default()).await.expect_err("no password, no look");
    assert!(
        failure.manual.contains("pg_terminate_backend") && !failure.manual.contains("s3cret"),
        "{failure}"
    );
}

fn file(journal: &str) -> (tempfile::TempDir, ResolvedTarget) {
    let folder = tempfile::Builder::new().prefix("deadstick-faults-").tempdir().expect("a folder");
    let path = folder.path().join("shop.db");
    let made = rusqlite::Connection::open(&path).and_then(|file| {
        file.execute_batch(&format!("pragma journal_mode = {journal}; create table orders (id integer)"))
    });
    made.expect("a database");
    (folder, ResolvedTarget { name: "shop.db".to_owned(), path: Some(path), ..ResolvedTarget::default() })
}

fn may(target: &ResolvedTarget, statement: &str) -> bool {
    let file = rusqlite::Connection::open(target.path.as_ref().expect("a path")).expect("opened");
    file.busy_timeout(Duration::ZERO).expect("set");
    file.execute_batch(statement).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_locks_hold_what_they_say_and_let_go() {
    let bench = Bench::new();
    let injector = bench.injector().await;
    for (journal, mode, readable) in [
        ("wal", LockMode::Share, true),
        ("delete", LockMode::Share, true),
        ("delete", LockMode::Exclusive, false),
    ] {
        let (_folder, target) = file(journal);
        let injected = injector
            .inject(fault(&format!("lock mode={mode}")), target.clone(), LEASE)
            .await
            .expect("injected");
        assert!(injected.proof.landed, "{:?}", injected.proof);
        assert!(!may(&target, "insert into orders values (1)"), "{journal} {mode:?}");
        assert_eq!(may(&target, "select * from orders"), readable, "{journal} {mode:?}");
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        assert!(may(&target, "insert into orders values (1)"));
    }
    let (_folder, target) = file("wal");
    let refused = injector.inject(fault("lock"), target.clone(), LEASE).await;
    assert!(matches!(&refused, Err(FaultError::Refused { what, .. }) if what.contains("WAL")), "{refused:?}");
    let nowhere = ResolvedTarget {
        path: Some(target.path.expect("a path").with_extension("none")),
        ..ResolvedTarget::default()
    };
    let refused = injector.inject(fault("lock mode=share"), nowhere.clone(), LEASE).await;
    assert!(matches!(refused, Err(FaultError::Refused { .. })), "{refused:?}");
    assert!(!nowhere.path.expect("a path").exists(), "no file is made");
    assert_eq!(injector.close().await, []);
}

#[test]
fn a_holder_ends_with_its_input() {
    let mut holder = Talker::start(Command::new(program()).arg("hold"));
    holder.stdin = None;
    assert_eq!(holder.hear(), None);
    assert!(holder.child.wait().expect("it ends").code().is_some());
}
