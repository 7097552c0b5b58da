//! Locks on a real MariaDB server: what others meet, and that the server lets go by itself.

mod common;

use std::time::Duration;

use common::mariadb::Mariadb;
use common::{Bench, eventually, fault, store};
use deadstick_core::fault::ResolvedTarget;
use deadstick_core::units::HumanDuration;
use deadstick_faults::{FaultError, Secrets, Undone, process, undo};
use nix::sys::signal::Signal;

const LEASE: HumanDuration = HumanDuration::secs(60);

fn target(server: &Mariadb) -> ResolvedTarget {
    ResolvedTarget { name: "shop".to_owned(), dsn: Some(server.dsn()), ..ResolvedTarget::default() }
}

fn may(server: &Mariadb, sql: &str) -> bool {
    server.ask(&format!("set session lock_wait_timeout = 1; {sql}")).is_some()
}

const READ: &str = "select * from orders";
const WRITE: &str = "insert into orders values (2)";

#[tokio::test(flavor = "multi_thread")]
async fn locks_hold_what_they_say_and_let_go() {
    let Some(server) = Mariadb::start() else { return };
    let bench = Bench::new();
    let injector = bench.injector().await;
    for (words, readable) in [("lock table=orders", false), ("lock table=shop.orders mode=share", true)] {
        let injected = injector.inject(fault(words), target(&server), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
        assert_eq!(may(&server, READ), readable, "{words}");
        assert!(!may(&server, WRITE), "{words}");
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        assert!(may(&server, WRITE), "{words}");
    }
    assert_eq!(injector.close().await, []);
    let ledger = std::fs::read_to_string(bench.ledger()).expect("readable");
    assert!(!ledger.contains("s3cret"), "{ledger}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_before_anything_is_recorded() {
    let Some(server) = Mariadb::start() else { return };
    let bench = Bench::new();
    let injector = bench.injector().await;
    let dsn = server.dsn();
    for (words, dsn, word) in [
        ("lock table=nowhere", dsn.clone(), "nowhere"),
        ("lock table=orders", dsn.replace("s3cret", "wr0ng"), "denied"),
        ("lock table=orders", format!("{dsn}?ssl-mode=required"), "no TLS"),
        ("lock table=orders", format!("{dsn}?compress=true"), "parameter"),
        ("lock table=orders rows=id=1", dsn.clone(), "rows"),
        ("lock advisory=1", dsn.clone(), "dvisory"),
        ("lock", dsn.clone(), "without a table"),
        ("idle-in-transaction", dsn.clone(), "PostgreSQL"),
        ("pause", dsn.clone(), "Redis"),
        ("lock table=orders", dsn.replace("mysql:", "mongodb:"), "scheme"),
    ] {
        let target = ResolvedTarget { dsn: Some(dsn), ..target(&server) };
        let result = injector.inject(fault(words), target, LEASE).await;
        let Err(error @ (FaultError::Refused { .. } | FaultError::Dsn(_))) = result else {
            panic!("{words}: {result:?}");
        };
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(word), "{words}: {shown}");
        assert!(!shown.contains("s3cret") && !shown.contains("wr0ng"), "{shown}");
    }
    assert!(store::faults(&bench.ledger()).is_empty());
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_ends_the_session_when_nobody_else_can() {
    let Some(server) = Mariadb::start() else { return };
    let ends = process::boottime_ms() + 3_000;
    let order = serde_json::json!({
        "what": { "mysql": { "dsn": server.dsn(), "table": "orders", "mode": "exclusive" } },
        "application": "deadstick/test", "ends_boottime_ms": ends
    });
    let mut holder = common::Talker::start(std::process::Command::new(common::program()).arg("hold"));
    assert!(holder.tell(&order.to_string()));
    assert!(holder.hear().is_some_and(|line| line.contains("ready")));
    assert!(holder.tell("go"));
    assert_eq!(holder.hear().as_deref(), Some("\"held\""));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(holder.child.id()).expect("a pid"));
    nix::sys::signal::kill(pid, Signal::SIGSTOP).expect("ours");
    assert!(!may(&server, READ));
    eventually("the server lets go", || may(&server, READ)).await;
    assert!(process::boottime_ms() + 1_000 >= ends, "not before the lease is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_residue_and_a_later_bearer_of_the_number_is_left_alone() {
    let Some(server) = Mariadb::start() else { return };
    let bench = Bench::new();
    let injector = bench.injector().await;
    let injected =
        injector.inject(fault("lock table=orders"), target(&server), LEASE).await.expect("injected");
    let mut intent = store::faults(&bench.ledger())[&injected.id].intent.clone();
    let secrets = Secrets::with(Some("s3cret".to_owned()));
    // Somebody else's session with the number of ours: it does not hold the mark.
    let deadstick_core::ledger::Undo::EndHolder { session: Some(session), process } = &mut intent.undo else {
        panic!("{intent:?}")
    };
    process.start_ticks += 1;
    let deadstick_core::ledger::SessionIdentity::Connection(connection) = &mut session.backend else {
        panic!("no connection")
    };
    let lock = std::mem::replace(&mut connection.lock, "deadstick/other".to_owned());
    assert_eq!(undo(&intent, &secrets).await, Ok(Undone::AlreadyGone));
    assert!(!may(&server, READ), "the session is still there");
    if let deadstick_core::ledger::Undo::EndHolder { session: Some(session), .. } = &mut intent.undo
        && let deadstick_core::ledger::SessionIdentity::Connection(connection) = &mut session.backend
    {
        connection.lock = lock;
    }
    server.signal(Signal::SIGSTOP);
    let failure = undo(&intent, &secrets).await.expect_err("nobody answers");
    server.signal(Signal::SIGCONT);
    assert!(failure.manual.contains("kill") && !failure.manual.contains("s3cret"), "{failure}");
    // From another process than the holder's owner: by the number and the mark.
    assert_eq!(undo(&intent, &secrets).await, Ok(Undone::Done));
    assert!(may(&server, READ));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(injector.close().await, []);
}
