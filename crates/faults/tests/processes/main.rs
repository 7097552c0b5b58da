//! What is done to processes: signals, standing still, little time, little memory, few files, none at all.

#[path = "../common/mod.rs"]
mod common;
mod kill;
mod limits;
mod pause;
mod stress;

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::group::{TestGroup, hierarchies};
use common::{Bench, Victim, eventually, fault};
use deadstick_core::fault::{ResolvedTarget, Target};
use deadstick_core::identity::ProcessIdentity;
use deadstick_core::units::HumanDuration;
use deadstick_faults::process::{self, Life, life};
use deadstick_faults::{FaultError, Undone};

const LEASE: HumanDuration = HumanDuration::secs(60);

/// A shell that does this after it said that it is ready.
fn shell(script: &str) -> Victim {
    let mut child = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("sh starts");
    let mut ready = [0; 6];
    child.stdout.as_mut().expect("piped").read_exact(&mut ready).expect("it says so");
    assert_eq!(&ready, b"ready\n");
    Victim::of(child)
}

fn busy() -> Victim {
    shell("echo ready; while :; do :; done")
}

fn identity(victim: &Victim) -> ProcessIdentity {
    process::of(victim.0.id()).expect("it runs")
}

fn lives(process: &ProcessIdentity) -> Life {
    life(process).expect("readable")
}

fn target_of(victims: &[&Victim]) -> ResolvedTarget {
    let mut processes = victims.iter().map(|victim| identity(victim));
    ResolvedTarget {
        name: "victims".to_owned(),
        process: processes.next(),
        others: processes.collect(),
        ..ResolvedTarget::default()
    }
}

fn grouped(group: &TestGroup, victims: &[&Victim]) -> ResolvedTarget {
    for victim in victims {
        group.take(victim.0.id());
    }
    ResolvedTarget { cgroup: Some(group.path.clone()), ..target_of(victims) }
}

fn name(what: &str) -> String {
    format!("deadstick-test-{what}-{}", std::process::id())
}

fn refused<T: std::fmt::Debug>(result: Result<T, FaultError>) -> String {
    match result {
        Err(FaultError::Refused { what, .. }) => what,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kernel_ends_an_idle_process_for_lack_of_memory() {
    let (bench, one, two) = (Bench::new(), Victim::new(), Victim::new());
    let injector = bench.injector().await;
    let target = target_of(&[&one, &two]);
    let all: Vec<_> = target.processes().cloned().collect();
    let injected = injector.inject(fault("oom"), target, LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert!(all.iter().all(|process| lives(process) == Life::Gone));
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    for hierarchy in hierarchies(&["memory"]) {
        assert!(!hierarchy.mount.join(format!("deadstick-{}", injected.id)).exists());
    }
    assert_eq!(injector.close().await, []);
}
