//! What the tests share.

use std::path::{Path, PathBuf};

use deadstick_core::Timestamp;
use deadstick_core::event::{Actor, Body, Event};

/// A fixed time, so many milliseconds later.
pub(crate) fn at(ms: i64) -> Timestamp {
    chrono::DateTime::from_timestamp_millis(1_763_700_000_000 + ms).expect("a time")
}

/// A note.
pub(crate) fn note(ms: i64, by: &str, text: &str) -> Event {
    Event::now(at(ms), Actor::person(by), Body::Note { text: text.to_owned() })
}

/// The only segment of a writer.
pub(crate) fn segment(dir: &Path, writer: &str) -> PathBuf {
    dir.join(format!("{writer}.1.jsonl"))
}

/// A directory in memory where there is one: for tests of content, which would wait for thousands of syncs on a disk.
pub(crate) fn memory_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory")
}

/// An example of this crate, built along with the tests: a process to kill.
pub(crate) fn example(name: &str) -> std::process::Command {
    let test = std::env::current_exe().expect("a path");
    let target = test.parent().and_then(Path::parent).expect("target/PROFILE/deps");
    std::process::Command::new(target.join("examples").join(name))
}
