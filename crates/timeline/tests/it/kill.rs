//! SIGKILL at any moment: what was acknowledged is there, and the next process goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::common::{at, example, note};
use deadstick_core::event::Body;
use deadstick_timeline::{Ledger, LedgerError, Log, read_all, verify};

/// Runs a process for some milliseconds after its first word, kills it, and returns its whole lines.
fn run_and_kill(command: &mut Command, after_ms: u64) -> Vec<String> {
    let mut child: Child =
        command.stdout(Stdio::piped()).spawn().expect("starts: examples are built with the tests");
    let mut out = child.stdout.take().expect("piped");
    let mut first = [0];
    out.read_exact(&mut first).expect("says something before it is killed");
    let reader = std::thread::spawn(move || {
        let mut rest = Vec::new();
        out.read_to_end(&mut rest).map(|_| rest)
    });
    std::thread::sleep(Duration::from_millis(after_ms));
    child.kill().expect("is ours");
    child.wait().expect("ends");
    let mut said = first.to_vec();
    said.extend(reader.join().expect("no panic").expect("reads"));
    let end = said.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    String::from_utf8_lossy(&said[..end]).lines().map(str::to_owned).collect()
}

#[test]
fn every_acknowledged_event_survives_sigkill() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut acknowledged = BTreeSet::new();
    for round in 0..12_u64 {
        // Prime steps, so that the kills fall at ever other places.
        let callers = if round % 2 == 0 { "1" } else { "4" };
        let said = run_and_kill(example("append").arg(dir.path()).arg(callers), round * 7 % 31);
        acknowledged.extend(said);
    }
    assert!(acknowledged.len() >= 12);
    let timeline = read_all(dir.path()).expect("reads");
    assert_eq!(timeline.damage, []);
    let found: BTreeSet<String> = timeline
        .records
        .iter()
        .filter_map(|r| match &r.event.body {
            Body::Note { text } => Some(format!("{} {text}", r.writer)),
            _ => None,
        })
        .collect();
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");

    // Each dead writer's chain can be taken up, whatever its end looks like; then all of it is sound.
    let writers: BTreeSet<_> = timeline.records.iter().map(|r| r.writer.clone()).collect();
    for writer in &writers {
        let (mut log, ..) = Log::resume(dir.path(), writer, at(0)).expect("resumes");
        log.append(&[note(0, "heir", "on")]).expect("appends");
    }
    let report = verify(dir.path()).expect("verifies");
    assert!(report.is_sound(), "{:?}", report.problems);
    assert_eq!(read_all(dir.path()).expect("reads").records.len(), timeline.records.len() + writers.len());
}

#[test]
fn every_acknowledged_entry_of_a_ledger_survives_sigkill_and_is_recovered_once() {
    let dir = tempfile::tempdir().expect("a directory");
    for round in 0..12_u64 {
        let path = dir.path().join(format!("run-{round}.jsonl"));
        let said = run_and_kill(example("inject").arg(&path), round * 5 % 29);
        let mut last = BTreeMap::new();
        for (id, state) in said.iter().filter_map(|line| line.split_once(' ')) {
            last.insert(id.to_owned(), state.to_owned());
        }
        let ledger = Ledger::claim(&path).expect("its owner is dead").expect("is there");
        assert!(matches!(Ledger::claim(&path), Err(LedgerError::InUse(_))), "one recovery at a time");
        let faults = ledger.faults().expect("reads");
        for (id, said) in &last {
            let found = faults.iter().find(|f| f.id == *id).unwrap_or_else(|| panic!("{id} was lost"));
            // The entry after the last one said may have been written without being acknowledged.
            assert!(
                found.state.word() == said || !said.contains("undone"),
                "{id}: said {said}, found {:?}",
                found.state
            );
        }
        let open = ledger.open_faults().expect("reads");
        assert!(matches!(ledger.retire(), Err(LedgerError::StillOpen { .. })) == !open.is_empty());
        for fault in open.iter().rev() {
            let undoing = deadstick_core::ledger::Entry::Undoing { because: "recovery".to_owned() };
            ledger.record(&fault.id, &undoing, at(0)).expect("records");
            ledger.record(&fault.id, &deadstick_core::ledger::Entry::Undone, at(0)).expect("records");
        }
        ledger.retire().expect("all is out");
        drop(ledger);
        assert!(Ledger::claim(&path).expect("reads").is_none(), "nothing left to recover");
    }
    assert!(Ledger::scan(dir.path()).expect("scans").is_empty());
}
