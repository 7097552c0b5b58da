//! Standing still, by signals and by the freezer.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stopped_before_stays_stopped() {
    let (bench, running, stopped) = (Bench::new(), Victim::new(), Victim::new());
    let (free, held) = (identity(&running), identity(&stopped));
    use deadstick_faults::kernel::{Linux, Processes, Sent};
    Linux.signal(&held, Sent::Stop).expect("ours");
    eventually("it is stopped", || lives(&held) == Life::Stopped).await;
    let injector = bench.injector().await;
    let target = target_of(&[&running, &stopped]);
    let injected = injector.inject(fault("pause"), target, LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert_eq!(lives(&free), Life::Stopped);
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    assert_eq!((lives(&free), lives(&held)), (Life::Running, Life::Stopped));
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn children_born_meanwhile_stand_still_and_go_on_with_the_rest() {
    let bench = Bench::new();
    let family = shell("echo ready; while :; do sleep 0.01; done");
    let injector = bench.injector().await;
    let target = ResolvedTarget { found_by: Some(Target::Process("sh".to_owned())), ..family.target() };
    for _ in 0..10 {
        let injected = injector.inject(fault("pause"), target.clone(), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{:?}", injected.proof);
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        let all = deadstick_faults::find::offspring(&[identity(&family)]).expect("found");
        assert!(all.iter().all(|child| lives(child) != Life::Stopped));
    }
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_frozen_with_whoever_joins_it() {
    for hierarchy in hierarchies(&["freezer"]) {
        let (bench, one, two) = (Bench::new(), busy(), Victim::new());
        let group = TestGroup::within(&hierarchy, name("freeze"));
        let target = grouped(&group, &[&one]);
        let injector = bench.injector().await;
        let injected = injector.inject(fault("pause"), target.clone(), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{:?}", injected.proof);
        group.take(two.0.id());
        // A second pause finds it frozen, and says whose business that is.
        let why = refused(injector.inject(fault("pause"), target, LEASE).await);
        assert!(why.contains("frozen already"), "{why}");
        let used = || std::fs::read_to_string(format!("/proc/{}/schedstat", one.0.id())).expect("readable");
        let before = used();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(used(), before, "a frozen process computes nothing");
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        eventually("it goes on", || used() != before).await;
        assert_eq!(injector.close().await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_removed_meanwhile_needs_no_thaw() {
    let bench = Bench::new();
    let hierarchy = hierarchies(&["freezer"]).remove(0);
    let (victim, group) = (Victim::new(), TestGroup::within(&hierarchy, name("gone")));
    let target = grouped(&group, &[&victim]);
    let injector = bench.injector().await;
    let injected = injector.inject(fault("pause"), target, LEASE).await.expect("injected");
    if hierarchy.version == 1 {
        group.write("freezer.state", "THAWED");
    }
    drop(victim);
    drop(group);
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::AlreadyGone));
    assert_eq!(injector.close().await, []);
}
