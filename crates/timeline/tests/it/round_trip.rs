//! Any event goes through the log unchanged, and any log through its export.

use std::path::PathBuf;

use deadstick_core::event::{Actor, AlertLevel, Body, Event, IncidentSeverity, ItemId, SliceKind, Verdict};
use deadstick_core::fault::{Fault, Flow, Impaired, LockMode, ResolvedTarget, Signal};
use deadstick_core::probe::Answer;
use deadstick_core::units::{HumanDuration, Name};
use deadstick_timeline::export::{CsvMode, Detail, csv, import, jsonl, markdown};
use deadstick_timeline::{Log, read_all, verify};
use proptest::prelude::*;

use super::common::{at, memory_dir};

fn name() -> impl Strategy<Value = Name> {
    "[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,2}".prop_map(|text| text.parse().expect("a name"))
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![Just(Answer::Satisfied), Just(Answer::Unsatisfied), Just(Answer::Unknown)]
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn body() -> impl Strategy<Value = Body> {
    let text = any::<String>;
    let item = || (name(), "[a-z0-9-]{1,9}").prop_map(|(checklist, item)| ItemId { checklist, item });
    let fault = prop_oneof![
        Just(Fault::Kill { signal: Signal::Term, every_restart: false }),
        Just(Fault::Vanish),
        any::<u32>().prop_map(|ms| Fault::Latency(Impaired::late(
            HumanDuration::millis(ms.into()),
            HumanDuration::default(),
            Flow::default()
        ))),
        prop::option::of(text()).prop_map(|table| Fault::Lock {
            table,
            mode: LockMode::Share,
            rows: None,
            advisory: None
        }),
    ];
    prop_oneof![
        text().prop_map(|text| Body::Note { text }),
        (text(), any::<bool>(), prop::option::of(name())).prop_map(|(title, exercise, playbook)| {
            Body::IncidentOpened { title, severity: IncidentSeverity::Sev2, exercise, playbook }
        }),
        Just(Body::ControlAssumed),
        (text(), text()).prop_map(|(to, brief)| Body::ControlOffered { to, brief }),
        (name(), text(), prop::option::of(name())).prop_map(|(alert, title, checklist)| Body::AlertRaised {
            alert,
            level: AlertLevel::Warning,
            title,
            checklist
        }),
        (name(), text()).prop_map(|(slice, hole)| Body::HoleOpened {
            slice,
            kind: SliceKind::ActiveFailure,
            hole
        }),
        (text(), fault, text(), any::<u16>()).prop_map(|(id, fault, name, secs)| Body::FaultApplying {
            id,
            fault: Box::new(fault),
            target: Box::new(ResolvedTarget { name, path: Some(PathBuf::from("/x")), ..Default::default() }),
            lease: HumanDuration::secs(secs.into()),
        }),
        (text(), text(), text()).prop_map(|(id, why, manual)| Body::FaultResidue { id, why, manual }),
        (name(), text(), any::<u32>()).prop_map(|(probe, measured, ms)| Body::SteadyStateRegained {
            probe,
            measured,
            lost_for: HumanDuration::millis(ms.into())
        }),
        (text(), prop::option::of(answer()), answer(), text())
            .prop_map(|(probe, from, to, detail)| Body::ProbeChanged { probe, from, to, detail }),
        (item(), text(), text(), prop::option::of(text()), prop::option::of(text())).prop_map(
            |(item, text, response, reading, with)| Body::ItemConfirmed {
                item,
                text,
                response,
                reading,
                with
            }
        ),
        (item(), prop::collection::vec(text(), 0..3), prop::option::of(any::<i32>()), text())
            .prop_map(|(item, command, exit, output)| Body::ItemRan { item, command, exit, output }),
        text().prop_map(|because| Body::DrillVerdict { verdict: Verdict::Outage, because }),
        ("[ -~]{0,12}\\PC{0,3}", json())
            .prop_map(|(kind, data)| Body::Other { kind: format!("x.{kind}"), data }),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    (0_i64..4_000_000_000_000, 0_i64..100_000, ".{0,12}", body()).prop_map(|(occurred, late, by, body)| {
        let occurred = chrono::DateTime::from_timestamp_micros(occurred * 1000 + 123).expect("a time");
        Event::at(occurred, occurred + chrono::TimeDelta::milliseconds(late), Actor::person(&by), body)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_log_reads_verifies_exports_and_imports(
        first in prop::collection::vec(event(), 1..12),
        second in prop::collection::vec(event(), 0..12),
    ) {
        let dir = memory_dir();
        let here = dir.path().join("here");
        let mut alice = Log::create(&here, "alice", at(0)).expect("creates");
        let mut records = alice.append(&first).expect("appends");
        let (mut bob, seen) = Log::open(&here, "bob", at(0)).expect("opens");
        prop_assert_eq!(&seen.records, &records);
        records.extend(bob.append(&second).expect("appends"));
        alice.refresh().expect("reads");
        records.extend(alice.append(&second).expect("appends"));
        let events: Vec<_> = records.iter().map(|r| &r.event).collect();
        let given: Vec<_> = first.iter().chain(&second).chain(&second).collect();
        prop_assert_eq!(events, given);

        let timeline = read_all(&here).expect("reads");
        prop_assert_eq!(&timeline.records, &records);
        prop_assert!(timeline.damage.is_empty());
        let report = verify(&here).expect("verifies");
        prop_assert!(report.is_sound(), "{:?}", report.problems);

        let mut exported = Vec::new();
        prop_assert!(jsonl(&here, &mut exported).expect("exports").is_empty());
        let there = dir.path().join("there");
        import(&exported[..], &there).expect("imports");
        let mut again = Vec::new();
        jsonl(&there, &mut again).expect("exports");
        prop_assert_eq!(&again, &exported);
        prop_assert_eq!(&read_all(&there).expect("reads").records, &records);

        let mut page = Vec::new();
        markdown(&records, Detail::Full, &mut page).expect("exports");
        let page = String::from_utf8(page).expect("UTF-8");
        prop_assert!(!page.chars().any(|c| c.is_control() && c != '\n'));
        // Rows of the timeline begin with a time, those of the title block with a word.
        let rows = page.lines().filter(|l| l.strip_prefix("| ").is_some_and(|l| l.starts_with(|c: char| c.is_ascii_digit())));
        let rows = rows.count();
        prop_assert_eq!(rows, records.len());
        let mut table = Vec::new();
        csv(&records, CsvMode::Spreadsheet, &mut table).expect("exports");
        prop_assert_eq!(String::from_utf8(table).expect("UTF-8").lines().count(), records.len() + 1);
    }
}
