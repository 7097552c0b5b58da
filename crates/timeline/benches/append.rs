//! Durable appends against their peer: the same bytes by plain `write` and `fdatasync` at the same grouping.
//!
//! The target (design, section 9) is a ratio of at least 0.8, so read each pair of lines together.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use deadstick_core::event::{Actor, Body, Event};
use deadstick_timeline::{Appender, Log};

fn events(count: usize) -> Vec<Event> {
    let now = chrono::DateTime::from_timestamp(1_763_700_000, 0).expect("a time");
    let text = "request 4711 of the nightly report answered 503 after 2 s".to_owned();
    (0..count).map(|_| Event::now(now, Actor::person("alice"), Body::Note { text: text.clone() })).collect()
}

fn append(c: &mut Criterion) {
    for group in [1_usize, 8, 64, 512] {
        let dir = tempfile::tempdir().expect("a directory");
        let now = chrono::DateTime::from_timestamp(1_763_700_000, 0).expect("a time");
        let mut log = Log::create(dir.path(), "bench", now).expect("creates");
        let first = log.append(&events(group)).expect("appends");
        let path = dir.path().join(format!("{}.1.jsonl", first[0].writer));
        let mut lines = std::fs::read(path).expect("reads");
        let header = lines.iter().position(|b| *b == b'\n').expect("a header") + 1;
        lines.drain(..header);

        let mut bench = c.benchmark_group(format!("durable append by {group}"));
        bench.throughput(Throughput::Elements(group as u64)).measurement_time(Duration::from_secs(4));
        bench.sample_size(20);
        let mut raw = File::create(dir.path().join("raw")).expect("creates");
        bench.bench_function("write and fdatasync", |b| {
            b.iter(|| raw.write_all(&lines).and_then(|()| raw.sync_data()).expect("writes"));
        });
        bench.bench_function("log", |b| {
            b.iter_batched(
                || events(group),
                |events| log.append(&events).expect("appends"),
                BatchSize::PerIteration,
            );
        });
        // As under load: the next group is asked for while this one is on its way to the disk.
        let appender = Appender::start(log).expect("starts");
        let mut under_way = appender.append(events(group));
        bench.bench_function("appender, one group ahead", |b| {
            b.iter_batched(
                || events(group),
                |events| {
                    let next = appender.append(events);
                    std::mem::replace(&mut under_way, next).wait().expect("appends")
                },
                BatchSize::PerIteration,
            );
        });
        bench.finish();
    }
}

criterion_group!(benches, append);
criterion_main!(benches);
