//! SIGKILL of the owner, of the guardian, or of both, at moments that no step names, in every world of the kill matrix:
//! nothing is left, a thousand times.
//!
//! `DEADSTICK_KILLS` sets how many (1,000 in CI, 64 otherwise), `DEADSTICK_SEED` which.

mod common;

use std::time::{Duration, Instant};

use common::matrix::{Before, World, no_trace_of, owner, recover};
use common::worlds::{self, Entry};
use common::{Bench, eventually, store};
use deadstick_core::fault::Signal;
use deadstick_core::ledger::FaultState;
use deadstick_faults::kernel::{Linux, Processes, Sent};
use deadstick_faults::{doctor, process};

/// How many owners live at a time: they wait more than they work.
const LANES: usize = 8;
/// The last moment: a network fault has been looked for by then, a pause long before.
const LAST_MS: u64 = 700;

#[test]
#[expect(clippy::print_stderr, reason = "the seed and the times are what a reader wants")]
fn nothing_is_left() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = number("DEADSTICK_KILLS").and_then(|kills| usize::try_from(kills).ok());
    let kills = kills.unwrap_or(if std::env::var_os("CI").is_some() { 1_000 } else { 64 });
    let seed = number("DEADSTICK_SEED").unwrap_or_else(process::boottime_ms).max(1);
    eprintln!("DEADSTICK_SEED={seed} DEADSTICK_KILLS={kills}");
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..LANES).map(|lane| scope.spawn(move || some_kills(seed, lane, kills))).collect();
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

/// The kills of one lane, the same number in each of its worlds; gives the times from the end of an owner to that of its
/// guardian.
fn some_kills(seed: u64, lane: usize, kills: usize) -> Vec<Duration> {
    let mut random = Random::new(seed, lane as u64);
    let mut times = Vec::new();
    let all: Vec<_> = everything().into_iter().enumerate().collect();
    for (number, entry) in all.iter().filter(|(number, _)| number % LANES == lane) {
        // Before there is a runtime: some worlds are this thread's alone.
        let Some(world) = (entry.make)(entry.words) else { continue };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let before = runtime.block_on(Before::of(world.as_ref()));
        // The first worlds have what does not go round.
        let share = kills / all.len() + usize::from(*number < kills % all.len());
        for kill in 0..share {
            let label = format!("seed {seed}, {}, kill {kill}", entry.name);
            let (moment, whom) =
                (Duration::from_micros(random.next() % (LAST_MS * 1_000)), random.next() % 4);
            times.extend(runtime.block_on(one(world.as_ref(), &before, moment, whom, &label)));
        }
    }
    times
}

/// Every world that this kernel can have.
fn everything() -> Vec<Entry> {
    let mut all = worlds::here();
    if doctor::facts().netem {
        all.extend(worlds::in_the_machine());
    }
    all
}

/// xorshift: any spread of moments will do.
struct Random(u64);

impl Random {
    fn new(seed: u64, lane: u64) -> Self {
        Self((seed ^ (lane + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// One kill: of the owner in half of the cases, else of the guardian, or of both.
async fn one(
    world: &dyn World,
    before: &Before,
    moment: Duration,
    whom: u64,
    label: &str,
) -> Option<Duration> {
    world.renew();
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
        before.comes_back(label, world).await;
    }
    if store::faults(&bench.ledger()).values().any(|fault| fault.state.is_open()) || whom >= 2 {
        recover(&bench.ledger(), &world.secrets()).await;
        before.comes_back(&format!("{label}: after the next start"), world).await;
    }
    for (id, fault) in store::faults(&bench.ledger()) {
        assert_eq!(fault.state, FaultState::Undone, "{label}: {id}: {:?}", fault.words);
    }
    no_trace_of(label, &bench).await;
    (whom < 2).then_some(took)
}
