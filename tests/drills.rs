//! Whole drills, as a user stages them: verdicts, exit codes, and nothing left behind.

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Place, Ran, interfaces};

fn drill(place: &Place, args: &[&str]) -> (Ran, Value) {
    let before = interfaces();
    let ran = place.run(&[&["drill", "--headless", "--json"], args].concat());
    assert_eq!(place.residue(), Vec::<String>::new(), "{}", ran.err);
    assert_eq!(interfaces(), before, "the machine's own network is as it was");
    let report = ran.json();
    (ran, report)
}

/// One cell of a playbook: which slice is closed, and what comes of it.
fn cell(playbook: &str, close: Option<&str>, verdict: &str, holes: usize) {
    let place = Place::new();
    let mut args = vec![playbook];
    args.extend(close.iter().flat_map(|slice| ["--close", slice]));
    let (ran, report) = drill(&place, &args);
    assert_eq!(report["verdict"], verdict, "{report}\n{}", ran.err);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(report["playbook"], playbook);
    assert_eq!(report["holes"].as_array().map(Vec::len), Some(holes), "{report}");
    assert_eq!(report["residue"], json!([]));
    if verdict == "outage" {
        assert!(report["steady_state"]["lost_at"].is_string(), "{report}");
        assert!(report["steady_state"]["regained_at"].is_string(), "{report}");
    }
    let incident = report["incident"].as_str().expect("an incident");
    let verified = place.run(&["timeline", "verify", incident]);
    assert_eq!(verified.code, Some(0), "{}", verified.out);
    let faults = place.run(&["faults", "--json"]);
    assert_eq!(faults.json(), json!([]), "nothing is injected any more");
}

macro_rules! cells {
    ($($name:ident: $playbook:literal, $close:expr, $verdict:literal, $holes:literal;)*) => {
        $(#[test] fn $name() { cell($playbook, $close, $verdict, $holes); })*
    };
}

cells! {
    leaky_all_open: "leaky-abstractions", None, "outage", 5;
    leaky_routing_closed: "leaky-abstractions", Some("routing"), "no-outage", 4;
    leaky_transaction_closed: "leaky-abstractions", Some("transaction"), "no-outage", 4;
    leaky_termination_closed: "leaky-abstractions", Some("termination"), "no-outage", 4;
    leaky_tcp_closed: "leaky-abstractions", Some("tcp"), "no-outage", 4;
    leaky_migration_closed: "leaky-abstractions", Some("migration"), "no-outage", 4;
    lesson_all_open: "first-lesson", None, "outage", 4;
    lesson_transaction_closed: "first-lesson", Some("transaction"), "no-outage", 3;
    lesson_hang_closed: "first-lesson", Some("hang"), "no-outage", 3;
    lesson_patience_closed: "first-lesson", Some("patience"), "no-outage", 3;
    lesson_bulkhead_closed: "first-lesson", Some("bulkhead"), "no-outage", 3;
}

#[test]
fn the_other_verdict_is_a_no() {
    let place = Place::new();
    let (ran, report) = drill(&place, &["first-lesson", "--only", "hang", "--expect", "outage"]);
    assert_eq!((ran.code, &report["verdict"]), (Some(8), &json!("no-outage")), "{}", ran.err);
}

/// A playbook of ours: the first lesson with something changed.
fn changed(place: &Place, from: &str, to: &str) -> String {
    let text = include_str!("../playbooks/first-lesson.yaml");
    assert!(text.contains(from), "the first lesson has {from:?}");
    place.file("changed.yaml", text.replace(from, to))
}

#[test]
fn a_gate_that_does_not_hold_injects_nothing() {
    let place = Place::new();
    let path = changed(&place, "{{shop.url}}/catalogue\"", "{{shop.url}}/no-such-page\"");
    let (ran, report) = drill(&place, &[&path]);
    assert_eq!((ran.code, &report["verdict"]), (Some(3), &json!("gate-failed")), "{}", ran.err);
    assert_eq!(report["holes"], json!([]));
    assert!(!ran.err.contains("began fault"), "{}", ran.err);
}

#[test]
fn a_fault_that_does_not_land_is_never_a_pass() {
    let place = Place::new();
    // Long after the job has ended by itself there is nothing to stop any more.
    let path = changed(&place, "at: 1250ms", "at: 8s");
    let (ran, report) = drill(&place, &[&path, "--close", "transaction"]);
    assert_eq!((ran.code, &report["verdict"]), (Some(4), &json!("invalid")), "{}", ran.err);
}

#[test]
fn an_abort_condition_stops_it_and_undoes_everything() {
    let place = Place::new();
    let path = changed(
        &place,
        "{{shop.url}}/health\", timeout: 2s }\n    every: 1s",
        "{{shop.url}}/no-such-page\" }\n    every: 200ms",
    );
    let text = std::fs::read_to_string(&path).expect("it was written");
    let path = place.file("abort.yaml", text.replace("unsatisfied-for: 10s", "unsatisfied-for: 1s"));
    let (ran, report) = drill(&place, &[&path]);
    assert_eq!((ran.code, &report["verdict"]), (Some(6), &json!("aborted")), "{}", ran.err);
    assert!(report["because"].as_str().is_some_and(|why| why.contains("probe front")), "{report}");
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let place = Place::new();
    let ran = place.run(&["drill", "leaky-abstractions", "--dry-run", "--close", "tcp"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("tcp (closed") && ran.out.contains("inject vanish on job"), "{}", ran.out);
    assert!(!place.state().exists(), "not even a state folder");
}

/// Responders are to find out what was done to them, also those who read along by command.
#[test]
fn what_is_staged_is_not_told_before_the_verdict() {
    const PATIENCE: Duration = Duration::from_secs(60);
    let place = Place::new();
    let path = changed(&place, "outage: {", "observe: 15m\noutage: {");
    let mut drill = place.start(&["drill", "--headless", &path, "--close", "transaction"]);
    drill.wait_for("opened the hole in hang", PATIENCE);
    let began = Instant::now();
    let shown = |words: &[&str]| {
        let ran = place.run(words);
        assert_eq!(ran.code, Some(0), "{words:?}: {}", ran.err);
        (ran.out, ran.err)
    };
    while !shown(&["timeline", "show", "--facilitator"]).0.contains("pause") {
        assert!(began.elapsed() < PATIENCE, "no fault was recorded");
    }
    let staged = ["hole in", "pause", "stuck report", "in hang"];
    let responders: [&[&str]; 6] = [
        &["timeline", "show"],
        &["timeline", "show", "--json"],
        &["timeline", "export", "--format", "markdown", "-v"],
        &["timeline", "export", "--format", "csv"],
        &["debrief"],
        &["debrief", "--json"],
    ];
    for words in responders {
        let (out, err) = shown(words);
        let told: Vec<_> = staged.iter().filter(|word| out.contains(**word)).collect();
        assert!(told.is_empty(), "{words:?} tells {told:?}:\n{out}");
        assert!(err.contains("held back") && err.contains("--facilitator"), "{words:?}: {err}");
        let (out, err) = shown(&[words, &["--facilitator"]].concat());
        assert!(out.contains("pause") && !err.contains("held back"), "{words:?}: {out}{err}");
    }
    let lines = ["timeline", "export", "--format", "jsonl"];
    let ran = place.run(&lines);
    assert_eq!((ran.code, ran.out.as_str()), (Some(7), ""), "{}", ran.err);
    assert!(shown(&[&lines[..], &["--facilitator"]].concat()).0.contains("hole.opened"));
    drill.signal(nix::sys::signal::Signal::SIGINT);
    assert_eq!(drill.wait(), Some(6), "{}", drill.printed());
    for words in responders.into_iter().chain([&lines[..]]) {
        let (out, err) = shown(words);
        assert!(out.contains("pause") && !err.contains("held back"), "{words:?}: {out}{err}");
    }
    assert_eq!(place.residue(), Vec::<String>::new());
}

/// The whole of it by a scripted responder: alert, checklist, the right target, the close; then the debrief and the export.
fn flown(playbook: &str, script: &str, title: &str) {
    let place = Place::new();
    let script = place.file("responder.yaml", script);
    let (ran, report) = drill(&place, &[playbook, "--responder", &script]);
    assert_eq!((ran.code, &report["verdict"]), (Some(0), &json!("outage")), "{}", ran.err);
    let incident = report["incident"].as_str().expect("an incident");
    let debrief = place.run(&["debrief", incident, "--json"]).json();
    let response = &debrief["response"];
    assert_eq!(
        (&response["named-target"]["by"], &response["wrong-targets"]),
        (&json!("alice"), &json!(0)),
        "{debrief}"
    );
    assert_eq!(response["acted-on-target"]["by"], "alice", "{debrief}");
    assert!(debrief["losses"][0]["regained-at"].is_string(), "{debrief}");
    let markdown = place.run(&["timeline", "export", incident, "--format", "markdown"]).out;
    for piece in [title, "took control", "steady state lost", "Verdict | outage"] {
        assert!(markdown.contains(piece), "{piece:?} in\n{markdown}");
    }
}

#[test]
fn a_responder_works_the_first_lesson() {
    flown("first-lesson", include_str!("first-lesson-responder.yaml"), "SHOP: NOTHING ANSWERS");
}

#[test]
fn a_responder_works_the_flagship() {
    let script = include_str!("leaky-abstractions-responder.yaml");
    flown("leaky-abstractions", script, "DATABASE: REQUESTS WAIT ON LOCKS");
}
