//! SIGKILL of the owner, of the guardian, or of both, at moments that no step names: nothing is left, a thousand times.
//!
//! `DEADSTICK_KILLS` sets how many (1,000 in CI, 64 otherwise), `DEADSTICK_SEED` which.

mod common;

use std::time::{Duration, Instant};

use common::matrix::{World, owner, recover};
use common::worlds::{Cut, Paused};
use common::{Bench, Pair, Victim, eventually, fault, store};
use deadstick_core::fault::Signal;
use deadstick_core::ledger::FaultState;
use deadstick_faults::kernel::{Linux, Processes, Sent};
use deadstick_faults::process;

/// How many owners live at a time: they wait more than they work.
const AT_ONCE: u64 = 8;
/// The last moment: a network fault has been looked for by then, a pause long before.
const LAST_MS: u64 = 700;

#[test]
#[expect(clippy::print_stderr, reason = "the seed and the times are what a reader wants")]
fn nothing_is_left() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills =
        number("DEADSTICK_KILLS").unwrap_or(if std::env::var_os("CI").is_some() { 1_000 } else { 64 });
    let seed = number("DEADSTICK_SEED").unwrap_or_else(process::boottime_ms).max(1);
    eprintln!("DEADSTICK_SEED={seed} DEADSTICK_KILLS={kills}");
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|lane| scope.spawn(move || some_kills(seed, lane, (kills + lane) / AT_ONCE)))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no kill left anything")).collect()
    });
    times.sort();
    let share = |percent: usize| times.get((times.len() - 1) * percent / 100).copied().unwrap_or_default();
    eprintln!(
        "from SIGKILL of the owner to the guardian done, {} of {kills} kills: median {:?}, p99 {:?}, worst {:?}",
        times.len(),
        share(50),
        share(99),
        share(100)
    );
}

/// The kills of one lane; gives the times from the end of an owner to that of its guardian.
fn some_kills(seed: u64, lane: u64, kills: u64) -> Vec<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let world: Box<dyn World> = match lane % 4 {
        0 | 1 => Box::new(Paused(Victim::new())),
        2 => Box::new(Cut(Pair::new(), fault("vanish"))),
        _ => Box::new(Cut(Pair::new(), fault("half-open"))),
    };
    let mut random = (seed ^ (lane + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1);
    let mut next = || {
        // xorshift: any spread of moments will do.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut times = Vec::new();
    for kill in 0..kills {
        let label = format!("seed {seed}, lane {lane}, kill {kill}");
        let (moment, whom) = (Duration::from_micros(next() % (LAST_MS * 1_000)), next() % 4);
        times.extend(runtime.block_on(one(world.as_ref(), moment, whom, &label)));
    }
    times
}

/// One kill: of the owner in half of the cases, else of the guardian, or of both.
async fn one(world: &dyn World, moment: Duration, whom: u64, label: &str) -> Option<Duration> {
    let bench = Bench::new();
    let mut owner = owner(&bench.ledger(), world, "60s", "Never");
    let said = owner.hear().expect("it says who its guardian is");
    let pid = said.strip_prefix("guardian ").and_then(|pid| pid.parse().ok()).expect("a pid");
    let guardian = process::of(pid).expect("it runs");
    tokio::time::sleep(moment).await;
    let began = Instant::now();
    if whom >= 2 {
        Linux.signal(&guardian, Sent::End(Signal::Kill)).expect("ours");
    }
    if whom == 2 {
        // The owner lives, sees the loss and takes everything out itself, or never begins.
        owner.tell("go");
        while owner.hear().is_some() {}
        owner.child.wait().expect("reaped");
    } else {
        owner.kill();
    }
    eventually(&format!("{label}: the guardian has ended"), || !process::is_alive(&guardian)).await;
    let took = began.elapsed();
    // With its guardian alive, the owner's death leaves nothing for the next start to undo.
    if whom < 2 {
        assert!(world.is_as_before(), "{label}");
    }
    recover(&bench.ledger()).await;
    assert!(world.is_as_before(), "{label}: after the next start");
    for (id, fault) in store::faults(&bench.ledger()) {
        assert_eq!(fault.state, FaultState::Undone, "{label}: {id}: {:?}", fault.words);
    }
    (whom < 2).then_some(took)
}
