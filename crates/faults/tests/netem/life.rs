//! Impairments end whatever dies: the owner, its guardian, both, or the lease alone.

use std::time::Duration;

use deadstick_core::fault::ResolvedTarget;
use deadstick_core::units::HumanDuration;
use deadstick_faults::kernel::{Linux, Networks, Reach};

use crate::common::matrix::Before;
use crate::common::worlds::links;
use crate::common::{Bench, WITNESS};
use crate::machine;

mod killed {
    on_netem!(part_of_the_matrix);
}

fn is_prompt(target: &ResolvedTarget) -> bool {
    let network = target.network.as_ref().expect("a network");
    let answer = Linux.reach(network, WITNESS.into(), Duration::from_secs(1));
    matches!(answer, Ok(Reach::Accepted(time)) if time < Duration::from_millis(40))
}

/// Nobody undoes it: when the lease has ended, no packet is chosen any more.
#[tokio::test(flavor = "multi_thread")]
async fn the_lease_ends() {
    machine::demand();
    let world = links::plain("latency delay=50ms direction=egress").expect("it needs no server");
    let before = Before::of(world.as_ref()).await;
    let bench = Bench::new();
    let injector = bench.injector().await;
    let lease = HumanDuration::secs(20);
    let injected = injector.inject(world.fault(), world.target(), lease).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert!(!is_prompt(&world.target()));
    std::thread::sleep(lease.0);
    before.comes_back("the link is prompt again, and nothing is left", world.as_ref()).await;
    assert!(is_prompt(&world.target()));
    assert_eq!(injector.close().await, []);
}
