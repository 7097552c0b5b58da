//! The flight data recorder: probe samples, apart from acts and state changes.
//!
//! Owns the side stream `samples.WRITER.jsonl` next to the log's segments: many small lines, no chain, buffered. A power
//! cut costs the last second of it, and that is the bargain: what must not be lost is an event. A half line at its end is
//! passed over.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use deadstick_core::Timestamp;
use deadstick_core::probe::Answer;
use serde::{Deserialize, Serialize};

use crate::log::{LogError, at, segment};
use crate::storage;

/// How old a buffered sample may get before the next one takes it to the disk.
const INTERVAL: TimeDelta = TimeDelta::seconds(1);

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When it was begun.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// Which probe.
    pub probe: String,
    /// True, false, or null for unknown.
    #[serde(rename = "ok", with = "three_valued")]
    pub answer: Answer,
    /// How long it took, in milliseconds.
    #[serde(rename = "ms", with = "milliseconds")]
    pub took: Duration,
    /// The value that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

mod three_valued {
    use deadstick_core::probe::Answer;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(answer: &Answer, serializer: S) -> Result<S::Ok, S::Error> {
        match answer {
            Answer::Satisfied => Some(true),
            Answer::Unsatisfied => Some(false),
            Answer::Unknown => None,
        }
        .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Answer, D::Error> {
        Ok(match Option::deserialize(deserializer)? {
            Some(true) => Answer::Satisfied,
            Some(false) => Answer::Unsatisfied,
            None => Answer::Unknown,
        })
    }
}

mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        // Microseconds are what the clock is worth.
        serializer.serialize_f64((took.as_secs_f64() * 1e6).round() / 1e3)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let ms = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64((ms * 1e3).round() / 1e6).map_err(serde::de::Error::custom)
    }
}

/// A stream of samples that is being written.
pub struct Samples {
    path: PathBuf,
    out: BufWriter<File>,
    /// The oldest sample in the buffer.
    oldest: Option<Timestamp>,
}

impl Samples {
    /// Opens the stream that belongs to a writer of a log; one that exists is continued.
    ///
    /// # Errors
    /// The disk says no.
    pub fn open(dir: &Path, writer: &str) -> Result<Self, LogError> {
        let path = dir.join(format!("samples.{writer}.jsonl"));
        let file = match storage::create_new(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => storage::open_append(&path),
            other => other,
        };
        let mut out = BufWriter::with_capacity(1 << 16, file.map_err(at(&path, "open"))?);
        if fs::metadata(&path).map_err(at(&path, "look at"))?.len() > 0 {
            // Ends a half line that a power cut may have left; an empty line is passed over.
            out.write_all(b"\n").map_err(at(&path, "append to"))?;
        }
        Ok(Self { path, out, oldest: None })
    }

    /// Adds a sample. It reaches the disk within a second of samples, or when the buffer is full.
    ///
    /// # Errors
    /// The disk says no.
    pub fn record(&mut self, sample: &Sample) -> Result<(), LogError> {
        let mut line = serde_json::to_vec(sample)?;
        line.push(b'\n');
        self.out.write_all(&line).map_err(at(&self.path, "append to"))?;
        let oldest = *self.oldest.get_or_insert(sample.at);
        if sample.at - oldest >= INTERVAL { self.flush() } else { Ok(()) }
    }

    /// Writes what is buffered. Dropping the stream does so too, but cannot say when it fails.
    ///
    /// # Errors
    /// The disk says no.
    pub fn flush(&mut self) -> Result<(), LogError> {
        self.oldest = None;
        self.out.flush().map_err(at(&self.path, "append to"))
    }
}

/// Reads the samples of all writers of a log in order of time.
///
/// # Errors
/// A file cannot be read. Lines that are no samples are passed over: see the module's bargain.
pub fn read_samples(dir: &Path) -> Result<Vec<Sample>, LogError> {
    let mut samples = Vec::new();
    for entry in fs::read_dir(dir).map_err(at(dir, "list"))? {
        let path = entry.map_err(at(dir, "list"))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with("samples.") || !name.ends_with(".jsonl") {
            continue;
        }
        let bytes = fs::read(&path).map_err(at(&path, "read"))?;
        let lines = segment::lines(&bytes).0.map(|(_, line)| line);
        samples.extend(lines.filter_map(|line| serde_json::from_slice::<Sample>(line).ok()));
    }
    samples.sort_by_key(|sample| sample.at);
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(ms: i64, answer: Answer) -> Sample {
        Sample {
            at: chrono::DateTime::from_timestamp_millis(1_700_000_000_000 + ms).expect("a time"),
            probe: "checkout".to_owned(),
            answer,
            took: Duration::from_micros(12_345),
            value: Some("503".to_owned()),
        }
    }

    #[test]
    fn samples_come_back_in_order_of_time_past_a_half_line() {
        let dir = tempfile::tempdir().expect("a directory");
        let all = [sample(0, Answer::Satisfied), sample(1, Answer::Unknown), sample(2, Answer::Unsatisfied)];
        let mut late = Samples::open(dir.path(), "b-1").expect("opens");
        late.record(&all[2]).expect("records");
        late.flush().expect("flushes");
        drop(late);
        let path = dir.path().join("samples.b-1.jsonl");
        let mut torn = storage::open_append(&path).expect("opens");
        torn.write_all(b"{\"t\":\"20").expect("writes");
        let mut again = Samples::open(dir.path(), "b-1").expect("opens again");
        again.record(&all[1]).expect("records");
        drop(again);
        Samples::open(dir.path(), "a-1").expect("opens").record(&all[0]).expect("records");
        assert_eq!(read_samples(dir.path()).expect("reads"), all);
    }

    #[test]
    fn a_second_of_samples_reaches_the_disk_without_being_asked() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut samples = Samples::open(dir.path(), "a-1").expect("opens");
        samples.record(&sample(0, Answer::Satisfied)).expect("records");
        assert_eq!(read_samples(dir.path()).expect("reads").len(), 0, "buffered");
        samples.record(&sample(1000, Answer::Satisfied)).expect("records");
        assert_eq!(read_samples(dir.path()).expect("reads").len(), 2, "written");
    }
}
