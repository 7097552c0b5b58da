//! The machine that measurements need: asked for by name, and what its clock allows.

use std::time::Duration;

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

/// Every packet takes what was asked, and all but one in twenty half a millisecond more at most, the guest's own work; that
/// one may meet a task of the guest and take some milliseconds. With the world's clock only the middle one has a bound.
pub(crate) fn takes(asked: Duration, measured: impl IntoIterator<Item = Duration>) {
    takes_within(Duration::from_micros(500), asked, measured);
}

/// The same with another amount of the guest's own work.
pub(crate) fn takes_within(work: Duration, asked: Duration, measured: impl IntoIterator<Item = Duration>) {
    let mut sorted: Vec<_> = measured.into_iter().collect();
    sorted.sort();
    assert!(!sorted.is_empty(), "nothing was measured");
    let all_but_few = sorted[(sorted.len() - 1) * 95 / 100];
    let in_time = if has_real_clock() {
        sorted[sorted.len() / 2] <= asked + Duration::from_millis(100)
    } else {
        all_but_few <= asked + work && sorted[sorted.len() - 1] <= asked + Duration::from_millis(5)
    };
    assert!(sorted[0] >= asked && in_time, "{asked:?} asked: {sorted:?}");
}

/// How long nothing must come before nothing comes any more.
pub(crate) fn silence() -> Duration {
    Duration::from_secs(if has_real_clock() { 3 } else { 1 })
}
