//! The log on a disk that fails.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use deadstick_core::Timestamp;
use deadstick_core::event::{Actor, Body, Event};

use super::{Log, LogError, fs, read_all, segment};
use crate::storage::fake::{Faulty, Trouble};
use crate::storage::open_append;
use crate::verify::verify;

fn now() -> Timestamp {
    chrono::DateTime::from_timestamp(1_760_000_000, 0).expect("a time")
}

fn note(text: &str) -> Event {
    Event::now(now(), Actor::person("alice"), Body::Note { text: text.to_owned() })
}

fn on_faulty_disk(dir: &Path) -> (Log, Arc<Trouble>) {
    let mut log = Log::create(dir, "alice", now()).expect("creates");
    let trouble = Arc::new(Trouble::default());
    let file = open_append(&log.segment()).expect("opens");
    log.storage = Box::new(Faulty { file, trouble: Arc::clone(&trouble) });
    (log, trouble)
}

#[test]
fn a_full_disk_acknowledges_nothing_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut log, trouble) = on_faulty_disk(dir.path());
    log.append(&[note("before")]).expect("appends");
    let len = || fs::metadata(segment::path(dir.path(), log_writer(dir.path()), 1)).expect("is there").len();
    let durable = len();
    for room in [0, 1, 300, 700] {
        trouble.room.store(room, SeqCst);
        let failed = log.append(&[note("one"), note("two"), note("three")]);
        assert!(matches!(failed, Err(LogError::Io { .. })), "{failed:?}");
        assert_eq!(len(), durable, "with room for {room} bytes");
    }
    trouble.room.store(-1, SeqCst);
    let record = log.append(&[note("after")]).expect("there is room again").remove(0);
    assert_eq!(record.seq, 2, "what failed took no number");
    assert!(verify(dir.path()).expect("verifies").is_sound());
    assert_eq!(read_all(dir.path()).expect("reads").records.len(), 2);
}

/// The only writer of a log, leaked for the test's length.
fn log_writer(dir: &Path) -> &'static str {
    let writers = segment::list(dir).expect("lists");
    writers.into_keys().next().expect("one").leak()
}

#[test]
fn after_a_failed_sync_nothing_is_trusted() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut log, trouble) = on_faulty_disk(dir.path());
    trouble.sync_fails.store(true, SeqCst);
    assert!(matches!(log.append(&[note("lost?")]), Err(LogError::Io { what: "sync", .. })));
    trouble.sync_fails.store(false, SeqCst);
    assert!(matches!(log.append(&[note("no")]), Err(LogError::Poisoned(_))));
    let (mut next, _) = Log::open(dir.path(), "alice", now()).expect("opens as a new writer");
    next.append(&[note("yes")]).expect("appends");
}

#[test]
fn when_cutting_back_fails_too_nothing_is_trusted() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut log, trouble) = on_faulty_disk(dir.path());
    trouble.room.store(100, SeqCst);
    trouble.truncate_fails.store(true, SeqCst);
    log.append(&[note("torn")]).expect_err("the disk is full");
    assert!(matches!(log.append(&[note("no")]), Err(LogError::Poisoned(_))));
    let writer = log.writer().to_owned();
    drop(log);
    let (_, _, repair) = Log::resume(dir.path(), &writer, now()).expect("resumes");
    assert_eq!(repair.expect("a torn tail").dropped.len(), 100);
}

#[test]
fn a_long_log_goes_on_in_further_segments() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut log = Log::create(dir.path(), "alice", now()).expect("creates");
    log.limit = 2000;
    let records: Vec<_> =
        (0..40).flat_map(|i| log.append(&[note(&i.to_string())]).expect("appends")).collect();
    let writers = segment::list(dir.path()).expect("lists");
    assert!(writers[log.writer()].len() > 3, "{writers:?}");
    assert_eq!(read_all(dir.path()).expect("reads").records, records);
    let report = verify(dir.path()).expect("verifies");
    assert!(report.is_sound(), "{report:?}");

    let writer = log.writer().to_owned();
    drop(log);
    let (mut log, _, repair) = Log::resume(dir.path(), &writer, now()).expect("resumes");
    assert_eq!(repair, None);
    assert_eq!(log.append(&[note("on")]).expect("appends")[0].seq, 41);

    // A segment whose header was never finished.
    let torn = segment::path(dir.path(), &writer, log.number + 1);
    drop(log);
    fs::write(&torn, "{\"specversion\":").expect("writes");
    let (mut log, ..) = Log::resume(dir.path(), &writer, now()).expect("resumes");
    assert_eq!(log.append(&[note("and on")]).expect("appends")[0].seq, 42);
    let report = verify(dir.path()).expect("verifies");
    assert!(report.is_sound(), "{report:?}");
    drop(log);

    let missing = segment::path(dir.path(), &writer, 2);
    fs::remove_file(&missing).expect("removes");
    assert!(!verify(dir.path()).expect("verifies").is_sound());
}

#[test]
fn withdrawn_lines_do_not_confuse_a_follower() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut log = Log::create(dir.path(), "alice", now()).expect("creates");
    let mut follower = super::Follower::new(dir.path(), None);
    log.append(&[note("kept")]).expect("appends");
    assert_eq!(follower.refresh().expect("reads").records.len(), 1);
    let len = log.len;
    let end = log.end;
    log.append(&[note("withdrawn")]).expect("appends");
    assert_eq!(follower.refresh().expect("reads").records.len(), 1);
    // What a failed append does: the file is cut back and the chain goes on from before.
    open_append(&log.segment()).expect("opens").set_len(len).expect("cuts");
    (log.len, log.end) = (len, end);
    let again = log.append(&[note("a longer one in its place")]).expect("appends");
    let seen = follower.refresh().expect("reads");
    assert_eq!((seen.records, seen.damage), (again, Vec::new()));
    assert!(follower.refresh().expect("reads").records.is_empty());
}
