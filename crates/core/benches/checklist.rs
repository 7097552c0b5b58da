//! What the checklist engine costs: reading a definition, deciding an act, taking samples in, drawing, folding a log.

use std::hint::black_box;
use std::time::Duration;

use chrono::TimeDelta;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use deadstick_core::Timestamp;
use deadstick_core::checklist::{Checklist, World};
use deadstick_core::event::{Actor, Body, Event, Hlc, IncidentSeverity, ItemId, Record};
use deadstick_core::incident::{Act, Alert, Incident, Senses};
use deadstick_core::probe::{Answer, Observation};
use deadstick_core::source::Source;

const LIST: &str = "database-lock-pileup";

fn shipped() -> (Source, Checklist) {
    let text = include_str!("../../../checklists/database-lock-pileup.yaml").to_owned();
    let source = Source { name: LIST.to_owned(), text };
    let checklist = Checklist::read(&source, &World::default()).expect("shipped");
    (source, checklist)
}

fn record(n: u64, event: Event) -> Record {
    Record { id: n.to_string(), writer: "w".to_owned(), seq: n, hlc: Hlc { ms: n, count: 0 }, event }
}

/// An incident with the shipped checklist open, and its log.
fn open() -> (Incident, Vec<Record>, Timestamp) {
    let now = Timestamp::from_timestamp(1_795_000_000, 0).expect("a moment");
    let (mut incident, mut log) = (Incident::default(), Vec::new());
    let mut write = |incident: &mut Incident, events: Vec<Event>| {
        for event in events {
            let record = record(log.len() as u64 + 1, event);
            incident.apply(&record);
            log.push(record);
        }
    };
    let opened = Body::IncidentOpened {
        title: "bench".to_owned(),
        severity: IncidentSeverity::Sev2,
        exercise: true,
        playbook: None,
    };
    write(&mut incident, vec![Event::now(now, Actor::tool(), opened)]);
    let (source, checklist) = shipped();
    let alert = Alert::for_checklist(&checklist);
    let events = incident.alert(now, &Actor::tool(), &alert, Some((&source, &checklist)));
    write(&mut incident, events);
    for act in [Act::AssumeControl, Act::Open { checklist: checklist.name.value }] {
        let decision = incident.decide(now, &Actor::person("ada"), &act).expect("allowed");
        write(&mut incident, decision.events);
    }
    (incident, log, now)
}

fn item(id: &str) -> ItemId {
    ItemId { checklist: LIST.parse().expect("a name"), item: id.to_owned() }
}

fn sample(answer: Answer) -> Observation {
    Observation { answer, value: None, detail: "seen".to_owned(), took: Duration::from_millis(3) }
}

fn engine(c: &mut Criterion) {
    let (source, _) = shipped();
    c.bench_function("read a shipped checklist", |b| {
        b.iter(|| Checklist::read(black_box(&source), &World::default()).expect("shipped"));
    });

    let (incident, log, now) = open();
    let ada = Actor::person("ada");
    let freeze = Act::Confirm { item: item("freeze"), reading: None, with: None, occurred: None };
    c.bench_function("decide a confirmation", |b| {
        b.iter(|| incident.decide(now, &ada, black_box(&freeze)).expect("allowed"));
    });

    let (up, seen) = (item("checkout"), sample(Answer::Unsatisfied));
    let mut senses = Senses::default();
    c.bench_function("observe a sample that changes nothing", |b| {
        // One sample alone never does.
        b.iter(|| {
            senses = Senses::default();
            incident.observe(&mut senses, now, black_box(&up), &seen)
        });
    });

    let name = LIST.parse().expect("a name");
    c.bench_function("draw the rows of a checklist", |b| {
        b.iter(|| incident.checklist(black_box(&name), now, &Senses::default()).expect("open"));
    });

    // A long incident: the probe flaps, people take notes.
    let mut long = log;
    while long.len() < 100_000 {
        let n = long.len() as u64;
        let at = now + TimeDelta::milliseconds(i64::try_from(n).expect("few"));
        let (from, to) =
            (Answer::Unknown, if n.is_multiple_of(2) { Answer::Satisfied } else { Answer::Unsatisfied });
        let body = if n.is_multiple_of(10) {
            Body::Note { text: format!("note {n}") }
        } else {
            let (text, detail) = ("Checkout answers".to_owned(), "seen".to_owned());
            Body::ItemSensed { item: item("checkout"), text, from, to, value: None, detail }
        };
        long.push(record(n + 1, Event::now(at, Actor::tool(), body)));
    }
    let mut group = c.benchmark_group("fold");
    group.throughput(Throughput::Elements(long.len() as u64)).sample_size(10);
    group.bench_function("a log of 100,000 events", |b| {
        b.iter(|| {
            let mut incident = Incident::default();
            long.iter().for_each(|record| incident.apply(record));
            incident
        });
    });
    group.finish();
}

criterion_group!(benches, engine);
criterion_main!(benches);
