//! One line of a ledger, and where a fault is after it.
//!
//! Owns the layout `{"v":1,"fault":…,"at":…,"by":PID,"entry":{…}[,"torn":true],"sum":"…"}`. `sum` is the beginning of the
//! SHA-256 of the bytes before `,"sum"`: an undo with one flipped bit would take out something else. `torn` says that the
//! line before was unfinished when this one was written, so that it was never acknowledged.

use deadstick_core::Timestamp;
use deadstick_core::ledger::{Entry, FaultId, FaultState, OutOfOrder, next};
use serde::{Deserialize, Serialize};

use super::error::DamagedLine;
use crate::hash::Hash;

/// The version that is written, and the newest that is read.
pub(super) const VERSION: u32 = 1;

const SUM: &[u8] = br#","sum":""#;
const SUM_TEXT: usize = 16;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EntryLine {
    pub(super) v: u32,
    pub(super) fault: FaultId,
    pub(super) at: Timestamp,
    /// The pid of the process that appended it.
    pub(super) by: u32,
    pub(super) entry: Entry,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) torn: bool,
}

impl EntryLine {
    /// The line with its end of line.
    pub(super) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut line = serde_json::to_vec(self)?;
        line.pop();
        let sum = checksum(&line);
        line.extend_from_slice(SUM);
        line.extend_from_slice(sum.as_bytes());
        line.extend_from_slice(b"\"}\n");
        Ok(line)
    }

    /// Reads a line without its end of line. The outer error is a damaged line, the inner one a newer version.
    pub(super) fn decode(line: &[u8]) -> Result<Result<Self, u32>, DamagedLine> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let at = line.len().checked_sub(SUM.len() + SUM_TEXT + 2).ok_or(DamagedLine::Checksum)?;
        let (body, sum) = line.split_at(at);
        let sum = sum.strip_prefix(SUM).and_then(|s| s.strip_suffix(b"\"}")).ok_or(DamagedLine::Checksum)?;
        if checksum(body).as_bytes() != sum {
            return Err(DamagedLine::Checksum);
        }
        let not_an_entry = |e: serde_json::Error| DamagedLine::Entry(e.to_string());
        let version: Version = serde_json::from_slice(line).map_err(not_an_entry)?;
        if version.v > VERSION {
            return Ok(Err(version.v));
        }
        serde_json::from_slice(line).map(Ok).map_err(not_an_entry)
    }
}

fn checksum(body: &[u8]) -> String {
    format!("{:016x}", Hash::of(&[body]).short())
}

/// Where a fault is after one more entry that stands in the file, where two processes may have appended without knowing
/// of each other's last entry (a lease ends while its owner undoes). Such a pair is read so that nothing that may be in
/// place is taken for gone; a single process that contradicts itself is damage.
///
/// # Errors
/// The entry cannot follow, and no race explains it.
pub(super) fn settle(
    state: Option<FaultState>,
    last_by: Option<u32>,
    by: u32,
    entry: &Entry,
) -> Result<FaultState, OutOfOrder> {
    use FaultState as S;
    let refused = match next(state, entry) {
        Ok(state) => return Ok(state),
        Err(refused) => refused,
    };
    let Some(state) = state.filter(|_| last_by.is_some_and(|last| last != by)) else { return Err(refused) };
    match (state, entry) {
        // One applied while the other was undoing: the undo goes on.
        (S::Undoing, Entry::Applied | Entry::Proved { .. } | Entry::NotProved { .. }) => Ok(S::Undoing),
        // One applied after the other had undone: it may be in place again.
        (S::Undone | S::Residue, Entry::Applied) => Ok(S::Applied),
        // What was seen before the end says nothing about after it.
        (S::Undone | S::Residue, Entry::Proved { .. } | Entry::NotProved { .. }) => Ok(state),
        // Both undid it.
        (S::Undone, Entry::Undoing { .. } | Entry::Undone) => Ok(S::Undone),
        // One could, the other could not: whoever was there last and looked is believed about success; a failure is
        // believed always, and the next recovery finds out.
        (S::Residue, Entry::Undone) => Ok(S::Undone),
        (S::Undone | S::Residue, Entry::Residue { .. }) => Ok(S::Residue),
        _ => Err(refused),
    }
}
