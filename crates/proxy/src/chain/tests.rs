//! What leaves a chain, and when, while toxics come and go.

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::stage::{Chunk, Ending};
use crate::toxic::{Bandwidth, Latency, Noop, ResetPeer, SlowClose, Timeout};

fn spec(serial: u64, kind: impl Into<Kind>) -> Spec {
    Spec { serial, revision: 0, toxicity: 1.0, kind: kind.into(), wire: Arc::default(), hits: Arc::default() }
}

fn side(connection: Dice) -> Side {
    Side { connection, stream: Stream::Downstream }
}

fn latency(ms: i64) -> Latency {
    Latency { latency: ms, jitter: 0 }
}

fn ms(count: u64) -> Time {
    Duration::from_millis(count)
}

fn data(text: &'static str, at: Time) -> Item {
    Item::Data(Chunk { data: Bytes::from_static(text.as_bytes()), at })
}

fn sent(step: Step) -> String {
    match step {
        Step::Send(Item::Data(chunk)) => String::from_utf8_lossy(&chunk.data).into_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn stacked_latencies_add_up_exactly() {
    let mut chain = Chain::new(side(Dice::new(1)));
    chain.follow(&[spec(1, latency(30)), spec(2, latency(12))], &Exchange::default(), ms(0));
    chain.offer(data("a", ms(5)), ms(5));
    assert_eq!(chain.step(ms(5)), Step::WaitUntil(ms(35)));
    // Looked at 3 ms late: the second delay still counts from when the first was due.
    assert_eq!(chain.step(ms(38)), Step::WaitUntil(ms(47)));
    assert_eq!(sent(chain.step(ms(47))), "a");
}

#[test]
fn a_removed_toxic_lets_go_in_order_through_those_that_stay() {
    let mut chain = Chain::new(side(Dice::new(1)));
    let (first, second) = (spec(1, latency(100)), spec(2, latency(50)));
    chain.follow(&[first, second.clone()], &Exchange::default(), ms(0));
    chain.offer(data("a", ms(0)), ms(0));
    assert_eq!(chain.step(ms(100)), Step::WaitUntil(ms(150)));
    chain.offer(data("b", ms(101)), ms(101));
    chain.follow(std::slice::from_ref(&second), &Exchange::default(), ms(102));
    assert_eq!(sent(chain.step(ms(150))), "a");
    assert_eq!(sent(chain.step(ms(151))), "b");
    chain.offer(data("c", ms(151)), ms(151));
    chain.offer(Item::End(Ending::Half), ms(151));
    chain.follow(&[], &Exchange::default(), ms(152));
    assert_eq!(sent(chain.step(ms(152))), "c");
    assert_eq!(chain.step(ms(152)), Step::Send(Item::End(Ending::Half)));
    assert!(chain.is_idle());
}

#[test]
fn bandwidth_of_nothing_holds_and_loses_nothing() {
    let mut chain = Chain::new(side(Dice::new(1)));
    chain.follow(&[spec(1, Bandwidth { rate: 0 })], &Exchange::default(), ms(0));
    chain.offer(data("held", ms(0)), ms(0));
    assert_eq!(chain.step(ms(1_000_000)), Step::Idle);
    chain.follow(&[], &Exchange::default(), ms(1_000_001));
    assert_eq!(sent(chain.step(ms(1_000_001))), "held");
}

#[test]
fn toxicity_is_decided_once_and_a_later_toxic_changes_nothing() {
    for connection in 0..200 {
        let dice = side(Dice::new(9).number(connection));
        let mut half = spec(1, latency(1));
        half.toxicity = 0.5;
        let hit = Chain::wanted(std::slice::from_ref(&half), &dice);
        half.revision += 1;
        assert_eq!(hit, Chain::wanted(&[half.clone(), spec(2, Noop {})], &dice));
        half.toxicity = 1.0;
        assert!(Chain::wanted(std::slice::from_ref(&half), &dice));
        half.toxicity = 0.0;
        assert!(!Chain::wanted(&[half], &dice));
    }
}

#[test]
fn about_the_asked_share_of_connections_is_hit() {
    let mut spec = spec(3, latency(1));
    spec.toxicity = 0.25;
    let hits = (0..4_000)
        .filter(|n| Chain::wanted(std::slice::from_ref(&spec), &side(Dice::new(5).number(*n))))
        .count();
    assert!((850..1_150).contains(&hits), "{hits} of 4000 at 0.25");
}

#[test]
fn a_reset_that_has_begun_survives_the_removal_of_its_toxic() {
    let mut chain = Chain::new(side(Dice::new(1)));
    let reset = spec(1, ResetPeer { timeout: 10 });
    chain.follow(&[reset, spec(2, latency(0))], &Exchange::default(), ms(0));
    assert_eq!(chain.step(ms(5_000)), Step::Idle, "an idle connection is left alone");
    chain.offer(data("x", ms(5_000)), ms(5_000));
    chain.follow(&[spec(2, latency(0))], &Exchange::default(), ms(5_001));
    assert_eq!(chain.step(ms(5_001)), Step::WaitUntil(ms(5_010)));
    assert_eq!(chain.step(ms(5_010)), Step::Send(Item::End(Ending::Reset)));
}

#[test]
fn timeout_counts_from_the_last_byte_and_closes_when_taken_away() {
    let mut chain = Chain::new(side(Dice::new(1)));
    chain.follow(&[spec(1, Timeout { timeout: 300 })], &Exchange::default(), ms(0));
    for beat in 1..10 {
        chain.offer(data("x", ms(beat * 200)), ms(beat * 200));
        assert!(matches!(chain.step(ms(beat * 200)), Step::WaitUntil(_)));
    }
    assert_eq!(chain.step(ms(1_800)), Step::WaitUntil(ms(2_100)));
    assert_eq!(chain.step(ms(2_100)), Step::Send(Item::End(Ending::Close)));
    let mut silent = Chain::new(side(Dice::new(1)));
    silent.follow(&[spec(1, Timeout { timeout: 0 })], &Exchange::default(), ms(0));
    assert_eq!(silent.step(ms(1_000_000)), Step::Idle);
    silent.follow(&[], &Exchange::default(), ms(1_000_000));
    assert_eq!(silent.step(ms(1_000_000)), Step::Send(Item::End(Ending::Close)));
}

#[test]
fn slow_close_holds_only_the_end() {
    let mut chain = Chain::new(side(Dice::new(1)));
    chain.follow(&[spec(1, SlowClose { delay: 70 })], &Exchange::default(), ms(0));
    chain.offer(data("x", ms(1)), ms(1));
    chain.offer(Item::End(Ending::Half), ms(1));
    assert_eq!(sent(chain.step(ms(1))), "x");
    assert_eq!(chain.step(ms(1)), Step::WaitUntil(ms(71)));
    assert_eq!(chain.step(ms(71)), Step::Send(Item::End(Ending::Half)));
}
