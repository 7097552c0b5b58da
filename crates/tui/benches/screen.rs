//! From a key to a frame with 100,000 events on the timeline, and what arriving events cost.
//!
//! The target is 16 ms at the 99th percentile from key to frame, and 100 ms to the first frame.

use std::hint::black_box;

use chrono::TimeDelta;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use deadstick_core::Timestamp;
use deadstick_core::event::{Actor, Body, Event, Hlc, Record};
use deadstick_tui::{Model, Msg, Settings, update, view};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

const EVENTS: u64 = 100_000;

fn record(start: Timestamp, seq: u64, earlier: i64) -> Record {
    let recorded = start + TimeDelta::milliseconds(i64::try_from(seq).unwrap_or(i64::MAX));
    let text = format!("line {seq}: checkout answers 503 after a wait that nobody expected");
    let occurred = recorded - TimeDelta::seconds(earlier);
    let event = Event::at(occurred, recorded, Actor::person("ana"), Body::Note { text });
    let ms = u64::try_from(recorded.timestamp_millis()).unwrap_or(0);
    Record { id: format!("r{seq}"), writer: "bench".to_owned(), seq, hlc: Hlc { ms, count: 0 }, event }
}

fn loaded() -> (Model, Timestamp) {
    let start = Timestamp::UNIX_EPOCH + TimeDelta::days(20_000);
    let mut model = Model::new(Settings::new(Actor::person("ana")), start);
    update(&mut model, Msg::Resize(120, 40));
    update(&mut model, Msg::Records((0..EVENTS).map(|n| record(start, n, 0)).collect()));
    (model, start)
}

fn key(code: KeyCode) -> Msg {
    Msg::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn screen(c: &mut Criterion) {
    let mut group = c.benchmark_group("screen of 100,000 events");
    group.sample_size(20);
    let (mut model, start) = loaded();
    let Ok(mut terminal) = Terminal::new(TestBackend::new(120, 40));
    update(&mut model, key(KeyCode::BackTab));
    let codes = [KeyCode::Up, KeyCode::PageUp, KeyCode::Down, KeyCode::Home, KeyCode::End];
    let mut n = 0;
    group.bench_function("key to frame", |b| {
        b.iter(|| {
            n += 1;
            update(&mut model, key(codes[n % codes.len()]));
            terminal.draw(|frame| view(frame, black_box(&model))).map(|_| ())
        });
    });
    update(&mut model, key(KeyCode::Char('/')));
    let letters = [KeyCode::Char('9'), KeyCode::Backspace];
    group.bench_function("filter key to frame", |b| {
        b.iter(|| {
            n += 1;
            update(&mut model, key(letters[n % 2]));
            terminal.draw(|frame| view(frame, black_box(&model))).map(|_| ())
        });
    });
    update(&mut model, key(KeyCode::Esc));
    let (mut model, _) = loaded();
    let mut seq = EVENTS;
    group.bench_function("a new event", |b| {
        b.iter(|| {
            seq += 1;
            update(&mut model, Msg::Records(vec![record(start, seq, 0)]))
        });
    });
    let (mut model, _) = loaded();
    group.bench_function("an event back-dated behind 1,000 others", |b| {
        b.iter(|| {
            seq += 1;
            update(&mut model, Msg::Records(vec![record(start, seq, 1)]))
        });
    });
    group.bench_function("100,000 events at once and a frame", |b| {
        let records: Vec<_> = (0..EVENTS).map(|n| record(start, n, 0)).collect();
        b.iter_batched(
            || (Model::new(Settings::new(Actor::person("ana")), start), records.clone()),
            |(mut model, records)| {
                update(&mut model, Msg::Records(records));
                let drawn = terminal.draw(|frame| view(frame, &model)).map(|_| ());
                (drawn, model)
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, screen);
criterion_main!(benches);
