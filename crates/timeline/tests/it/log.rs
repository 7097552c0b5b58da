//! The log through its public face: what is acknowledged is there, whatever was cut, killed or shared.

use super::common::{at, memory_dir, note, segment};
use deadstick_timeline::{Appender, Follower, Log, LogError, read_all, verify};

#[test]
fn what_is_acknowledged_is_read_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let home = dir.path().join("incidents/2026-11-21");
    let mut log = Log::create(&home, "Alice Ångström", at(0)).expect("creates");
    let mut records = log.append(&[note(1, "alice", "one"), note(2, "alice", "two")]).expect("appends");
    records.extend(log.append(&[note(2, "alice", "three\u{1b}[2J\n")]).expect("appends"));
    assert_eq!(read_all(&home).expect("reads").records, records);
    assert_eq!(records.iter().map(|r| r.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(records[2].hlc > records[1].hlc, "two events of one millisecond keep their order");
    assert!(matches!(Log::create(&home, "bob", at(3)), Err(LogError::Exists(_))));
    assert!(matches!(Log::open(dir.path(), "bob", at(3)), Err(LogError::NotALog(_))));
}

#[test]
fn every_line_is_a_cloud_event() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut log = Log::create(dir.path(), "alice", at(0)).expect("creates");
    log.append(&[note(1, "alice", "one")]).expect("appends");
    let text = std::fs::read_to_string(segment(dir.path(), log.writer())).expect("reads");
    for line in text.lines() {
        let event: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).expect("JSON");
        for required in ["specversion", "id", "source", "type", "time", "recordedat", "writer", "hash", "hlc"]
        {
            assert!(event[required].as_str().is_some_and(|t| !t.is_empty()), "{required} in {line}");
        }
        for (name, value) in &event {
            let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            assert!(plain, "an attribute's name: {name}");
            assert!(
                name == "data" || value.is_string() || value.is_u64(),
                "an attribute is no structure: {name}"
            );
        }
        assert_eq!(event["specversion"], "1.0");
        assert!(event["type"].as_str().is_some_and(|t| t.starts_with("deadstick.")));
    }
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn a_log_cut_at_any_byte_is_resumed_with_every_whole_record() {
    let dir = memory_dir();
    let mut log = Log::create(dir.path(), "alice", at(0)).expect("creates");
    let records =
        log.append(&[note(1, "alice", "one"), note(2, "bob", "zwö"), note(3, "c", "")]).expect("appends");
    let writer = log.writer().to_owned();
    drop(log);
    let path = segment(dir.path(), &writer);
    let whole = std::fs::read(&path).expect("reads");
    for cut in 0..=whole.len() {
        std::fs::write(&path, &whole[..cut]).expect("writes");
        let lines = whole[..cut].iter().filter(|b| **b == b'\n').count();
        let kept = lines.saturating_sub(1);
        let (mut log, _, repair) = Log::resume(dir.path(), &writer, at(4)).expect("resumes");
        let end = whole[..cut].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        assert_eq!(repair.map(|r| r.dropped).unwrap_or_default(), &whole[end..cut], "cut at {cut}");
        assert_eq!(read_all(dir.path()).expect("reads").records, records[..kept], "cut at {cut}");
        let more = log.append(&[note(5, "alice", "on")]).expect("appends");
        assert_eq!(more[0].seq, kept as u64 + 1);
        let report = verify(dir.path()).expect("verifies");
        assert!(report.is_sound(), "cut at {cut}: {:?}", report.problems);
    }
}

#[test]
fn a_chain_damaged_before_its_end_is_not_continued_and_not_cut() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut log = Log::create(dir.path(), "alice", at(0)).expect("creates");
    log.append(&[note(1, "alice", "one"), note(2, "alice", "two")]).expect("appends");
    let writer = log.writer().to_owned();
    drop(log);
    let path = segment(dir.path(), &writer);
    let damaged = std::fs::read_to_string(&path).expect("reads").replace("\"one\"", "\"eno\"");
    std::fs::write(&path, &damaged).expect("writes");
    assert!(matches!(Log::resume(dir.path(), &writer, at(3)), Err(LogError::Damaged(d)) if d.line == 2));
    assert_eq!(std::fs::read_to_string(&path).expect("reads"), damaged);
    // The response goes on all the same.
    let (mut log, timeline) = Log::open(dir.path(), "alice", at(3)).expect("opens");
    assert_eq!(timeline.records.len(), 2);
    log.append(&[note(4, "alice", "on")]).expect("appends");
}

#[test]
fn one_process_per_writer() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = Log::create(dir.path(), "alice", at(0)).expect("creates");
    let writer = log.writer().to_owned();
    assert!(matches!(Log::resume(dir.path(), &writer, at(1)), Err(LogError::Busy(_))));
    drop(log);
    drop(Log::resume(dir.path(), &writer, at(1)).expect("is free again"));
}

#[test]
fn writers_follow_each_other_and_effects_stand_behind_causes() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut alice = Log::create(dir.path(), "alice", at(1000)).expect("creates");
    alice.append(&[note(1000, "alice", "cause")]).expect("appends");
    // Bob's clock is late by a second.
    let (mut bob, seen) = Log::open(dir.path(), "bob", at(0)).expect("opens");
    assert_eq!(seen.records.len(), 1);
    bob.append(&[note(1, "bob", "effect")]).expect("appends");
    let seen = alice.refresh().expect("reads");
    assert_eq!(seen.records.len(), 1, "others' records only");
    assert!(alice.refresh().expect("reads").records.is_empty(), "each record once");
    alice.append(&[note(1002, "alice", "effect of the effect")]).expect("appends");
    let order: Vec<_> = read_all(dir.path()).expect("reads").records;
    let order: Vec<_> = order.iter().map(|r| r.event.by.as_str()).collect();
    assert_eq!(order, ["alice", "bob", "alice"]);
    assert!(verify(dir.path()).expect("verifies").is_sound());
}

#[test]
fn a_half_written_line_of_a_living_writer_is_waited_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut log = Log::create(dir.path(), "alice", at(0)).expect("creates");
    log.append(&[note(1, "alice", "one")]).expect("appends");
    let path = segment(dir.path(), log.writer());
    let whole = std::fs::read(&path).expect("reads");
    let mut follower = Follower::new(dir.path(), None);
    let mut seen = 0;
    for cut in 0..=whole.len() {
        std::fs::write(&path, &whole[..cut]).expect("writes");
        let timeline = follower.refresh().expect("reads");
        assert!(timeline.damage.is_empty(), "cut at {cut}");
        seen += timeline.records.len();
        assert_eq!(seen, usize::from(cut == whole.len()), "cut at {cut}");
    }
}

#[test]
fn many_callers_share_one_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = Log::create(dir.path(), "alice", at(0)).expect("creates");
    let appender = Appender::start(log).expect("starts");
    let threads: Vec<_> = (0..8)
        .map(|caller| {
            let appender = appender.clone();
            std::thread::spawn(move || {
                for i in 0..50 {
                    let text = format!("{caller}/{i}");
                    let records = appender.append(vec![note(i, "alice", &text)]).wait().expect("appends");
                    assert!(matches!(&records[0].event.body,
                        deadstick_core::event::Body::Note { text: t } if *t == text));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    // One caller's impossible event fails for that caller alone.
    let bad = deadstick_core::event::Event::now(
        chrono::DateTime::<chrono::Utc>::MAX_UTC,
        deadstick_core::event::Actor::tool(),
        deadstick_core::event::Body::ControlAssumed,
    );
    let (bad, good) = (appender.append(vec![bad]), appender.append(vec![note(99, "alice", "good")]));
    assert!(bad.wait().is_err_and(|e| matches!(&*e, LogError::Time(_))));
    good.wait().expect("appends");
    assert!(appender.refresh().expect("reads").records.is_empty());
    let report = verify(dir.path()).expect("verifies");
    assert!(report.is_sound() && report.records() == 401, "{report:?}");
}

/// The header of a log with another format, made as the layout is documented: digest over salt and payload, hash over
/// everything before it.
fn with_format(line: &str, format: &str) -> String {
    use sha2::{Digest, Sha256};
    let hex = |text: &str| Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let (head, rest) = line.split_once(",\"hash\":").expect("a hash");
    let (_, tail) = rest.split_once(",\"salt\":\"").expect("a salt");
    let (salt, data) = tail.split_once("\",\"data\":").expect("a payload");
    let data = data.trim_end().strip_suffix('}').expect("an end");
    let (before, digest) = head.split_once(",\"digest\":").expect("a digest");
    assert_eq!(digest, format!("\"{}\"", hex(&format!("{salt}{data}"))), "the digest is as documented");
    let data = data.replace("\"format\":\"1.0\"", &format!("\"format\":\"{format}\""));
    let head = format!("{before},\"digest\":\"{}\"", hex(&format!("{salt}{data}")));
    format!("{head},\"hash\":\"{}\",\"salt\":\"{salt}\",\"data\":{data}}}\n", hex(&head))
}

#[test]
fn a_newer_minor_is_read_but_not_written_to_and_a_newer_major_is_not_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = Log::create(dir.path(), "alice", at(0)).expect("creates");
    let writer = log.writer().to_owned();
    drop(log);
    let path = segment(dir.path(), &writer);
    let header = std::fs::read_to_string(&path).expect("reads");
    assert_eq!(with_format(&header, "1.0"), header, "the layout is as documented");

    std::fs::write(&path, with_format(&header, "1.7")).expect("writes");
    assert!(verify(dir.path()).expect("verifies").is_sound());
    let newer = |outcome: LogError| matches!(outcome, LogError::NewerFormat { .. });
    assert!(Log::resume(dir.path(), &writer, at(1)).is_err_and(newer));
    let (mut log, _) = Log::open(dir.path(), "bob", at(1)).expect("another writer beside it");
    log.append(&[note(2, "bob", "on")]).expect("appends");

    std::fs::write(&path, with_format(&header, "2.0")).expect("writes");
    assert!(read_all(dir.path()).is_err_and(newer));
    assert!(verify(dir.path()).is_err_and(newer));
    assert!(Log::open(dir.path(), "bob", at(1)).is_err_and(newer));
}
