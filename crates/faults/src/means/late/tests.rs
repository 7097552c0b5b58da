//! The verdict about lateness on links that spread and lose, by simulation.

use super::super::odds::{process, site};
use super::*;
use crate::kernel::pretended::Link;

const NOBODY: Duration = Duration::ZERO;

fn micros(time: u64) -> Duration {
    Duration::from_micros(time)
}

/// Whether it is called late, when it is by so much and when it is not; none where too few answer to be timed.
async fn judged(
    link: Link,
    timed: Timed,
    asked: (Duration, Duration),
    there: bool,
    seed: u64,
) -> Option<bool> {
    let (delay, jitter) = asked;
    let network = NetworkIdentity::of_process(process(), 1);
    let asked = Asked { network, peer: ([10, 9, 0, 2], 7_000).into(), timed, delay, jitter };
    let usual = asked.usual(&site(link, seed)).await.expect("asked")?;
    let takes = link.takes + if there { delay } else { NOBODY };
    let spread = link.spread + if there { jitter / 2 } else { NOBODY };
    let now = Link { takes, spread, ..link };
    Some(asked.compared(&site(now, seed + 1_000_000), usual).await.expect("asked").landed)
}

/// Out of so many trials each way: how many go wrong.
async fn trials(count: u64, link: Link, timed: Timed, asked: (Duration, Duration)) -> (usize, usize) {
    let (mut answered, mut unseen, mut invented) = (0, 0, 0);
    for seed in 0..count {
        let there = judged(link, timed, asked, true, seed).await;
        answered += u64::from(there.is_some());
        unseen += usize::from(there == Some(false));
        invented += usize::from(judged(link, timed, asked, false, seed).await == Some(true));
    }
    assert!(answered > count * 9 / 10, "most can be timed: {link:?}");
    (unseen, invented)
}

fn link(takes: u64, spread: u64, loss: f64) -> Link {
    Link { takes: micros(takes), spread: micros(spread), loss, inert: false }
}

/// Fewer than five in a thousand, where a median of five goes wrong in one of eight. What is wrongly seen is caught by the
/// count of the rules; what is wrongly missed where the spread is wider than the delay, too.
#[tokio::test(start_paused = true)]
async fn spreads_do_not_hide_a_delay_and_are_not_taken_for_one() {
    // Jitter as wide as the delay; on a link that has as much already; a small delay on a link of wide spread.
    for (takes, spread, delay, jitter) in [
        (400, 50, 10_000, 0),
        (400, 50, 10_000, 2_000),
        (400, 50, 10_000, 10_000),
        (20_000, 5_000, 10_000, 10_000),
        (20_000, 5_000, 10_000, 0),
        (20_000, 5_000, 5_000, 0),
    ] {
        let asked = (micros(delay), micros(jitter));
        let (unseen, invented) = trials(500, link(takes, spread, 0.0), Timed::Connect, asked).await;
        assert!(unseen <= 2, "{unseen} of 500 not seen: {spread} {asked:?}");
        assert!(invented <= 2, "{invented} of 500 invented: {spread} {asked:?}");
    }
}

/// A packet that was lost is sent again a second later, or for the end of a connection 200 ms later.
#[tokio::test(start_paused = true)]
async fn what_is_lost_is_not_taken_for_late_and_does_not_hide_it() {
    for loss in [0.01, 0.05, 0.3] {
        for delay in [50_000, 3_000_000] {
            for timed in [Timed::Connect, Timed::Farewell] {
                if matches!(timed, Timed::Connect) && loss > 0.2 {
                    // Most questions have no answer: then it is counted only.
                    continue;
                }
                let asked = (micros(delay), NOBODY);
                let (unseen, invented) = trials(100, link(1_000, 0, loss), timed, asked).await;
                assert_eq!((unseen, invented), (0, 0), "{loss} {asked:?}");
            }
        }
    }
}

/// A relay over a link that is late by three seconds each way already.
#[tokio::test(start_paused = true)]
async fn what_was_late_before_can_be_later() {
    let asked = (micros(500_000), NOBODY);
    assert_eq!(trials(50, link(6_000_000, 0, 0.0), Timed::Farewell, asked).await, (0, 0));
}
