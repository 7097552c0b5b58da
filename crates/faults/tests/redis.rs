//! Pauses of a real Redis server: whose commands wait, and that it goes on by itself.

mod common;

use std::process::Command;

use common::redis::Redis;
use common::{Bench, Talker, eventually, fault, program, store};
use deadstick_core::fault::ResolvedTarget;
use deadstick_core::ledger::Undo;
use deadstick_core::units::HumanDuration;
use deadstick_faults::{FaultError, Secrets, Undone, process, undo};
use nix::sys::signal::Signal;

const LEASE: HumanDuration = HumanDuration::secs(60);
const READ: &[&str] = &["GET", "a"];
const WRITE: &[&str] = &["SET", "a", "b"];

fn target(dsn: String) -> ResolvedTarget {
    ResolvedTarget { name: "cache".to_owned(), dsn: Some(dsn), ..ResolvedTarget::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_wait_and_go_on_when_asked() {
    let Some(server) = Redis::start() else { return };
    let bench = Bench::new();
    let injector = bench.injector().await;
    let as_ann = server.dsn().replace(":s3cret", "ann:s3cret");
    for (words, dsn, readable) in [("pause", server.dsn(), false), ("pause commands=writes", as_ann, true)] {
        let injected = injector.inject(fault(words), target(dsn), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
        // Longer than one pause lasts: it is renewed.
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        let answer = if readable { server.ask(READ) } else { server.ask_soon(READ) };
        assert_eq!(answer.is_some(), readable, "{words}");
        assert!(server.ask_soon(WRITE).is_none(), "{words}");
        // Paused already is not ours to end.
        let refused = Bench::new().injector().await.inject(fault(words), target(server.dsn()), LEASE).await;
        assert!(
            matches!(&refused, Err(FaultError::Refused { what, .. }) if what.contains("already")),
            "{refused:?}"
        );
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        assert_eq!(server.ask(WRITE).as_deref(), Some("OK"), "{words}");
    }
    assert_eq!(injector.close().await, []);
    let ledger = std::fs::read_to_string(bench.ledger()).expect("readable");
    assert!(!ledger.contains("s3cret"), "{ledger}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_goes_on_when_nobody_else_can_see_to_it() {
    let Some(server) = Redis::start() else { return };
    let order = serde_json::json!({
        "what": { "redis": { "dsn": server.dsn(), "commands": "all" } },
        "application": "deadstick/test", "ends_boottime_ms": process::boottime_ms() + 60_000
    });
    let mut holder = Talker::start(Command::new(program()).arg("hold"));
    assert!(holder.tell(&order.to_string()));
    assert!(holder.hear().is_some_and(|line| line.contains("ready")));
    assert!(holder.tell("go"));
    assert_eq!(holder.hear().as_deref(), Some("\"held\""));
    assert!(server.ask_soon(READ).is_none());
    let pid = nix::unistd::Pid::from_raw(i32::try_from(holder.child.id()).expect("a pid"));
    nix::sys::signal::kill(pid, Signal::SIGSTOP).expect("ours");
    eventually("the server goes on", || server.ask_soon(WRITE).is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_and_a_silent_server_is_residue() {
    let Some(server) = Redis::start() else { return };
    let bench = Bench::new();
    let injector = bench.injector().await;
    for (dsn, word) in [
        (server.dsn().replace("s3cret", "wr0ng"), "WRONGPASS"),
        (server.dsn().replace(":s3cret@", ""), "NOAUTH"),
        (server.dsn().replace("redis:", "rediss:"), "no TLS handshake"),
    ] {
        let refused = injector.inject(fault("pause"), target(dsn), LEASE).await;
        let shown = format!("{refused:?}");
        assert!(
            matches!(refused, Err(FaultError::Refused { .. })) && shown.contains(word),
            "{word}: {shown}"
        );
        assert!(!shown.contains("s3cret") && !shown.contains("wr0ng"), "{shown}");
    }
    assert!(store::faults(&bench.ledger()).is_empty());

    let injected = injector.inject(fault("pause"), target(server.dsn()), LEASE).await.expect("injected");
    let intent = store::faults(&bench.ledger())[&injected.id].intent.clone();
    let Undo::EndPause { process: holder, .. } = &intent.undo else { panic!("{intent:?}") };
    let secrets = Secrets::with(Some("s3cret".to_owned()));
    server.signal(Signal::SIGSTOP);
    let failure = undo(&intent, &secrets).await.expect_err("nobody answers");
    server.signal(Signal::SIGCONT);
    assert!(failure.manual.contains("client unpause") && !failure.manual.contains("s3cret"), "{failure}");
    assert!(!process::is_alive(holder), "nobody renews the pause any more");
    eventually("the server goes on", || server.ask_soon(WRITE).is_some()).await;
    assert!(undo(&intent, &secrets).await.is_ok());
    assert_eq!(injector.close().await, []);
}
