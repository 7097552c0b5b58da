//! The machine that measurements need: asked for by name, and what its clock allows.

use std::time::Duration;

use crate::bounds::successes;

/// Whether the kernel was started with this word.
fn has_word(word: &str) -> bool {
    let line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    line.split_whitespace().any(|one| one == word)
}

/// Fails the test outside the virtual machine: elsewhere the numbers mean nothing.
pub(crate) fn demand() {
    assert!(
        has_word("deadstick.vm=1"),
        "these measurements need a kernel with netem and a clock of their own; run tests/vm/all"
    );
}

/// Whether the guest's clock runs with the world's, so that the host's other work is in every measurement.
pub(crate) fn has_real_clock() -> bool {
    has_word("deadstick.clock=real")
}

/// The share of packets that may meet a task of the guest; five of five thousand were seen to.
const MEET_A_TASK: f64 = 0.004;
/// How long such a task may take; 8.5 ms was the longest seen.
const TASK: Duration = Duration::from_millis(50);

/// How many packets are measured where one says little.
pub(crate) const MANY: usize = 100;

/// How many of so many may meet a task of the guest.
pub(crate) fn few(of: usize) -> usize {
    *successes(of, MEET_A_TASK).end()
}

/// Every packet takes what was asked, and half a millisecond more at most, the guest's own work, but for those few that meet
/// a task of the guest. With the world's clock only the middle one has a bound.
pub(crate) fn takes(asked: Duration, measured: impl IntoIterator<Item = Duration>) {
    takes_within(Duration::from_micros(500), asked, measured);
}

/// The same with another amount of the guest's own work.
pub(crate) fn takes_within(work: Duration, asked: Duration, measured: impl IntoIterator<Item = Duration>) {
    let mut sorted: Vec<_> = measured.into_iter().collect();
    sorted.sort();
    assert!(!sorted.is_empty(), "nothing was measured");
    let in_time = if has_real_clock() {
        sorted[sorted.len() / 2] <= asked + Duration::from_millis(100)
    } else {
        let later = sorted.iter().filter(|one| **one > asked + work).count();
        later <= few(sorted.len()) && sorted[sorted.len() - 1] <= asked + TASK
    };
    assert!(sorted[0] >= asked && in_time, "{asked:?} asked: {sorted:?}");
}

/// How long nothing must come before nothing comes any more.
pub(crate) fn silence() -> Duration {
    Duration::from_secs(if has_real_clock() { 3 } else { 1 })
}
