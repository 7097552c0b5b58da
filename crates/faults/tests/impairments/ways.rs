//! Which way a rate goes, and whose packets it is for.

use deadstick_faults::Undone;

use crate::common::{Bench, Pair, fault};
use crate::{LEASE, is_slow, other, state};

/// Injects, looks which way is slow, undoes.
async fn slow(words: &str, slow_out: bool, slow_in: bool) {
    let (bench, pair) = (Bench::new(), Pair::new());
    let (target, server) = (pair.target(), other(&pair));
    let before = state(&target);
    let injector = bench.injector().await;
    let injected = injector.inject(fault(words), target.clone(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
    let found = (is_slow(&target, &server, "10.9.0.2"), is_slow(&server, &target, "10.9.0.1"));
    assert_eq!(found, (slow_out, slow_in), "{words}");
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    assert_eq!(state(&target), before, "{words}");
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_of_what_is_sent() {
    slow("rate rate=25KB/s direction=egress", true, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_of_what_is_received() {
    slow("rate rate=25KB/s direction=ingress", false, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_both_ways_on_one_device() {
    slow("rate rate=25KB/s iface=dsa", true, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_of_one_peer_leaves_the_others() {
    slow("rate rate=25KB/s to=10.9.0.2:7000", false, false).await;
}
