//! Laws that hold for every stream of chunks, on virtual time: bytes in are bytes out, in order, and when they were asked for.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::{Chunk, Ending, Item, Step};
use crate::chain::{Chain, Exchange, Side, Spec};
use crate::clock::Time;
use crate::dice::Dice;
use crate::toxic::{Bandwidth, Kind, Latency, LimitData, Noop, PacketLoss, Slicer, SlowClose, Stream};

/// What came out, and when.
type Output = Vec<(Item, Time)>;

/// Runs chunks (arrival in µs, length) through toxics until the end has passed, as an ideal link would.
fn run(kinds: &[Kind], arrivals: &[(u64, usize)], seed: u64) -> Output {
    let specs: Vec<Spec> = kinds
        .iter()
        .enumerate()
        .map(|(index, kind)| Spec {
            serial: index as u64,
            revision: 0,
            toxicity: 1.0,
            kind: kind.clone(),
            wire: std::sync::Arc::default(),
            hits: std::sync::Arc::default(),
        })
        .collect();
    let mut chain = Chain::new(Side { connection: Dice::new(seed), stream: Stream::Downstream });
    chain.follow(&specs, &Exchange::default(), Time::ZERO);
    let mut next_byte = 0_u8;
    let mut inputs: Vec<(Time, Item)> = Vec::new();
    let mut at = Time::ZERO;
    for (gap, len) in arrivals {
        at += Duration::from_micros(*gap);
        let data: Vec<u8> = (0..*len)
            .map(|_| {
                next_byte = next_byte.wrapping_add(1);
                next_byte
            })
            .collect();
        let data = Bytes::from(data);
        inputs.push((at, Item::Data(Chunk { data, at })));
    }
    inputs.push((at, Item::End(Ending::Half)));
    let mut inputs = inputs.into_iter().peekable();
    let mut now = Time::ZERO;
    let mut output = Output::new();
    loop {
        while chain.ready() && inputs.peek().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, item)) = inputs.next() {
                chain.offer(item, now);
            }
        }
        match chain.step(now) {
            Step::Send(item) => {
                let end = matches!(item, Item::End(_));
                output.push((item, now));
                if end {
                    return output;
                }
            }
            Step::WaitUntil(at) => {
                assert!(at > now, "a stage asked to be woken in the past");
                now = inputs
                    .peek()
                    .filter(|(arrival, _)| chain.ready() && *arrival > now)
                    .map_or(at, |(arrival, _)| at.min(*arrival));
            }
            Step::Idle => match inputs.peek() {
                Some((arrival, _)) => now = now.max(*arrival),
                None => panic!("the stream never ended"),
            },
        }
    }
}

fn bytes(output: &Output) -> Vec<u8> {
    output
        .iter()
        .flat_map(|(item, _)| match item {
            Item::Data(chunk) => chunk.data.to_vec(),
            Item::End(_) => Vec::new(),
        })
        .collect()
}

fn counted(total: usize) -> Vec<u8> {
    (1..=total).map(|n| (n % 256) as u8).collect()
}

fn arrivals() -> impl Strategy<Value = Vec<(u64, usize)>> {
    prop::collection::vec((0_u64..20_000, 1_usize..5_000), 0..40)
}

/// Kinds that must not lose a byte, with any attributes at all that let the stream end.
fn lossless() -> impl Strategy<Value = Kind> {
    let number = prop_oneof![Just(i64::MIN), -10_i64..2_000];
    let any = prop_oneof![Just(i64::MIN), Just(i64::MAX), -10_i64..5_000];
    prop_oneof![
        (number.clone(), any.clone())
            .prop_filter("ends in this century", |(_, jitter)| *jitter < 10_000)
            .prop_map(|(latency, jitter)| Latency { latency, jitter }.into()),
        prop_oneof![Just(i64::MAX), 1_i64..100_000].prop_map(|rate| Bandwidth { rate }.into()),
        number.clone().prop_map(|delay| SlowClose { delay }.into()),
        (any.clone(), any, number).prop_map(|(average_size, size_variation, delay)| {
            Slicer { average_size, size_variation, delay }.into()
        }),
        Just(Noop {}.into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn bytes_in_are_bytes_out_whatever_the_toxics(
        kinds in prop::collection::vec(lossless(), 0..5),
        arrivals in arrivals(),
        seed in any::<u64>(),
    ) {
        let output = run(&kinds, &arrivals, seed);
        prop_assert_eq!(bytes(&output), counted(arrivals.iter().map(|(_, len)| len).sum()));
        prop_assert_eq!(&output, &run(&kinds, &arrivals, seed), "the same seed must give the same run");
    }

    #[test]
    fn latency_is_exact_without_jitter_and_in_range_with_it(
        latency in 0_i64..500, jitter in 0_i64..500, arrivals in arrivals(), seed in any::<u64>(),
    ) {
        let exact = run(&[Latency { latency, jitter: 0 }.into()], &arrivals, seed);
        let mut at = Duration::ZERO;
        for ((gap, _), (_, left)) in arrivals.iter().zip(&exact) {
            at += Duration::from_micros(*gap);
            prop_assert_eq!(*left, at + Duration::from_millis(latency.unsigned_abs()));
        }
        let loose = run(&[Latency { latency, jitter }.into()], &arrivals, seed);
        let mut at = Duration::ZERO;
        let longest = Duration::from_millis((latency + jitter).unsigned_abs());
        let shortest = Duration::from_millis((latency - jitter).max(0).unsigned_abs());
        for ((gap, _), (_, left)) in arrivals.iter().zip(&loose) {
            at += Duration::from_micros(*gap);
            prop_assert!(*left >= at + shortest);
            prop_assert!(*left <= at + longest);
        }
    }

    #[test]
    fn bandwidth_takes_the_time_the_bytes_take(rate in 1_i64..10_000, len in 1_usize..200_000) {
        let output = run(&[Bandwidth { rate }.into()], &[(0, len)], 1);
        let ideal = len as f64 / rate as f64;
        let (_, end) = output.last().expect("an end");
        let took = end.as_secs_f64() * 1_000.0;
        prop_assert!((took - ideal).abs() <= ideal * 0.001 + 0.001, "{took} ms for {ideal}");
    }

    #[test]
    fn no_credit_is_saved_up_while_idle(rate in 1_i64..1_000, pause in 200_000_u64..5_000_000) {
        let len = usize::try_from(rate).expect("positive") * 50;
        let output = run(&[Bandwidth { rate }.into()], &[(0, len), (pause, len)], 1);
        let (_, end) = output.last().expect("an end");
        prop_assert!(*end >= Duration::from_micros(pause) + Duration::from_millis(50));
    }

    #[test]
    fn limit_data_passes_exactly_its_bytes(limit in 0_i64..50_000, arrivals in arrivals()) {
        let total: usize = arrivals.iter().map(|(_, len)| len).sum();
        let output = run(&[LimitData { bytes: limit }.into()], &arrivals, 1);
        let limit = usize::try_from(limit).expect("positive");
        prop_assert_eq!(bytes(&output), counted(total.min(limit)));
        let closes = total >= limit && total > 0;
        let end = output.last().map(|(item, _)| item.clone());
        prop_assert_eq!(end, Some(Item::End(if closes { Ending::Close } else { Ending::Half })));
    }

    #[test]
    fn slices_stay_within_average_and_variation(
        average in 1_i64..500, share in 0_i64..100, len in 1_usize..20_000, seed in any::<u64>(),
    ) {
        let variation = average * share / 100;
        let slicer = Slicer { average_size: average, size_variation: variation, delay: 10 };
        let output = run(&[slicer.into()], &[(0, len)], seed);
        let mut last = None;
        for (item, at) in &output {
            if let Item::Data(chunk) = item {
                prop_assert!(chunk.data.len() as i64 <= average + variation);
                prop_assert!(last.is_none_or(|last| *at == last + Duration::from_micros(10)));
                last = Some(*at);
            }
        }
    }

    #[test]
    fn packet_loss_drops_whole_chunks_and_never_the_end(rate in 0.0_f64..=1.0, arrivals in arrivals()) {
        let toxic = PacketLoss { loss_rate: rate, correlation: 0.2 };
        let output = run(&[toxic.into()], &arrivals, 3);
        let lens: Vec<usize> = arrivals.iter().map(|(_, len)| *len).collect();
        let mut rest = lens.iter();
        for (item, _) in &output {
            if let Item::Data(chunk) = item {
                prop_assert!(rest.any(|len| *len == chunk.data.len()));
            }
        }
        prop_assert_eq!(output.last().map(|(item, _)| item), Some(&Item::End(Ending::Half)));
    }
}
