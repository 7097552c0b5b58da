//! Of those who share a network, one is hurt: chosen by control group or by user.

mod common;

use std::time::Duration;

use common::group::{self, TestGroup};
use common::{Bench, Pair, fault};
use deadstick_core::fault::{Fault, Flow};
use deadstick_core::units::HumanDuration;
use deadstick_faults::cgroup::Hierarchy;
use deadstick_faults::{Injected, Injector, Undone};

const LEASE: HumanDuration = HumanDuration::secs(60);

/// The tree by which packets and connections are told.
fn unified() -> Hierarchy {
    let unified = group::hierarchies(&["freezer"]).into_iter().find(|one| one.version == 2);
    unified.expect("cgroup v2 is mounted")
}

fn of_group(path: &str) -> Flow {
    Flow { cgroup: Some(path.into()), ..Flow::default() }
}

/// Puts the client of a pair back into the root.
fn leave(pair: &Pair) {
    std::fs::write(unified().mount.join("cgroup.procs"), pair.client.pid().to_string()).expect("it is taken");
}

/// Injects something about connections whose proof is what goes over them: the client keeps talking over these.
async fn inject(injector: &Injector, pair: &mut Pair, fault: Fault, talks: &[usize]) -> Injected {
    let target = pair.target();
    let injecting = injector.inject(fault, target, LEASE);
    tokio::pin!(injecting);
    loop {
        tokio::select! {
            injected = &mut injecting => return injected.expect("injected"),
            () = tokio::time::sleep(Duration::from_millis(100)) => {
                for one in talks {
                    pair.client.ask(&format!("say {one}"));
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_a_group_end_and_not_those_of_a_later_one_of_its_name() {
    let (bench, mut pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let path = format!("/deadstick-end-{}", std::process::id());
    let below = format!("{path}/below");
    let group = TestGroup::within(&unified(), &below);
    pair.client.ask("dial 10.9.0.2:7000");
    group.take(pair.client.pid());
    pair.client.ask("dial 10.9.0.2:7000");
    let kill = Fault::SocketKill { flow: of_group(&path) };
    let injected = inject(&injector, &mut pair, kill, &[]).await;
    assert!(injected.proof.landed, "{:?}", injected.proof);
    pair.client.ask("ended 1");
    pair.client.ask("say 0");
    pair.client.ask("heard 1");
    // A new one ends as well, while the group is the same.
    pair.client.ask("dial 10.9.0.2:7000");
    pair.client.ask("ended 2");
    leave(&pair);
    drop(group);
    let later = TestGroup::within(&unified(), &below);
    later.take(pair.client.pid());
    pair.client.ask("dial 10.9.0.2:7000");
    tokio::time::sleep(Duration::from_millis(500)).await;
    pair.client.ask("ended 2");
    leave(&pair);
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn established_connections_of_a_group_fall_silent() {
    let (bench, mut pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let path = format!("/deadstick-hush-{}", std::process::id());
    let group = TestGroup::within(&unified(), format!("{path}/below"));
    pair.client.ask("dial 10.9.0.2:7000");
    group.take(pair.client.pid());
    pair.client.ask("dial 10.9.0.2:7000");
    for (one, heard) in [(0, "heard 1"), (1, "heard 2")] {
        pair.client.ask(&format!("say {one}"));
        pair.client.ask(heard);
    }
    let hush = Fault::HalfOpen { flow: of_group(&path) };
    let injected = inject(&injector, &mut pair, hush, &[1]).await;
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert!(injected.proof.evidence.starts_with("1 connections"), "{:?}", injected.proof);
    // What was said while the rules came may have come back before them.
    let before = heard(&mut pair);
    pair.client.ask("say 1");
    pair.client.ask("say 0");
    assert_eq!(heard(&mut pair), before + 1, "only the one outside of the group");
    pair.client.ask("dial 10.9.0.2:7000");
    pair.client.ask("say 2");
    assert_eq!(heard(&mut pair), before + 2, "and a new one of the group");
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    common::eventually("what was said comes back", || heard(&mut pair) > before + 2).await;
    leave(&pair);
    assert_eq!(injector.close().await, []);
}

/// How many bytes the client has heard, once no more come.
fn heard(pair: &mut Pair) -> usize {
    let mut count = pair.client.number("heard");
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = pair.client.number("heard");
        if now == count {
            return now;
        }
        count = now;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn established_connections_of_a_user_fall_silent() {
    let (bench, mut pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let own = rustix::process::geteuid().as_raw();
    pair.client.ask("dial 10.9.0.2:7000");
    let of = |user| Fault::HalfOpen { flow: Flow { user: Some(user), ..Flow::default() } };
    let other = inject(&injector, &mut pair, of(own + 1), &[0]).await;
    assert!(!other.proof.landed, "{:?}", other.proof);
    let before = heard(&mut pair);
    pair.client.ask("say 0");
    assert_eq!(heard(&mut pair), before + 1, "it is not that user's");
    let same = inject(&injector, &mut pair, of(own), &[0]).await;
    assert!(same.proof.landed, "{:?}", same.proof);
    let before = heard(&mut pair);
    pair.client.ask("say 0");
    assert_eq!(heard(&mut pair), before);
    assert_eq!(injector.undo_faults("next").await, []);
    common::eventually("what was said comes back", || heard(&mut pair) > before).await;
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_else_can_be_asked_the_targets_own_packets_are_the_proof() {
    let (bench, mut pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let own = rustix::process::geteuid().as_raw();
    for (round, words) in
        ["partition to=10.9.0.2", "reject to=10.9.0.2:7000", "loss loss=50%"].into_iter().enumerate()
    {
        pair.client.ask("dial 10.9.0.2:7000");
        let mut of_user = fault(words);
        of_user.flow_mut().expect("it has one").user = Some(own + 1);
        // The witness answers all the time, and that says nothing of another user.
        let silent = inject(&injector, &mut pair, of_user.clone(), &[round]).await;
        assert!(!silent.proof.landed, "{words}: {:?}", silent.proof);
        of_user.flow_mut().expect("it has one").user = Some(own);
        let seen = inject(&injector, &mut pair, of_user, &[round]).await;
        assert!(seen.proof.landed, "{words}: {:?}", seen.proof);
        assert_eq!(injector.undo_faults("next").await, []);
    }
    assert_eq!(injector.close().await, []);
}
