//! Late packets: how late, how the lateness is spread, which way, and whose.

use std::net::SocketAddr;
use std::time::Duration;

use deadstick_faults::Undone;
use deadstick_faults::kernel::{Linux, Networks, Reach};

use crate::bounds::{apart, distance, farthest, real};
use crate::common::{Bench, WITNESS, fault};
use crate::machine::{self, MANY, few, takes, takes_within};
use crate::trial::{LEASE, under};
use crate::wire::{Arrival, Train, Way, Wire};

/// Each packet by itself: one is not sent while another is under way.
fn one_by_one(wire: &Wire, way: Way) -> Vec<Arrival> {
    let train = Train { gap: Duration::from_millis(60), ..Train::of(MANY, way) };
    let heard = wire.send(train);
    assert_eq!(heard.len(), train.count);
    heard
}

fn all_take(heard: &[Arrival], asked: Duration) {
    takes(asked, heard.iter().map(|one| one.after));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_sent() {
    let asked = Duration::from_millis(50);
    under("latency delay=50ms direction=egress", |wire| {
        all_take(&one_by_one(wire, Way::Out), asked);
        all_take(&one_by_one(wire, Way::In), Duration::ZERO);
        takes(asked, (0..MANY).map(|_| wire.round_trip()));
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

/// How long a connection takes to be accepted.
fn accepted(wire: &Wire, port: u16) -> Duration {
    let network = wire.target().network.expect("a network");
    match Linux.reach(&network, SocketAddr::from((WITNESS.0, port)), Duration::from_secs(5)) {
        Ok(Reach::Accepted(time)) => time,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_faults_on_one_link() {
    machine::demand();
    let (wire, bench) = (Wire::new(), Bench::new());
    let before = wire.state();
    let injector = bench.injector().await;
    let mut injected = Vec::new();
    for words in ["latency delay=50ms to=10.9.0.2:7000", "latency delay=20ms to=10.9.0.2:7001"] {
        let one = injector.inject(fault(words), wire.target(), LEASE).await.expect("injected");
        assert!(one.proof.landed, "{words}: {:?}", one.proof);
        injected.push(one.id);
    }
    // Both ways: what goes out, and the answer.
    let connects = |port, asked: u64| {
        // A connection is more work than a packet, of both hosts.
        let work = Duration::from_millis(2);
        takes_within(work, Duration::from_millis(2 * asked), (0..MANY).map(|_| accepted(&wire, port)));
    };
    connects(7_000, 50);
    connects(7_001, 20);
    all_take(&one_by_one(&wire, Way::Out), Duration::ZERO);
    assert_eq!(injector.undo(&injected[0], "asked").await, Ok(Undone::Done));
    connects(7_000, 0);
    connects(7_001, 20);
    assert_eq!(injector.undo(&injected[1], "asked").await, Ok(Undone::Done));
    assert_eq!(wire.state(), before);
    wire.is_whole();
    assert_eq!(injector.close().await, []);
}

/// Delays of 1,000 packets in milliseconds. They overtake each other, as they should.
fn delays(wire: &Wire) -> Vec<f64> {
    let heard = wire.send(Train { gap: Duration::from_millis(1), ..Train::of(1_000, Way::Out) });
    assert_eq!(heard.len(), 1_000);
    heard.iter().map(|one| one.after.as_secs_f64() * 1e3).collect()
}

async fn spread(distribution: &str) -> Vec<f64> {
    let words = format!("latency delay=100ms jitter=10ms distribution={distribution} direction=egress");
    under(&words, delays).await
}

#[tokio::test(flavor = "multi_thread")]
async fn spread_evenly() {
    let delays = spread("uniform").await;
    let later = delays.iter().filter(|delay| **delay > 110.5).count();
    assert!(delays.iter().all(|delay| *delay >= 90.0) && later <= few(delays.len()), "{delays:?}");
    let apart = distance(&delays, |delay| ((delay - 90.0) / 20.0).clamp(0.0, 1.0));
    assert!(apart <= farthest(delays.len()), "{apart}");
}

#[tokio::test(flavor = "multi_thread")]
async fn spread_like_a_bell() {
    let delays = spread("normal").await;
    let apart = distance(&delays, |delay| bell((delay - 100.0) / 10.0));
    assert!(apart <= farthest(delays.len()), "{apart}");
}

/// These have no formula that everybody agrees on, so the traffic control program's tables are the measure.
async fn spread_as_tc_spreads(distribution: &str) {
    // What the guest's own work adds is no part of the shape.
    let whole = |delays: Vec<f64>| delays.into_iter().map(f64::floor).collect::<Vec<_>>();
    let ours = whole(spread(distribution).await);
    let wire = Wire::new();
    wire.by_tc(&format!("qdisc add dev dsa root netem delay 100ms 10ms distribution {distribution}"));
    let theirs = whole(delays(&wire));
    let apart = apart(&ours, &theirs);
    assert!(apart <= farthest(ours.len()) + farthest(theirs.len()), "{apart}");
}

#[tokio::test(flavor = "multi_thread")]
async fn spread_with_a_heavy_tail() {
    spread_as_tc_spreads("pareto").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spread_with_a_bell_and_a_tail() {
    spread_as_tc_spreads("paretonormal").await;
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
