//! Taking a payload away for good: for the password that somebody pasted.
//!
//! Owns the overwriting in place. The chain runs over the heads and stays whole; `verify` counts what was redacted.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use deadstick_core::event::{Actor, Body, Event};

use super::{Log, LogError, Path, Timestamp, at, fs, segment};
use crate::line::{Head, Parts, REDACTION_KIND, Tail};

impl Log {
    /// Takes away the payload of the record with this id, whoever wrote it, and records that with the reason. The bytes
    /// are overwritten where they stand; copies made before (exports, merges, backups) are not reached.
    ///
    /// # Errors
    /// No such record, no payload, or the disk says no.
    pub fn redact(&mut self, id: &str, reason: &str, by: Actor, now: Timestamp) -> Result<(), LogError> {
        let place = find(&self.dir, id)?;
        let data = serde_json::json!({ "id": id, "reason": reason });
        let body = Body::Other { kind: REDACTION_KIND.to_owned(), data };
        // First the record of it: what is taken away without a trace would be tampering.
        self.append(&[Event::now(now, by, body)])?;
        let filler = filler(place.len, reason);
        OpenOptions::new()
            .write(true)
            .open(&place.file)
            .and_then(|file| file.write_all_at(&filler, place.offset).and_then(|()| file.sync_data()))
            .map_err(at(&place.file, "redact"))
    }
}

/// The bytes of a line behind its hash, without the closing brace.
struct Place {
    file: std::path::PathBuf,
    offset: u64,
    len: usize,
}

fn find(dir: &Path, id: &str) -> Result<Place, LogError> {
    for (writer, numbers) in segment::list(dir).map_err(at(dir, "list"))? {
        for number in numbers {
            let file = segment::path(dir, &writer, number);
            let bytes = fs::read(&file).map_err(at(&file, "read"))?;
            for (start, line) in segment::lines(&bytes).0 {
                let Ok(text) = std::str::from_utf8(line) else { continue };
                let Ok(parts) = Parts::of(text) else { continue };
                if !text.contains(id) || Head::parse(parts.head).is_ok_and(|head| head.id != id) {
                    continue;
                }
                let Tail::Payload { .. } = parts.tail else { return Err(LogError::NoPayload(id.to_owned())) };
                let before = parts.hash_end();
                return Ok(Place { file, offset: (start + before) as u64, len: line.len() - before - 1 });
            }
        }
    }
    Err(LogError::NoRecord(id.to_owned()))
}

/// `,"redacted":"WHY"` of exactly this length: the reason is cut if it does not fit, spaces fill the rest.
fn filler(len: usize, reason: &str) -> Vec<u8> {
    let form = |reason: &str| format!(",\"redacted\":{}", serde_json::Value::from(reason)).into_bytes();
    let mut reason = reason;
    let mut bytes = form(reason);
    while bytes.len() > len {
        // The empty form is shorter than the shortest payload with its salt.
        reason = reason.char_indices().next_back().map_or("", |(at, _)| &reason[..at]);
        bytes = form(reason);
    }
    bytes.resize(len, b' ');
    bytes
}
