//! Whatever is done to a log, `verify` names the place.

use super::common::{at, memory_dir, note, segment};
use deadstick_core::event::{Actor, Body};
use deadstick_timeline::{Broken, Log, read_all, seal, verify};

struct Small {
    dir: tempfile::TempDir,
    path: std::path::PathBuf,
    bytes: Vec<u8>,
}

fn small() -> Small {
    let dir = memory_dir();
    let mut log = Log::create(dir.path(), "a", at(0)).expect("creates");
    log.append(&[note(1, "a", "one"), note(2, "a", "two")]).expect("appends");
    log.append(&[deadstick_core::event::Event::now(at(3), Actor::person("a"), Body::ControlAssumed)])
        .expect("appends");
    let path = segment(dir.path(), log.writer());
    let bytes = std::fs::read(&path).expect("reads");
    assert!(verify(dir.path()).expect("verifies").is_sound());
    Small { dir, path, bytes }
}

#[test]
fn every_flipped_bit_is_noticed_on_its_line() {
    let small = small();
    for at in 0..small.bytes.len() {
        for bit in 0..8 {
            let mut bytes = small.bytes.clone();
            bytes[at] ^= 1 << bit;
            std::fs::write(&small.path, &bytes).expect("writes");
            let line = 1 + small.bytes[..at].iter().filter(|b| **b == b'\n').count();
            // A newer major format is refused as a whole, but only a true line can claim one.
            let report = verify(small.dir.path()).expect("verifies");
            let first =
                report.problems.first().unwrap_or_else(|| panic!("byte {at} bit {bit} of line {line}"));
            assert_eq!(
                (first.file.as_path(), first.line),
                (small.path.as_path(), line),
                "byte {at} bit {bit}"
            );
        }
    }
}

#[test]
fn lines_dropped_swapped_or_doubled_are_noticed() {
    let small = small();
    let lines: Vec<&[u8]> = small.bytes.split_inclusive(|b| *b == b'\n').collect();
    let check = |what: &str, lines: Vec<&[u8]>, line: usize| {
        std::fs::write(&small.path, lines.concat()).expect("writes");
        let report = verify(small.dir.path()).expect("verifies");
        assert_eq!(report.problems.first().map(|p| p.line), Some(line), "{what}: {:?}", report.problems);
    };
    for drop in 0..lines.len() - 1 {
        let mut lines = lines.clone();
        lines.remove(drop);
        check("dropped", lines, drop + 1);
    }
    for swap in 0..lines.len() - 1 {
        let mut lines = lines.clone();
        lines.swap(swap, swap + 1);
        check("swapped", lines, swap + 1);
    }
    for double in 0..lines.len() {
        let mut lines = lines.clone();
        lines.insert(double, lines[double]);
        check("doubled", lines, double + 2);
    }
}

#[test]
fn a_cut_inside_a_line_is_noticed_and_one_between_lines_changes_the_seal() {
    let small = small();
    let sealed = seal(small.dir.path()).expect("seals").code;
    assert_eq!(sealed.len(), 14);
    for cut in 0..small.bytes.len() {
        std::fs::write(&small.path, &small.bytes[..cut]).expect("writes");
        let report = verify(small.dir.path()).expect("verifies");
        let between = cut > 0 && small.bytes[cut - 1] == b'\n';
        assert_eq!(report.is_sound(), between, "cut at {cut}");
        assert_ne!(seal(small.dir.path()).expect("seals").code, sealed, "cut at {cut}");
    }
}

#[test]
fn a_chain_that_others_have_seen_cannot_be_shortened() {
    let small = small();
    drop(Log::open(small.dir.path(), "b", at(9)).expect("opens"));
    assert!(verify(small.dir.path()).expect("verifies").is_sound());
    let end = small.bytes[..small.bytes.len() - 1].iter().rposition(|b| *b == b'\n').expect("lines") + 1;
    std::fs::write(&small.path, &small.bytes[..end]).expect("writes");
    let report = verify(small.dir.path()).expect("verifies");
    assert!(matches!(report.problems[..], [ref p] if matches!(p.what, Broken::Predecessor(_))), "{report:?}");
}

#[test]
fn a_redacted_payload_is_gone_and_the_chain_is_whole() {
    let dir = memory_dir();
    let mut log = Log::create(dir.path(), "a", at(0)).expect("creates");
    let secret = log.append(&[note(1, "a", "hunter2"), note(2, "a", "x")]).expect("appends").remove(0);
    let (mut other, _) = Log::open(dir.path(), "b", at(2)).expect("opens");
    let long = "a password, \"pasted\" by mistake; ".repeat(9);
    other
        .redact(&secret.id, &long, Actor::person("b"), at(3))
        .expect("redacts another's, while that is open");
    assert!(other.redact(&secret.id, "again", Actor::person("b"), at(3)).is_err());
    log.append(&[note(4, "a", "on")]).expect("appends");

    for entry in std::fs::read_dir(dir.path()).expect("lists") {
        let text = std::fs::read_to_string(entry.expect("lists").path()).expect("reads");
        assert!(!text.contains("hunter2"));
    }
    let report = verify(dir.path()).expect("verifies");
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.redacted(), report.records()), (1, 4));
    let records = read_all(dir.path()).expect("reads").records;
    let shown = deadstick_core::event::describe(&records[0].event.body);
    assert!(shown.starts_with("note (redacted: a password, \"pasted\""), "{shown}");
    assert!(records.iter().any(|r| deadstick_core::event::describe(&r.event.body).contains("log.redacted")));
}
