//! Links that are bad and good in turns, with impairments in the turns.

use std::time::{Duration, Instant};

use deadstick_faults::Undone;

use crate::common::{Bench, fault};
use crate::machine::{self, takes};
use crate::trial::LEASE;
use crate::wire::{Arrival, Train, Way, Wire};

/// What became of a train.
struct Met {
    /// The turns began at most this much after they were asked for.
    since: Duration,
    arrivals: Vec<Came>,
}

/// A packet that came.
struct Came {
    number: usize,
    /// Since the turns were asked for.
    sent: Duration,
    /// How long it took.
    after: Duration,
}

/// Injects, sends a train right away, undoes.
async fn during(words: &str, train: Train) -> Met {
    machine::demand();
    let (wire, bench) = (Wire::new(), Bench::new());
    let before = wire.state();
    let injector = bench.injector().await;
    let asked = Instant::now();
    let injected = injector.inject(fault(words), wire.target(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
    let since = asked.elapsed();
    let came = |Arrival { number, after, at }: Arrival| {
        let sent = at.duration_since(asked).saturating_sub(after);
        Came { number, sent, after }
    };
    let arrivals = wire.send(train).into_iter().map(came).collect();
    assert_eq!(injector.undo(&injected.id, "measured").await, Ok(Undone::Done), "{words}");
    assert_eq!(wire.state(), before, "{words}");
    wire.is_whole();
    assert_eq!(injector.close().await, [], "{words}");
    Met { since, arrivals }
}

impl Met {
    /// What was sent in these turns, whenever they began within what is known.
    fn within(&self, from: Duration, to: Duration) -> Vec<&Came> {
        let surely = from + self.since..to;
        self.arrivals.iter().filter(|one| surely.contains(&one.sent)).collect()
    }
}

fn times(some: &[&Came]) -> Vec<Duration> {
    some.iter().map(|one| one.after).collect()
}

/// Two minutes gone, then a minute in which it is back, three seconds late; over and over.
#[tokio::test(flavor = "multi_thread")]
async fn gone_and_back_late() {
    let gap = Duration::from_millis(500);
    // Longer than it is ever gone: the listener waits.
    let train = Train { gap, silence: Duration::from_secs(150), ..Train::of(720, Way::Out) };
    let met = during("flap up=60s down=120s while-up=delay=3s", train).await;
    let second = Duration::from_secs(1);
    for cycle in [0, 180] {
        let (gone, back, over) = ((cycle + 1) * second, (cycle + 120) * second, (cycle + 180) * second);
        let lost = met.within(gone, back);
        assert!(lost.is_empty(), "{:?}", times(&lost));
        let late = met.within(back, over);
        // Whoever sends needs a little time of its own between two.
        let sent = (over - back - met.since).as_millis() / gap.as_millis();
        let came = u128::try_from(late.len()).expect("it fits");
        assert!(came >= sent * 19 / 20, "{came} of {sent} came");
        takes(3 * second, times(&late));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_and_prompt() {
    let train = Train { gap: Duration::from_millis(10), ..Train::of(400, Way::Out) };
    let met = during("flap up=1s down=1s while-down=delay=40ms direction=egress", train).await;
    let second = Duration::from_secs(1);
    let moment = Duration::from_millis(20);
    for cycle in [0, 2] {
        let (bad, good) = (cycle * second + moment, (cycle + 1) * second + moment);
        let late = met.within(bad, good - moment);
        let prompt = met.within(good, good + second - moment);
        // Of the first turn the proof has taken its part.
        assert!(!late.is_empty() && prompt.len() > 20, "{} and {}", late.len(), prompt.len());
        takes(Duration::from_millis(40), times(&late));
        takes(Duration::ZERO, times(&prompt));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_in_bursts_and_whole() {
    let train = Train { gap: Duration::from_millis(5), ..Train::of(2_400, Way::Out) };
    let met = during("flap up=3s down=3s while-down=loss=50%,burst=4 direction=egress", train).await;
    let (second, moment) = (Duration::from_secs(1), Duration::from_millis(20));
    for cycle in [0, 6] {
        let (bad, good) = (cycle * second + moment, (cycle + 3) * second + moment);
        let (hurt, whole) =
            (met.within(bad, good - 2 * moment), met.within(good, good + 3 * second - 2 * moment));
        assert_eq!(lost(&whole).0, 0, "nothing is lost while it is good");
        // Half of it, in bursts that make chance coarser: of 100 packets or more, a tenth is never as much as lost.
        let (lost, of) = lost(&hurt);
        assert!(of >= 100 && (of / 10..of * 9 / 10).contains(&lost), "{lost} of {of}");
    }
}

/// How many of those between the first and the last are not there, and how many there should be.
fn lost(some: &[&Came]) -> (usize, usize) {
    let of = some.last().expect("some came").number + 1 - some.first().expect("some came").number;
    (of - some.len(), of)
}
