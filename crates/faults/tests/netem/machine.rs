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

/// How much longer than asked a packet may take on its way: the guest's own work. With the world's clock, the host's, too.
pub(crate) fn slack() -> Duration {
    if has_word("deadstick.clock=real") { Duration::from_millis(15) } else { Duration::from_micros(500) }
}
