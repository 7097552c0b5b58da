//! Late packets: how late, how the lateness is spread, which way, and whose.

use std::time::Duration;

use crate::bounds::{distance, farthest, real};
use crate::machine::slack;
use crate::trial::under;
use crate::wire::{Arrival, Train, Way, Wire};

/// Each packet by itself: one is not sent while another is under way.
fn one_by_one(wire: &Wire, way: Way) -> Vec<Arrival> {
    let train = Train { gap: Duration::from_millis(60), ..Train::of(20, way) };
    let heard = wire.send(train);
    assert_eq!(heard.len(), train.count);
    heard
}

fn all_take(heard: &[Arrival], asked: Duration) {
    for one in heard {
        assert!((asked..=asked + slack()).contains(&one.after), "{asked:?} asked: {one:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_sent() {
    let asked = Duration::from_millis(50);
    under("latency delay=50ms direction=egress", |wire| {
        all_take(&one_by_one(wire, Way::Out), asked);
        all_take(&one_by_one(wire, Way::In), Duration::ZERO);
        let trip = wire.round_trip();
        assert!((asked..=asked + slack()).contains(&trip), "{trip:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_received() {
    under("latency delay=20ms direction=ingress", |wire| {
        all_take(&one_by_one(wire, Way::Out), Duration::ZERO);
        all_take(&one_by_one(wire, Way::In), Duration::from_millis(20));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways() {
    under("latency delay=30ms", |wire| {
        all_take(&one_by_one(wire, Way::Out), Duration::from_millis(30));
        all_take(&one_by_one(wire, Way::In), Duration::from_millis(30));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_one() {
    let asked = Duration::from_secs(10);
    under("latency delay=10s direction=egress", |wire| {
        let train = Train { silence: 2 * asked, ..Train::of(1, Way::Out) };
        let heard = wire.send(train);
        assert_eq!(heard.len(), train.count);
        all_take(&heard, asked);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_peer_and_not_of_another() {
    under("latency delay=50ms to=10.9.0.2 direction=egress", |wire| {
        all_take(&one_by_one(wire, Way::Out), Duration::from_millis(50));
    })
    .await;
    under("latency delay=50ms to=10.9.0.2:7000", |wire| {
        all_take(&one_by_one(wire, Way::Out), Duration::ZERO);
        all_take(&one_by_one(wire, Way::In), Duration::ZERO);
    })
    .await;
}

/// Delays of 1,000 packets in milliseconds, each within its bounds. They overtake each other, as they should.
async fn spread(distribution: &str) -> Vec<f64> {
    under(&format!("latency delay=100ms jitter=10ms distribution={distribution} direction=egress"), |wire| {
        let heard = wire.send(Train { gap: Duration::from_millis(1), ..Train::of(1_000, Way::Out) });
        assert_eq!(heard.len(), 1_000);
        heard.iter().map(|one| one.after.as_secs_f64() * 1e3).collect()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn spread_evenly() {
    let delays = spread("uniform").await;
    let slack = slack().as_secs_f64() * 1e3;
    assert!(delays.iter().all(|delay| (90.0..=110.0 + slack).contains(delay)), "{delays:?}");
    let apart = distance(&delays, |delay| ((delay - 90.0) / 20.0).clamp(0.0, 1.0));
    assert!(apart <= farthest(delays.len()), "{apart}");
}

#[tokio::test(flavor = "multi_thread")]
async fn spread_like_a_bell() {
    let delays = spread("normal").await;
    let apart = distance(&delays, |delay| bell((delay - 100.0) / 10.0));
    assert!(apart <= farthest(delays.len()), "{apart}");
}

/// The share of a normal distribution below this many standard deviations, by Simpson's rule over its density.
fn bell(deviations: f64) -> f64 {
    const STEPS: usize = 64;
    let end = deviations.clamp(-8.0, 8.0);
    let width = end / real(STEPS);
    let density = |at: f64| (-at * at / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let weight = |step: usize| match step {
        0 | STEPS => 1.0,
        odd if odd % 2 == 1 => 4.0,
        _ => 2.0,
    };
    0.5 + width / 3.0 * (0..=STEPS).map(|step| weight(step) * density(width * real(step))).sum::<f64>()
}
