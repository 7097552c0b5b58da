//! A host from which requests come.

use std::fs;
use std::time::Duration;

use deadstick_core::identity::NetworkIdentity;
use deadstick_faults::network::enter;

use super::links::{pair, passes};
use super::same::Same;
use crate::common::matrix::World;

/// A quiet link carries fewer packets than this in [`MOMENT`], and one under load many more.
const QUIET: u64 = 10;
const MOMENT: Duration = Duration::from_millis(200);

pub(crate) fn spiked(words: &'static str) -> Option<Box<dyn World>> {
    let pair = pair();
    let target = pair.target();
    let network = target.network.clone().expect("a network");
    Same::new(words, target.clone(), pair, move || {
        let before = sent(&network);
        std::thread::sleep(MOMENT);
        sent(&network) - before < QUIET && passes(&target)
    })
    .boxed()
}

/// How many packets the link has carried away.
fn sent(network: &NetworkIdentity) -> u64 {
    let table = enter(network, || fs::read_to_string("/proc/thread-self/net/dev")).expect("entered");
    let table = table.expect("readable");
    let line = table.lines().find_map(|line| line.trim().strip_prefix("dsa:")).expect("it is there");
    line.split_whitespace().nth(9).and_then(|count| count.parse().ok()).expect("a count")
}
