//! The life of process faults: order of the ledger, proof, lease, identity, undo.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Bench, Victim, eventually, fault, store};
use deadstick_core::ledger::{FaultState, Undo};
use deadstick_core::units::HumanDuration;
use deadstick_faults::process::{Life, life};
use deadstick_faults::{FaultError, FaultEvent, LedgerError, LedgerStore, MARK_FILE, Undone};

const LEASE: HumanDuration = HumanDuration::secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn pause_lands_and_comes_out() {
    let (bench, victim) = (Bench::new(), Victim::new());
    let injector = bench.injector().await;
    let target = victim.target();
    let process = target.process.clone().expect("a process");
    let injected = injector.inject(fault("pause"), target, LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert_eq!(life(&process).expect("readable"), Life::Stopped);
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    assert_eq!(life(&process).expect("readable"), Life::Running);
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::AlreadyGone));
    assert_eq!(injector.close().await, []);
    let words = &store::faults(&bench.ledger())[&injected.id].words;
    assert_eq!(words, &["applying", "applied", "proved", "undoing", "undone"]);
    let told = bench.told();
    assert!(
        matches!(
            told.as_slice(),
            [
                FaultEvent::Applying { .. },
                FaultEvent::Applied { .. },
                FaultEvent::Examined { .. },
                FaultEvent::Undone { .. }
            ]
        ),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_stopped_by_somebody_else_is_left_alone() {
    let (bench, victim) = (Bench::new(), Victim::new());
    let injector = bench.injector().await;
    let target = victim.target();
    let first = injector.inject(fault("pause"), target.clone(), LEASE).await.expect("injected");
    let second = injector.inject(fault("pause"), target, LEASE).await;
    assert!(matches!(second, Err(FaultError::Refused { .. })), "{second:?}");
    assert_eq!(injector.undo(&first.id, "asked").await, Ok(Undone::Done));
    assert_eq!(injector.close().await, []);
    assert_eq!(store::faults(&bench.ledger()).len(), 1, "a refusal leaves no entry");
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_lands_and_a_later_bearer_of_the_pid_is_never_signalled() {
    let (bench, victim) = (Bench::new(), Victim::new());
    let injector = bench.injector().await;
    let target = victim.target();
    let mut other = target.clone();
    other.process.as_mut().expect("a process").start_ticks -= 1;
    let refused = injector.inject(fault("kill signal=KILL"), other, LEASE).await;
    assert!(matches!(refused, Err(FaultError::Refused { .. })), "{refused:?}");
    assert_eq!(life(target.process.as_ref().expect("a process")).expect("readable"), Life::Running);
    let injected = injector.inject(fault("kill signal=TERM"), target.clone(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert_eq!(life(target.process.as_ref().expect("a process")).expect("readable"), Life::Gone);
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_ends_by_itself() {
    let (bench, victim) = (Bench::new(), Victim::new());
    let injector = bench.injector().await;
    let target = victim.target();
    let process = target.process.clone().expect("a process");
    let injected =
        injector.inject(fault("pause"), target, HumanDuration::millis(300)).await.expect("injected");
    eventually("it goes on", || life(&process).expect("readable") == Life::Running).await;
    eventually("it is told", || matches!(bench.told().last(), Some(FaultEvent::Undone { id, because }) if *id == injected.id && because.contains("lease"))).await;
    assert_eq!(injector.close().await, []);
}

struct FullDisk;

impl LedgerStore for FullDisk {
    fn record(&self, _: &String, _: &deadstick_core::ledger::Entry) -> Result<(), LedgerError> {
        Err(LedgerError::NotDurable(Box::new(std::io::Error::from(std::io::ErrorKind::StorageFull))))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_record_no_fault() {
    let (bench, victim) = (Bench::new(), Victim::new());
    let settings = deadstick_faults::Settings { store: Arc::new(FullDisk), ..bench.settings() };
    let injector = deadstick_faults::Injector::arm(settings).await.expect("armed");
    let target = victim.target();
    let result = injector.inject(fault("pause"), target.clone(), LEASE).await;
    assert!(matches!(result, Err(FaultError::Ledger(_))), "{result:?}");
    assert_eq!(life(target.process.as_ref().expect("a process")).expect("readable"), Life::Running);
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_interrupts_a_step_that_is_stuck() {
    let bench = Bench::new();
    // A shell that does not end when asked: the proof of the kill waits for seconds.
    let mut child = std::process::Command::new("sh")
        .args(["-c", "trap ':' TERM; echo ready; while :; do sleep 0.1; done"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("sh");
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut ready).expect("it says so");
    let victim = Victim::of(child);
    let injector = bench.injector().await;
    let injecting = {
        let (injector, target) = (injector.clone(), victim.target());
        tokio::spawn(async move { injector.inject(fault("kill signal=TERM"), target, LEASE).await })
    };
    eventually("it is applied", || {
        bench.told().iter().any(|event| matches!(event, FaultEvent::Applied { .. }))
    })
    .await;
    let started = std::time::Instant::now();
    assert_eq!(injector.undo_faults("abort").await, []);
    assert!(started.elapsed() < Duration::from_secs(4), "the proof alone waits five seconds");
    let result = injecting.await.expect("it ends");
    assert!(matches!(result, Err(FaultError::Aborted)), "{result:?}");
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_folder_outlives_the_faults_and_goes_at_the_end() {
    let (bench, victim) = (Bench::new(), Victim::new());
    let injector = bench.injector().await;
    let path = bench.folder.path().join("lab");
    let id = injector
        .register(
            "the lab's folder",
            Undo::RemoveFolder { path: path.clone(), mark: "ours".to_owned() },
            LEASE,
        )
        .await
        .expect("registered");
    std::fs::create_dir(&path).and_then(|()| std::fs::write(path.join(MARK_FILE), "ours")).expect("a folder");
    injector.inject(fault("pause"), victim.target(), LEASE).await.expect("injected");
    assert_eq!(injector.undo_faults("abort").await, []);
    assert!(path.exists());
    assert_eq!(injector.close().await, []);
    assert!(!path.exists());
    assert_eq!(store::faults(&bench.ledger())[&id].state, FaultState::Undone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_ours_is_residue_and_stays() {
    let bench = Bench::new();
    let injector = bench.injector().await;
    let path = bench.folder.path().join("somebody's");
    std::fs::create_dir(&path)
        .and_then(|()| std::fs::write(path.join("work"), "precious"))
        .expect("a folder");
    let id = injector
        .register("a folder", Undo::RemoveFolder { path: path.clone(), mark: "ours".to_owned() }, LEASE)
        .await
        .expect("registered");
    let residue = injector.close().await;
    assert_eq!(residue.len(), 1, "{residue:?}");
    assert!(residue[0].manual.starts_with("rm "), "{residue:?}");
    assert!(path.join("work").exists());
    assert_eq!(store::faults(&bench.ledger())[&id].state, FaultState::Residue);
}
