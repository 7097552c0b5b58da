//! Our own chain: its lock, and taking it up again after its process ended.
//!
//! Owns the torn-tail repair: of a chain that nobody else appends to, what stands behind the last line that is whole and
//! true is taken off and put aside. A damaged line with true lines behind it is never cut: then the chain stays as it is.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use super::{
    Damage, End, FORMAT, File, Follower, Log, LogError, Path, PathBuf, Timeline, Timestamp, at, fs, segment,
    storage,
};
use crate::line::{Broken, HEADER_KIND, Line, Parts};

/// What a repair took off the end of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The segment.
    pub file: PathBuf,
    /// The line that was the first to go, from 1.
    pub line: usize,
    /// What was there; never acknowledged. Also kept in a file of this name with `.torn` at its end.
    pub dropped: Vec<u8>,
}

/// What one of our segments holds.
struct Own {
    /// None when not even its header is whole.
    end: Option<End>,
    /// Bytes up to the last true line.
    len: u64,
    lines: usize,
    rest: Vec<u8>,
}

impl Log {
    /// Takes up the chain of a writer whose process has ended: its torn tail, if there is one, is dropped and reported.
    ///
    /// # Errors
    /// No such writer, its process lives, its chain is damaged or has a newer format, or the disk says no.
    pub fn resume(
        dir: &Path,
        writer: &str,
        now: Timestamp,
    ) -> Result<(Self, Timeline, Option<Repair>), LogError> {
        let mut writers = segment::list(dir).map_err(at(dir, "list"))?;
        let Some(mut number) = writers.remove(writer).and_then(|numbers| numbers.last().copied()) else {
            return Err(LogError::NotALog(segment::path(dir, writer, 1)));
        };
        let first = segment::path(dir, writer, 1);
        let held = File::open(&first).map_err(at(&first, "open"))?;
        lock(&held, writer, &first)?;

        let path = segment::path(dir, writer, number);
        let mut own = scan(&path)?;
        let repair = (!own.rest.is_empty()).then(|| Repair {
            file: path.clone(),
            line: own.lines + 1,
            dropped: std::mem::take(&mut own.rest),
        });
        let file = storage::open_append(&path).map_err(at(&path, "open"))?;
        if let Some(repair) = &repair {
            let aside = path.with_extension("jsonl.torn");
            put_aside(&aside, &repair.dropped).map_err(at(&aside, "write"))?;
            file.set_len(own.len).and_then(|()| file.sync_all()).map_err(at(&path, "repair"))?;
        }
        let mut others = Follower::new(dir, Some(writer));
        let timeline = others.refresh()?;
        let mut log = Self::new(dir, writer.to_owned(), held, Box::new(file), others);
        if let Some(end) = own.end {
            (log.end, log.len, log.number) = (end, own.len, number);
        } else {
            // Its process ended between creating the segment and finishing its header.
            log.number = number;
            while number > 1 && log.end.hash.is_none() {
                number -= 1;
                let before = scan(&segment::path(dir, writer, number))?;
                log.end = before.end.unwrap_or_default();
            }
            let prev = if log.end.hash.is_some() { Vec::from_iter(log.end.hash) } else { log.others.heads() };
            log.header(&prev, now)?;
        }
        if let Some(last) = timeline.records.last() {
            log.end.hlc = log.end.hlc.max(last.hlc);
        }
        Ok((log, timeline, repair))
    }
}

/// Keeps what is cut off, behind what was cut off before.
fn put_aside(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all())
}

/// Whether the process that this writer is still has its chain.
///
/// # Errors
/// No such writer, or the disk says no.
pub fn is_writing(dir: &Path, writer: &str) -> Result<bool, LogError> {
    let first = segment::path(dir, writer, 1);
    let file = File::open(&first).map_err(at(&first, "open"))?;
    // Shared, so that two who ask are not taken for a writer; let go of with the file.
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
        Err(e) => Err(at(&first, "lock")(e.into())),
    }
}

/// Takes the writer's lock for as long as the file stays open.
pub(super) fn lock(file: &File, writer: &str, path: &Path) -> Result<(), LogError> {
    match rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(LogError::Busy(writer.to_owned())),
        Err(e) => Err(at(path, "lock")(e.into())),
    }
}

/// Reads one of our segments up to the last line that is whole, true and in its place.
fn scan(path: &Path) -> Result<Own, LogError> {
    let bytes = fs::read(path).map_err(at(path, "read"))?;
    let mut own = Own { end: None, len: 0, lines: 0, rest: Vec::new() };
    let mut broken = None;
    for (index, (start, line)) in segment::lines(&bytes).0.enumerate() {
        let checked = follow(path, own.end, line)?;
        match (checked, &broken) {
            (Ok(end), None) => {
                own.end = Some(end);
                own.len = (start + line.len() + 1) as u64;
                own.lines = index + 1;
            }
            (Err(what), None) => broken = Some(Damage { file: path.to_owned(), line: index + 1, what }),
            // A line behind the broken one is true by itself: the break is no torn tail.
            (_, Some(damage)) if is_true(line) => return Err(LogError::Damaged(damage.clone())),
            (_, Some(_)) => {}
        }
    }
    if let Some(damage) = broken.filter(|d| d.what == Broken::Chain) {
        return Err(LogError::Damaged(damage));
    }
    own.rest = bytes[usize::try_from(own.len).unwrap_or(usize::MAX)..].to_vec();
    Ok(own)
}

fn is_true(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok_and(|text| Parts::of(text).is_ok_and(|parts| parts.check().is_ok()))
}

/// Where the chain is after one more line. The outer error is for lines that must not be touched.
fn follow(path: &Path, before: Option<End>, line: &[u8]) -> Result<Result<End, Broken>, LogError> {
    let checked = std::str::from_utf8(line)
        .map_err(|e| Broken::Layout(e.to_string()))
        .and_then(|text| Parts::of(text).and_then(|parts| Ok((parts, parts.check()?))));
    let (parts, head) = match checked {
        Ok(both) => both,
        Err(what) => return Ok(Err(what)),
    };
    if head.kind == HEADER_KIND
        && let Ok(Line::Header(header)) = Line::read(&parts)
        && header.version().is_none_or(|(major, minor)| major != FORMAT.0 || minor > FORMAT.1)
    {
        return Err(LogError::NewerFormat { file: path.to_owned(), format: header.format });
    }
    if let Some(before) = before
        && head.prev.first().copied() != before.hash
    {
        return Ok(Err(Broken::Chain));
    }
    Ok(Ok(End { seq: head.seq, hash: Some(parts.hash), hlc: head.hlc }))
}
