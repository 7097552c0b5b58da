//! Several faults for the same packets: all of them are suffered, whoever put them there.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_faults::network::enter;
use deadstick_faults::{FaultError, Undone};

use crate::common::{Bench, Chatter, Pair, fault};
use crate::{LEASE, is_slow, other, run, state};

#[tokio::test(flavor = "multi_thread")]
async fn several_on_one_link_and_each_goes_by_itself() {
    let (bench, other_bench, pair) = (Bench::new(), Bench::new(), Pair::new());
    let (target, server) = (pair.target(), other(&pair));
    let before = state(&target);
    // Two deadsticks.
    let (first, second) = (bench.injector().await, other_bench.injector().await);
    let to_one = first.inject(fault("rate rate=25KB/s to=10.9.0.2:7000"), target.clone(), LEASE);
    let to_another = second.inject(fault("rate rate=30KB/s to=10.9.0.2:7001"), target.clone(), LEASE);
    let (to_one, to_another) = tokio::join!(to_one, to_another);
    let (to_one, to_another) = (to_one.expect("injected"), to_another.expect("injected"));
    assert!(to_one.proof.landed && to_another.proof.landed, "{to_one:?} {to_another:?}");
    // Each has a class that keeps its rate, and one that carries its packets.
    let classes = || run(&target, "tc class show dev dsa").lines().count();
    assert_eq!(classes(), 4);
    // A third one, for everything: it shares packets with each of them, and with no two.
    let all = first
        .inject(fault("rate rate=25KB/s direction=egress"), target.clone(), LEASE)
        .await
        .expect("injected");
    assert_eq!(classes(), 8);
    assert!(is_slow(&target, &server, "10.9.0.2"));
    assert_eq!(first.undo(&to_one.id, "asked").await, Ok(Undone::Done));
    assert!(is_slow(&target, &server, "10.9.0.2"));
    assert_eq!(first.undo(&all.id, "asked").await, Ok(Undone::Done));
    assert_eq!(classes(), 2);
    assert!(run(&target, "tc qdisc show dev dsa").contains("htb dead:"), "the other one's is left");
    assert_eq!(second.undo(&to_another.id, "asked").await, Ok(Undone::Done));
    assert_eq!(state(&target), before);
    assert_eq!(first.close().await, []);
    assert_eq!(second.close().await, []);
}

/// Both limits hold for packets that two faults are for, whichever came first and whichever goes first.
#[tokio::test(flavor = "multi_thread")]
async fn two_rates_for_the_same_packets() {
    let (bench, other_bench, pair) = (Bench::new(), Bench::new(), Pair::new());
    let (target, server) = (pair.target(), other(&pair));
    let before = state(&target);
    let (first, second) = (bench.injector().await, other_bench.injector().await);
    let (wide, narrow) = ("rate rate=400KB/s", "rate rate=25KB/s to=10.9.0.0/24");
    for (words, others) in [(wide, narrow), (narrow, wide)] {
        for first_goes_first in [true, false] {
            let one = first.inject(fault(words), target.clone(), LEASE).await.expect("injected");
            let other = second.inject(fault(others), target.clone(), LEASE).await.expect("injected");
            assert!(one.proof.landed && other.proof.landed, "{one:?} {other:?}");
            assert!(is_slow(&target, &server, "10.9.0.2") && is_slow(&server, &target, "10.9.0.1"));
            let left = if first_goes_first { others } else { words };
            if first_goes_first {
                assert_eq!(first.undo(&one.id, "asked").await, Ok(Undone::Done));
            } else {
                assert_eq!(second.undo(&other.id, "asked").await, Ok(Undone::Done));
            }
            assert_eq!(is_slow(&target, &server, "10.9.0.2"), left == narrow, "{left}");
            assert_eq!(is_slow(&server, &target, "10.9.0.1"), left == narrow, "{left}");
            if first_goes_first {
                assert_eq!(second.undo(&other.id, "asked").await, Ok(Undone::Done));
            } else {
                assert_eq!(first.undo(&one.id, "asked").await, Ok(Undone::Done));
            }
            assert_eq!(state(&target), before);
        }
    }
    assert_eq!(first.close().await, []);
    assert_eq!(second.close().await, []);
}

/// One rate is one total, for what it alone chooses and what others choose as well: 25 KB/s for two streams at once, of
/// which the other fault is for one.
#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_one_total_whoever_else_is_there() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let (target, server) = (pair.target(), other(&pair));
    let injector = bench.injector().await;
    for words in ["rate rate=25KB/s direction=egress", "rate rate=1MB/s to=10.9.0.2:9555 direction=egress"] {
        let injected = injector.inject(fault(words), target.clone(), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
    }
    let network = |target: &ResolvedTarget| target.network.clone().expect("a network");
    let sockets = ["0.0.0.0:9555", "0.0.0.0:9556"].map(|address| {
        enter(&network(&server), || UdpSocket::bind(address)).expect("entered").expect("a socket")
    });
    let sender =
        enter(&network(&target), || UdpSocket::bind("0.0.0.0:0")).expect("entered").expect("a socket");
    let began = Instant::now();
    for _ in 0..30 {
        for port in [9_555, 9_556] {
            sender.send_to(&[0; 1_000], ("10.9.0.2", port)).expect("sent");
        }
    }
    for _ in 0..30 {
        for socket in &sockets {
            socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
            socket.recv(&mut [0; 2_000]).expect("it comes");
        }
    }
    // 60 KB, of which a limit each would let through 30 KB in half the time.
    assert!(began.elapsed() >= Duration::from_millis(1_900), "{:?}", began.elapsed());
    assert_eq!(injector.close().await, []);
}

/// A user's packets are chosen where no device is known yet; those of an address at the device. Both suffer, whoever was first.
#[tokio::test(flavor = "multi_thread")]
async fn packets_of_a_user_and_to_an_address() {
    let pair = Pair::new();
    let (target, server) = (pair.target(), other(&pair));
    let before = state(&target);
    let by_user = |rate: &str| match fault(&format!("rate rate={rate} direction=egress")) {
        Fault::Rate(mut impaired) => {
            impaired.flow.user = Some(0);
            Fault::Rate(impaired)
        }
        other => panic!("{other:?}"),
    };
    let to_all = |rate: &str| fault(&format!("rate rate={rate} direction=egress"));
    for (one, other) in [
        (by_user("400KB/s"), to_all("25KB/s")),
        (to_all("400KB/s"), by_user("25KB/s")),
        (by_user("25KB/s"), to_all("400KB/s")),
        (to_all("25KB/s"), by_user("400KB/s")),
        (by_user("25KB/s"), by_user("400KB/s")),
    ] {
        let bench = Bench::new();
        let injector = bench.injector().await;
        let chatter = Chatter::of(&target);
        for fault in [&one, &other] {
            let injected = injector.inject(fault.clone(), target.clone(), LEASE).await.expect("injected");
            assert!(injected.proof.landed, "{fault:?}: {:?}", injected.proof);
        }
        drop(chatter);
        assert!(is_slow(&target, &server, "10.9.0.2"), "{one:?} {other:?}");
        assert_eq!(injector.close().await, []);
        assert_eq!(state(&target), before);
    }
}

/// More faults for the same packets than classes can be made for are refused before anything is touched, by name.
#[tokio::test(flavor = "multi_thread")]
async fn a_seventh_for_the_same_packets_is_refused() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let target = pair.target();
    let injector = bench.injector().await;
    let mut last = None;
    for _ in 0..6 {
        last =
            Some(injector.inject(fault("rate rate=10MB/s"), target.clone(), LEASE).await.expect("injected"));
    }
    let last = last.expect("six");
    assert!(last.proof.landed, "{last:?}");
    let now = state(&target);
    let refused = injector.inject(fault("rate rate=10MB/s"), target.clone(), LEASE).await;
    assert!(
        matches!(&refused, Err(FaultError::Refused { what, hint }) if what.contains(&last.id) && hint.contains("one fault")),
        "{refused:?}"
    );
    assert_eq!(state(&target), now);
    assert_eq!(injector.undo(&last.id, "asked").await, Ok(Undone::Done));
    injector.inject(fault("rate rate=10MB/s"), target.clone(), LEASE).await.expect("there is room again");
    assert_eq!(injector.close().await, []);
}
