//! Root qdiscs that somebody else set up: they step aside and come back, or stay.

use deadstick_faults::kernel::{KernelError, Linux, Root, Shaping};
use deadstick_faults::{FaultError, Undone};

use crate::common::{Bench, Pair, fault};
use crate::{LEASE, is_slow, other, run, state};

/// A root qdisc of somebody steps aside, and comes back byte for byte.
async fn steps_aside(set_up: &[&str]) {
    let (bench, pair) = (Bench::new(), Pair::new());
    let (target, server) = (pair.target(), other(&pair));
    for words in set_up {
        run(&target, words);
    }
    let before = state(&target);
    let injector = bench.injector().await;
    let words = "rate rate=25KB/s direction=egress";
    let refused = injector.inject(fault(words), target.clone(), LEASE).await;
    assert!(
        matches!(&refused, Err(FaultError::Refused { hint, .. }) if hint.contains("replace")),
        "{refused:?}"
    );
    assert_eq!(state(&target), before);
    let words = format!("{words} replace=true");
    let injected = injector.inject(fault(&words), target.clone(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert!(is_slow(&target, &server, "10.9.0.2"));
    let second = injector.inject(fault(&words), target.clone(), LEASE).await;
    assert!(
        matches!(&second, Err(FaultError::Refused { what, .. }) if what.contains("another fault")),
        "{second:?}"
    );
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    assert_eq!(state(&target), before);
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_bucket_comes_back() {
    steps_aside(&["tc qdisc add dev dsa root handle 5: tbf rate 1gbit burst 100k latency 5ms"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_comes_back() {
    steps_aside(&[
        "tc qdisc add dev dsa root handle 1: htb default 20 r2q 5",
        "tc class add dev dsa parent 1: classid 1:1 htb rate 1gbit burst 15k",
        "tc class add dev dsa parent 1:1 classid 1:10 htb rate 500mbit ceil 1gbit prio 1",
        "tc class add dev dsa parent 1:1 classid 1:20 htb rate 300mbit ceil 1gbit prio 2",
        "tc qdisc add dev dsa parent 1:20 handle 20: pfifo limit 77",
        "tc qdisc add dev dsa parent 1:10 handle 10: tbf rate 100mbit burst 50k latency 7ms",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_captured_stays() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let target = pair.target();
    run(&target, "tc qdisc add dev dsa root handle 1: htb default 1");
    run(&target, "tc class add dev dsa parent 1: classid 1:1 htb rate 1gbit");
    run(&target, "tc filter add dev dsa parent 1: protocol ip u32 match ip dst 10.9.0.2 flowid 1:1");
    let before = state(&target);
    let injector = bench.injector().await;
    let refused = injector.inject(fault("rate rate=1MB/s replace=true"), target.clone(), LEASE).await;
    assert!(
        matches!(&refused, Err(FaultError::Refused { what, .. }) if what.contains("u32 filter")),
        "{refused:?}"
    );
    assert_eq!(state(&target), before);
    assert_eq!(injector.close().await, []);
}

/// Whoever puts a root qdisc back may die at any moment; whoever comes next goes on, and leaves what others set up.
#[tokio::test(flavor = "multi_thread")]
async fn putting_back_goes_on_where_it_was_cut_short() {
    let pair = Pair::new();
    let target = pair.target();
    let network = target.network.clone().expect("a network");
    run(&target, "tc qdisc add dev dsa root handle 1: htb default 20");
    run(&target, "tc class add dev dsa parent 1: classid 1:20 htb rate 300mbit");
    run(&target, "tc qdisc add dev dsa parent 1:20 handle 20: pfifo limit 77");
    let before = state(&target);
    let captured = Linux.capture(&network, "dsa").expect("captured");
    assert_eq!(captured.len(), 3, "{captured:?}");
    let back = || Linux.remove_classes(&network, "dsa", 0xdead, Some(3), &captured);
    assert!(!back().expect("nothing was done"), "it is there");
    run(&target, "tc qdisc del dev dsa parent 1:20 handle 20:");
    assert!(back().expect("the missing part"));
    assert_eq!(state(&target), before);
    run(&target, "tc qdisc del dev dsa root");
    assert!(back().expect("all of it"));
    assert_eq!(state(&target), before);
    run(&target, "tc qdisc replace dev dsa root handle 7: tbf rate 1gbit burst 100k latency 5ms");
    let others = state(&target);
    assert!(matches!(back(), Err(KernelError::ForeignQdisc { .. })));
    assert_eq!(state(&target), others);
    let roots = Linux.shapeable(&network).expect("listed");
    assert!(matches!(&roots[0].root, Root::Foreign { kind, handle: 7 } if kind == "tbf"), "{roots:?}");
}
