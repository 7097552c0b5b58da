//! Refusals, swallowed packets, links that come and go, and groups that are split: whole lives on real links.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{Bench, Pair, WITNESS, eventually, fault};
use deadstick_core::fault::ResolvedTarget;
use deadstick_core::units::HumanDuration;
use deadstick_faults::kernel::{Linux, Networks, Reach};
use deadstick_faults::{FaultError, HostFacts, Undone, doctor, plan};

const LEASE: HumanDuration = HumanDuration::secs(60);
const SOON: Duration = Duration::from_millis(300);

fn reach(target: &ResolvedTarget) -> Reach {
    let network = target.network.as_ref().expect("a network");
    Linux.reach(network, SocketAddr::from(WITNESS), SOON).expect("it can be tried")
}

fn passes(target: &ResolvedTarget) -> bool {
    matches!(reach(target), Reach::Accepted(_))
}

/// In place and proved; `holds` while it is there; undone, and the link as it was.
async fn lives(words: &str, holds: impl Fn(&ResolvedTarget) -> bool) {
    let (bench, mut pair) = (Bench::new(), Pair::new());
    // Somebody has to be there for packets to be sent.
    pair.server.ask("run ip addr add 10.9.0.9/24 dev dsb");
    let injector = bench.injector().await;
    let target = pair.target();
    assert!(passes(&target), "{words}");
    let injected = injector.inject(fault(words), target.clone(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
    eventually(words, || holds(&target)).await;
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done), "{words}");
    assert!(passes(&target), "{words}");
    assert_eq!(injector.close().await, [], "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_refused() {
    for words in ["reject to=10.9.0.2:7000", "reject with=icmp", "reject direction=egress"] {
        lives(words, |target| matches!(reach(target), Reach::Refused(_)) || words.contains("icmp")).await;
    }
    lives("reject to=10.9.0.2 direction=ingress", |target| reach(target) == Reach::Silent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_packets_are_swallowed() {
    for words in ["mtu-blackhole above=1000B", "mtu-blackhole above=1000B to=10.9.0.2 direction=ingress"] {
        lives(words, |target| {
            let network = target.network.as_ref().expect("a network");
            let ping =
                |length| Linux.ping(network, [10, 9, 0, 2].into(), length, SOON).expect("sent").is_some();
            passes(target) && ping(1_000) && !ping(1_001)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_device_takes_is_no_blackhole() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let refused = injector.inject(fault("mtu-blackhole above=1500B"), pair.target(), LEASE).await;
    assert!(matches!(&refused, Err(FaultError::Refused { .. })), "{refused:?}");
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_comes_and_goes() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let target = pair.target();
    let flap = fault("flap up=900ms down=900ms to=10.9.0.2");
    let injected = injector.inject(flap, target.clone(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    for _ in 0..2 {
        eventually("it is good", || passes(&target)).await;
        eventually("it is bad", || reach(&target) == Reach::Silent).await;
    }
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    assert!(passes(&target));
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_slow_in_turns() {
    lives("flap up=200ms down=60s while-down=rate=64KiB/s direction=egress", passes).await;
    lives("flap up=60s down=200ms while-up=rate=64KiB/s direction=egress", passes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_loses_in_turns_without_netem() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let facts = HostFacts { netem: false, ..doctor::facts() };
    let injector = deadstick_faults::Injector::arm_on(bench.settings(), std::sync::Arc::new(Linux), facts)
        .await
        .expect("armed");
    let flap = fault("flap up=100ms down=60s while-down=loss=50%");
    let injected = injector.inject(flap, pair.target(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_cut_off_from_its_part_of_the_group() {
    // Of three halves the first two stay together.
    lives("partition members=10.9.0.1,10.9.0.9,10.9.0.2", |target| !passes(target)).await;
    lives("partition members=10.9.0.1,10.9.0.2,10.9.0.9", passes).await;
    lives("partition members=10.9.0.1,10.9.0.9,10.9.0.2 shape=majorities-ring", |target| !passes(target))
        .await;
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    for (members, why) in [
        ("members=10.9.0.7,10.9.0.9", "no member"),
        ("members=10.9.0.2,10.9.0.1,10.9.0.9 shape=bridge", "sees every member"),
    ] {
        let target = ResolvedTarget { address: None, ..pair.target() };
        let refused = injector.inject(fault(&format!("partition {members}")), target, LEASE).await;
        assert!(
            matches!(&refused, Err(FaultError::Refused { what, .. }) if what.contains(why)),
            "{refused:?}"
        );
    }
    assert_eq!(injector.close().await, []);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_touched() {
    let pair = Pair::new();
    for (words, why) in [
        ("partition members=10.9.0.1,10.9.0.2 to=10.9.0.3", "peers beside it"),
        ("partition members=10.9.0.1,10.9.0.2 shape=bridge", "3 or more"),
        ("partition shape=halves", "no group"),
        ("partition to=10.9.0.2 from=fd00::1", "IPv6"),
        ("partition iface=lo", "loopback"),
        ("flap up=1ms down=1s", "turns of"),
        ("mtu-blackhole above=10B", "above 10"),
        ("reject to=10.9.0.2 from=fd00::1", "IPv6"),
    ] {
        let refused = plan(&fault(words), &pair.target(), LEASE, &doctor::facts());
        assert!(
            matches!(&refused, Err(FaultError::Refused { what, .. }) if what.contains(why)),
            "{words}: {refused:?}"
        );
    }
}
