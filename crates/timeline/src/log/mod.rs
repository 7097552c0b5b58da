//! The log of one incident: a directory with one series of segment files per writer.
//!
//! Owns appending: one writer per process, locked while it lives; its chain; durability before acknowledgement; the repair
//! of its own torn tail. Reading is in `read`, group commit for many callers in [`crate::appender`], belief in
//! [`mod@crate::verify`]. Leaves the layout of a line to `crate::line`.
//!
//! Read in this order: [`Log`], [`read_all`], [`Follower`].

mod error;
mod own;
mod random;
mod read;
mod redact;
pub(crate) mod segment;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use chrono::{Datelike, SubsecRound};
use deadstick_core::Timestamp;
use deadstick_core::event::{Actor, Body, Event, Hlc, Record, WriterId};

pub use error::LogError;
pub(crate) use error::at;
pub use own::{Repair, is_writing};
pub use read::{Damage, Follower, Timeline, read_all};

use random::{Random, fill_random};

use crate::hash::Hash;
use crate::line::{Encoder, FORMAT, HEADER_KIND, Header, Stamp};
use crate::storage::{self, Storage};

/// A segment that has grown to this many bytes is followed by the next one.
const SEGMENT_LIMIT: u64 = 32 << 20;

/// Where a chain has come to.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    /// Of the last record.
    seq: u64,
    /// Of the last line.
    hash: Option<Hash>,
    /// Of the last line seen anywhere.
    hlc: Hlc,
}

/// A log that this process appends to, as one writer.
pub struct Log {
    dir: PathBuf,
    writer: WriterId,
    source: String,
    /// Held for its lock: the writer's first segment.
    _lock: File,
    storage: Box<dyn Storage>,
    number: u32,
    /// Bytes of the current segment that are durable.
    len: u64,
    limit: u64,
    end: End,
    encoder: Encoder,
    buffer: Vec<u8>,
    others: Follower,
    poisoned: bool,
}

impl Log {
    /// Creates the directory and a log in it. `name` (a person, a host) becomes part of the writer's name.
    ///
    /// # Errors
    /// There is a log already, or the disk says no.
    pub fn create(dir: &Path, name: &str, now: Timestamp) -> Result<Self, LogError> {
        storage::create_dir(dir).map_err(at(dir, "create"))?;
        if !segment::list(dir).map_err(at(dir, "list"))?.is_empty() {
            return Err(LogError::Exists(dir.to_owned()));
        }
        Self::join(dir, name, now).map(|(log, _)| log)
    }

    /// Opens a log as a new writer, and reads what is there. The new chain names the heads of all others.
    ///
    /// # Errors
    /// There is no log, it has a newer major format, or the disk says no. Lines that cannot be read are no error: they are
    /// in [`Timeline::damage`].
    pub fn open(dir: &Path, name: &str, now: Timestamp) -> Result<(Self, Timeline), LogError> {
        if !dir.is_dir() || segment::list(dir).map_err(at(dir, "list"))?.is_empty() {
            return Err(LogError::NotALog(dir.to_owned()));
        }
        Self::join(dir, name, now)
    }

    fn join(dir: &Path, name: &str, now: Timestamp) -> Result<(Self, Timeline), LogError> {
        let writer = segment::new_writer(name);
        let mut others = Follower::new(dir, Some(&writer));
        let timeline = others.refresh()?;
        // What the new chain names must not be lost by a power cut that the new chain survives.
        for path in others.newest_segments() {
            File::open(&path).and_then(|file| file.sync_data()).map_err(at(&path, "sync"))?;
        }
        let hlc = timeline.records.last().map(|r| r.hlc).unwrap_or_default();
        let (file, hidden) = create_segment(dir, &writer, 1)?;
        own::lock(&file, &writer, &hidden)?;
        let lock = file.try_clone().map_err(at(&hidden, "open"))?;
        let mut log = Self::new(dir, writer, lock, Box::new(file), others);
        log.end.hlc = hlc;
        let heads = log.others.heads();
        log.header(&heads, now)?;
        log.publish(&hidden)?;
        Ok((log, timeline))
    }

    fn new(dir: &Path, writer: WriterId, lock: File, storage: Box<dyn Storage>, others: Follower) -> Self {
        let incident = dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Self {
            dir: dir.to_owned(),
            source: format!("/deadstick/incidents/{}", uri_segment(&incident)),
            writer,
            _lock: lock,
            storage,
            number: 1,
            len: 0,
            limit: SEGMENT_LIMIT,
            end: End::default(),
            encoder: Encoder::default(),
            buffer: Vec::new(),
            others,
            poisoned: false,
        }
    }

    /// The writer's name: unique for ever.
    #[must_use]
    pub fn writer(&self) -> &str {
        &self.writer
    }

    /// The log's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Appends events in this order, all or none. When it returns, they survive a power cut.
    ///
    /// # Errors
    /// Nothing is acknowledged. After a failed write the log can be used again once there is room; after a failed sync it
    /// answers [`LogError::Poisoned`], for nobody knows what is on the disk.
    pub fn append(&mut self, events: &[Event]) -> Result<Vec<Record>, LogError> {
        let mut records = self.append_groups(&[events])?;
        Ok(records.pop().unwrap_or_default())
    }

    /// Appends several callers' events with one sync.
    pub(crate) fn append_groups(&mut self, groups: &[&[Event]]) -> Result<Vec<Vec<Record>>, LogError> {
        if self.poisoned {
            return Err(LogError::Poisoned(self.segment()));
        }
        let count: usize = groups.iter().map(|g| g.len()).sum();
        if count == 0 {
            return Ok(groups.iter().map(|_| Vec::new()).collect());
        }
        groups.iter().try_for_each(|group| writable(group))?;
        if self.len >= self.limit {
            let first = groups.iter().copied().flatten().next();
            self.roll(first.map(|event| event.recorded).unwrap_or_default())?;
        }
        let mut entropy = vec![0; count * Random::LEN];
        fill_random(&mut entropy).map_err(at(&self.dir, "draw random numbers for"))?;
        let mut entropy = entropy.chunks_exact(Random::LEN);

        let mut end = self.end;
        self.buffer.clear();
        let mut answers = Vec::with_capacity(groups.len());
        for group in groups {
            let mut records = Vec::with_capacity(group.len());
            for event in *group {
                let event = Event {
                    occurred: event.occurred.trunc_subsecs(6),
                    recorded: event.recorded.trunc_subsecs(6),
                    ..event.clone()
                };
                let random = entropy.next().map(Random::of).unwrap_or_default();
                end.seq += 1;
                end.hlc = end.hlc.next(millis(event.recorded));
                let id = random.id(event.recorded);
                let stamp = Stamp {
                    writer: &self.writer,
                    source: &self.source,
                    seq: end.seq,
                    hlc: end.hlc,
                    prev: end.hash.as_slice(),
                    id,
                    salt: random.salt,
                };
                end.hash = Some(self.encoder.line(&mut self.buffer, &stamp, &event)?);
                let (writer, seq, hlc) = (self.writer.clone(), end.seq, end.hlc);
                records.push(Record { id: id.to_string(), writer, seq, hlc, event });
            }
            answers.push(records);
        }
        self.commit()?;
        self.end = end;
        Ok(answers)
    }

    /// The records that other writers added since the log was opened or last refreshed. Our next event comes after them.
    ///
    /// # Errors
    /// The directory or a file cannot be read, or a segment has a newer major format.
    pub fn refresh(&mut self) -> Result<Timeline, LogError> {
        let timeline = self.others.refresh()?;
        if let Some(last) = timeline.records.last() {
            self.end.hlc = self.end.hlc.max(last.hlc);
        }
        Ok(timeline)
    }

    fn segment(&self) -> PathBuf {
        segment::path(&self.dir, &self.writer, self.number)
    }

    /// Goes on in the next file.
    fn roll(&mut self, now: Timestamp) -> Result<(), LogError> {
        let (file, hidden) = create_segment(&self.dir, &self.writer, self.number + 1)?;
        let before = (std::mem::replace(&mut self.storage, Box::new(file)), self.number, self.len, self.end);
        self.number += 1;
        self.len = 0;
        let own = self.end.hash;
        let rolled = self.header(own.as_slice(), now).and_then(|()| self.publish(&hidden));
        if rolled.is_err() {
            // The segment before is whole and can be appended to again.
            (self.storage, self.number, self.len, self.end) = before;
        }
        rolled
    }

    /// Gives a segment its name once its header is durable, so that nobody ever sees one without.
    fn publish(&self, hidden: &Path) -> Result<(), LogError> {
        fs::rename(hidden, self.segment())
            .and_then(|()| storage::sync_dir(&self.dir))
            .map_err(at(&self.segment(), "create"))
    }

    /// Writes the first line of a segment.
    fn header(&mut self, prev: &[Hash], now: Timestamp) -> Result<(), LogError> {
        let header = Header {
            format: format!("{}.{}", FORMAT.0, FORMAT.1),
            program: concat!("deadstick/", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        let body = Body::Other { kind: HEADER_KIND.to_owned(), data: serde_json::to_value(header)? };
        let mut entropy = [0; Random::LEN];
        fill_random(&mut entropy).map_err(at(&self.dir, "draw random numbers for"))?;
        let random = Random::of(&entropy);
        let mut end = self.end;
        end.hlc = end.hlc.next(millis(now));
        let stamp = Stamp {
            writer: &self.writer,
            source: &self.source,
            seq: end.seq,
            hlc: end.hlc,
            prev,
            id: random.id(now),
            salt: random.salt,
        };
        self.buffer.clear();
        let event = Event::now(now, Actor::tool(), body);
        end.hash = Some(self.encoder.line(&mut self.buffer, &stamp, &event)?);
        self.commit()?;
        self.end = end;
        Ok(())
    }

    /// Makes the buffer durable behind what is there, or leaves nothing of it.
    fn commit(&mut self) -> Result<(), LogError> {
        let path = self.segment();
        let mut rest = &self.buffer[..];
        while !rest.is_empty() {
            let error = match self.storage.append(rest) {
                Ok(0) => std::io::ErrorKind::WriteZero.into(),
                Ok(n) => {
                    rest = &rest[n..];
                    continue;
                }
                Err(e) => e,
            };
            self.poisoned = self.storage.truncate(self.len).is_err();
            return Err(at(&path, "append to")(error));
        }
        if let Err(error) = self.storage.sync() {
            // The kernel may have thrown the pages away and will report success next time: no second try can be trusted.
            self.poisoned = true;
            return Err(at(&path, "sync")(error));
        }
        self.len += self.buffer.len() as u64;
        Ok(())
    }
}

/// Whether every time can be written.
pub(crate) fn writable(events: &[Event]) -> Result<(), LogError> {
    events
        .iter()
        .flat_map(|event| [event.occurred, event.recorded])
        .find(|time| !(0..=9999).contains(&time.year()))
        .map_or(Ok(()), |time| Err(LogError::Time(time)))
}

/// Creates a segment under a name that no reader looks at; one that a dead process left there is written over.
fn create_segment(dir: &Path, writer: &str, number: u32) -> Result<(File, PathBuf), LogError> {
    let hidden = dir.join(format!(".{writer}.{number}.new"));
    match fs::remove_file(&hidden) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(at(&hidden, "remove")(e)),
        _ => {}
    }
    let file = storage::create_new(&hidden).map_err(at(&hidden, "create"))?;
    Ok((file, hidden))
}

/// Milliseconds since 1970; times before that count as 1970.
fn millis(time: Timestamp) -> u64 {
    u64::try_from(time.timestamp_millis()).unwrap_or(0)
}

/// Only what may stand in a URI's path as it is.
fn uri_segment(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "-._~".contains(c) { c } else { '-' }).collect()
}
