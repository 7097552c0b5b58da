//! What a postmortem's author pastes, what a spreadsheet opens, what a program reads.

use deadstick_core::event::{Actor, AlertLevel, Body, Event, IncidentSeverity, ItemId, Phase, Verdict};
use deadstick_core::units::HumanDuration;
use deadstick_timeline::export::{CsvMode, Detail, ExportError, csv, import, jsonl, markdown};
use deadstick_timeline::{Log, read_all, verify};

use super::common::{at, note};

fn name(text: &str) -> deadstick_core::units::Name {
    text.parse().expect("a name")
}

/// A small drill that went as it should.
fn drill() -> Vec<Event> {
    let tool = |ms, body| Event::now(at(ms), Actor::tool(), body);
    let alice = |ms, body| Event::now(at(ms), Actor::person("alice"), body);
    let item = ItemId { checklist: name("locks"), item: "head".to_owned() };
    vec![
        tool(
            0,
            Body::IncidentOpened {
                title: "Checkout hangs".to_owned(),
                severity: IncidentSeverity::Sev2,
                exercise: true,
                playbook: Some(name("first-lesson")),
            },
        ),
        tool(10, Body::DrillPhase { phase: Phase::Run }),
        tool(4_000, Body::SteadyStateLost { probe: name("checkout"), measured: "success 12%".to_owned() }),
        tool(
            4_100,
            Body::AlertRaised {
                alert: name("lock-pileup"),
                level: AlertLevel::Warning,
                title: "Requests wait on locks".to_owned(),
                checklist: Some(name("locks")),
            },
        ),
        alice(6_000, Body::ControlAssumed),
        alice(
            9_000,
            Body::ItemConfirmed {
                item,
                text: "Find the session at the head".to_owned(),
                response: "PID NAMED".to_owned(),
                reading: Some("4711".to_owned()),
                with: None,
            },
        ),
        Event::at(
            at(5_000),
            at(190_000),
            Actor::person("bob"),
            Body::Note { text: "saw 503s | first".to_owned() },
        ),
        tool(
            200_000,
            Body::SteadyStateRegained {
                probe: name("checkout"),
                measured: "success 100%".to_owned(),
                lost_for: HumanDuration::secs(196),
            },
        ),
        tool(201_000, Body::DrillVerdict { verdict: Verdict::Outage, because: "lost for 3m 16s".to_owned() }),
        alice(240_000, Body::IncidentClosed { summary: "The job's session was ended".to_owned() }),
    ]
}

#[test]
fn a_postmortem_author_can_paste_the_markdown() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut log = Log::create(dir.path(), "deadstick", at(0)).expect("creates");
    let records = log.append(&drill()).expect("appends");
    let mut page = Vec::new();
    markdown(&records, Detail::Summary, &mut page).expect("exports");
    let page = String::from_utf8(page).expect("UTF-8");
    assert_eq!(
        page,
        "# Checkout hangs

| | |
|---|---|
| Kind | exercise, playbook first-lesson |
| Start | 2025-11-21 04:40:00 UTC |
| End | 2025-11-21 04:44:00 UTC |
| Duration | 4m |
| Severity | SEV2 |
| Control | alice from 04:40:06 |
| Steady state lost | checkout, 04:40:04 to 04:43:20 (3m 16s) |
| Verdict | outage |

## Timeline

All times are UTC.

### 2025-11-21

| Time | Who | What |
|---|---|---|
| 04:40:00 | deadstick | **opened the exercise of playbook first-lesson: Checkout hangs (SEV2)** |
| 04:40:04 | deadstick | **saw steady state lost at checkout: success 12%** |
| 04:40:04 | deadstick | **raised the warning lock-pileup: Requests wait on locks, which calls for checklist locks** |
| 04:40:05 | bob | noted: saw 503s \\| first *(recorded 3m 5s later)* |
| 04:40:06 | alice | took control |
| 04:40:09 | alice | confirmed *Find the session at the head*: PID NAMED (4711) |
| 04:43:20 | deadstick | **saw steady state back at checkout after 3m 16s: success 100%** |
| 04:43:21 | deadstick | **judged the drill: outage: lost for 3m 16s** |
| 04:44:00 | alice | **closed the incident: The job's session was ended** |

1 routine event (drill phases and steps, single probes, queued checklists, waits) is left out; the log has it.
"
    );
}

#[test]
fn hostile_text_acts_nowhere() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut log = Log::create(dir.path(), "x", at(0)).expect("creates");
    let hostile = [
        "=cmd|' /C calc'!A0",
        "@SUM(1+1)*cmd|' /C calc'!A0",
        "a\r\nb\tc",
        "\u{1b}]0;title\u{7}\u{9b}31m",
        "<script>alert(1)</script> | **bold** [x](javascript:1)",
        "\"quoted\", and, comma",
        "\u{202e}gnp.exe",
        "＝1+1",
    ];
    let mut events: Vec<_> = hostile.iter().map(|text| note(1, text, text)).collect();
    let raised = |title: &str| Body::IncidentOpened {
        title: title.to_owned(),
        severity: IncidentSeverity::Sev1,
        exercise: false,
        playbook: None,
    };
    events.push(Event::now(at(2), Actor::tool(), raised(hostile[4])));
    let records = log.append(&events).expect("appends");

    let mut page = Vec::new();
    markdown(&records, Detail::Full, &mut page).expect("exports");
    let page = String::from_utf8(page).expect("UTF-8");
    assert!(
        !page.contains("<script") && !page.replace("\\]", "").contains("](") && !page.contains("**bold"),
        "{page}"
    );
    for line in page.lines().filter(|l| l.starts_with("| 0")) {
        let bars = line.match_indices('|').filter(|(at, _)| !line[..*at].ends_with('\\')).count();
        assert_eq!(bars, 4, "three cells: {line}");
    }

    for mode in [CsvMode::Spreadsheet, CsvMode::Raw] {
        let mut table = Vec::new();
        csv(&records, mode, &mut table).expect("exports");
        let text = String::from_utf8(table).expect("UTF-8");
        assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'));
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let headers = reader.headers().expect("a header").clone();
        for needed in ["message", "datetime", "timestamp_desc"] {
            assert!(headers.iter().any(|h| h == needed), "Timesketch asks for {needed}");
        }
        let rows: Vec<_> = reader.records().map(|row| row.expect("a row")).collect();
        assert_eq!(rows.len(), events.len());
        let runs = rows.iter().flatten().filter(|c| c.starts_with(['=', '+', '-', '@', '＝'])).count();
        assert_eq!(runs == 0, mode == CsvMode::Spreadsheet, "{text}");
    }
}

#[test]
fn unknown_kinds_and_foreign_keys_survive_export_and_import() {
    let dir = tempfile::tempdir().expect("a directory");
    let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    let mut log = Log::create(&here, "x", at(0)).expect("creates");
    let body = Body::Other { kind: "radio.call".to_owned(), data: serde_json::json!({ "channel": 7 }) };
    log.append(&[Event::now(at(1), Actor::tool(), body.clone())]).expect("appends");
    let mut lines = Vec::new();
    assert!(jsonl(&here, &mut lines).expect("exports").is_empty());
    assert!(String::from_utf8_lossy(&lines).contains(r#""type":"deadstick.radio.call""#));
    let report = import(&lines[..], &there).expect("imports");
    assert_eq!(report.records(), 1);
    assert_eq!(read_all(&there).expect("reads").records[0].event.body, body);

    let nowhere = dir.path().join("nowhere");
    assert!(matches!(import(&b"no log\n"[..], &nowhere), Err(ExportError::NotALog { line: 1, .. })));
    let tampered = String::from_utf8_lossy(&lines).replace(":7}", ":8}");
    assert!(matches!(import(tampered.as_bytes(), &nowhere), Err(ExportError::Unsound(d)) if d.line == 2));
    assert_eq!(std::fs::read_dir(&nowhere).expect("lists").count(), 0, "nothing half imported");
    assert!(matches!(import(&lines[..], &here), Err(ExportError::Log(_))), "there is a log already");
    assert!(verify(&here).expect("verifies").is_sound());
}
