//! Packets that are lost, doubled, damaged or out of order: which share of them, against what chance allows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::bounds::{real, successes};
use crate::trial::under;
use crate::wire::{Arrival, HEADERS, Train, Way};

const PACKETS: usize = 5_000;

/// How often each packet came.
fn times(heard: &[Arrival]) -> BTreeMap<usize, usize> {
    let mut times = BTreeMap::new();
    for one in heard {
        *times.entry(one.number).or_default() += 1;
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_each_by_itself() {
    let asked = 0.1;
    let (out, back) = under("loss loss=10% direction=egress", |wire| {
        (wire.send(Train::of(PACKETS, Way::Out)), wire.send(Train::of(PACKETS, Way::In)))
    })
    .await;
    let lost = PACKETS - times(&out).len();
    assert!(successes(PACKETS, asked).contains(&lost), "{lost}");
    assert_eq!(times(&back).len(), PACKETS, "the other way is whole");
    // Independent of each other: a loss follows a loss as often as it follows anything.
    let (runs, _) = bursts(&out);
    assert!(successes(lost, 1.0 - asked).contains(&runs), "{lost} lost in {runs} bursts");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_both_ways() {
    let asked = 0.02;
    let heard =
        under("loss loss=2%", |wire| [Way::Out, Way::In].map(|way| wire.send(Train::of(PACKETS, way)))).await;
    for way in heard {
        let lost = PACKETS - way.len();
        assert!(successes(PACKETS, asked).contains(&lost), "{lost}");
    }
}

/// How many runs of lost packets there are, and how many packets came that a run could have begun after.
fn bursts(heard: &[Arrival]) -> (usize, usize) {
    let came: BTreeSet<_> = heard.iter().map(|one| one.number).collect();
    let is_lost = |number: &usize| !came.contains(number);
    let begins = |number: &usize| is_lost(number) && (*number == 0 || !is_lost(&(number - 1)));
    ((0..PACKETS).filter(begins).count(), came.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_in_bursts() {
    let (asked, length) = (0.2, 5);
    let heard =
        under("loss loss=20% burst=5 direction=egress", |wire| wire.send(Train::of(PACKETS, Way::Out))).await;
    // A chain of two states is known by its two transitions: each lost packet is the last of its burst with probability
    // 1/length, and each that passes is followed by a burst with what makes the long-run share right.
    let ends = 1.0 / f64::from(length);
    let begins = ends * asked / (1.0 - asked);
    let (runs, passed) = bursts(&heard);
    let lost = PACKETS - heard.len();
    assert!(successes(lost, ends).contains(&runs), "{lost} lost in {runs} bursts");
    assert!(successes(passed, begins).contains(&runs), "{runs} bursts among {passed} that passed");
}

#[tokio::test(flavor = "multi_thread")]
async fn doubled() {
    let asked = 0.05;
    let heard =
        under("duplicate duplicate=5% direction=egress", |wire| wire.send(Train::of(PACKETS, Way::Out)))
            .await;
    let times = times(&heard);
    assert_eq!(times.len(), PACKETS, "none is lost");
    assert!(times.values().all(|times| *times <= 2), "twice, not more");
    let twice = times.values().filter(|times| **times == 2).count();
    assert!(successes(PACKETS, asked).contains(&twice), "{twice}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged() {
    let (asked, size) = (0.2, 500);
    let heard = under("corrupt corrupt=20% direction=egress", |wire| {
        wire.frames(Train { size, ..Train::of(PACKETS, Way::Out) })
    })
    .await;
    assert_eq!(heard.len(), PACKETS, "none is lost on the wire");
    assert!(heard.iter().all(|flipped| *flipped <= 1), "one bit, not more");
    // A bit of the headers is as likely as one of the payload.
    let in_payload = asked * real(size) / real(size + HEADERS);
    let damaged = heard.iter().filter(|flipped| **flipped == 1).count();
    assert!(successes(PACKETS, in_payload).contains(&damaged), "{damaged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_order() {
    let (asked, packets) = (0.25, 2_000);
    let delay = Duration::from_millis(50);
    let heard = under("reorder reorder=25% delay=50ms direction=egress", |wire| {
        wire.send(Train { gap: Duration::from_millis(1), ..Train::of(packets, Way::Out) })
    })
    .await;
    assert_eq!(times(&heard).len(), packets, "none is lost");
    let ahead = heard.iter().filter(|one| one.after < delay).count();
    assert!(successes(packets, asked).contains(&ahead), "{ahead} were not late");
    let overtaking = heard.windows(2).filter(|pair| pair[1].number < pair[0].number).count();
    assert!(overtaking > 0, "what is not late overtakes what is");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_at_once() {
    let heard = under("loss delay=20ms loss=10% duplicate=10% direction=egress", |wire| {
        wire.send(Train::of(PACKETS, Way::Out))
    })
    .await;
    assert!(heard.iter().all(|one| one.after >= Duration::from_millis(20)), "late all of them");
    let times = times(&heard);
    // A packet that is doubled and lost comes once: both are drawn for each packet.
    let lost = PACKETS - times.len();
    assert!(successes(PACKETS, 0.1 * 0.9).contains(&lost), "{lost} lost");
    // Neither the packet nor its copy may be lost.
    let twice = times.values().filter(|times| **times == 2).count();
    assert!(successes(PACKETS, 0.1 * 0.9 * 0.9).contains(&twice), "{twice} doubled");
}
