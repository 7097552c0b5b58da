//! Impairments end whatever dies: the owner, its guardian, both, or the lease alone.

use std::time::Duration;

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::units::HumanDuration;
use deadstick_faults::kernel::{Linux, Networks, Reach};

use crate::common::matrix::{Killed, World, every_step};
use crate::common::{Bench, WITNESS, eventually, fault};
use crate::machine;
use crate::wire::Wire;

/// A link that one impairment after the other comes to, and how it looks without.
struct Hurt {
    wire: Wire,
    words: &'static str,
    before: String,
}

impl Hurt {
    fn new(words: &'static str) -> Self {
        machine::demand();
        let wire = Wire::new();
        let before = wire.state();
        Self { wire, words, before }
    }
}

impl World for Hurt {
    fn fault(&self) -> Fault {
        fault(self.words)
    }
    fn target(&self) -> ResolvedTarget {
        self.wire.target()
    }
    fn is_as_before(&self) -> bool {
        is_prompt(&self.target()) && self.wire.state() == self.before
    }
}

fn is_prompt(target: &ResolvedTarget) -> bool {
    let network = target.network.as_ref().expect("a network");
    let answer = Linux.reach(network, WITNESS.into(), Duration::from_secs(1));
    matches!(answer, Ok(Reach::Accepted(time)) if time < Duration::from_millis(10))
}

const LATE: &str = "latency delay=50ms";

#[tokio::test]
async fn owner_killed() {
    every_step(&Hurt::new(LATE), Killed::Owner).await;
}

#[tokio::test]
async fn guardian_killed() {
    every_step(&Hurt::new(LATE), Killed::Guardian).await;
}

#[tokio::test]
async fn both_killed() {
    every_step(&Hurt::new(LATE), Killed::Both).await;
}

/// Nobody undoes it: when the lease has ended, no packet is chosen any more.
#[tokio::test(flavor = "multi_thread")]
async fn the_lease_ends() {
    let hurt = Hurt::new("latency delay=50ms direction=egress");
    let bench = Bench::new();
    let injector = bench.injector().await;
    let lease = HumanDuration::secs(20);
    let injected = injector.inject(hurt.fault(), hurt.target(), lease).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert!(!is_prompt(&hurt.target()));
    std::thread::sleep(lease.0);
    eventually("the link is prompt again, and nothing is left", || hurt.is_as_before()).await;
    assert_eq!(injector.close().await, []);
}
