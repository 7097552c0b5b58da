//! Reading a log: everything at once, or what others have added since.
//!
//! Owns the order of records from several writers and the patience with lines that are still being written. Does not
//! check hashes: a screen must show what is there, [`crate::verify`] says whether to believe it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use deadstick_core::event::Record;

use super::{LogError, at, segment};
use crate::hash::Hash;
use crate::line::{Broken, FORMAT, Line, Parts};

/// A place in a log that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {what}", file.display())]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: Broken,
}

/// The records of a log in their common order, and what could not be read.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// In the order of [`Record::order`].
    pub records: Vec<Record>,
    /// Lines that were skipped. A line that its writer has not finished yet is not among them.
    pub damage: Vec<Damage>,
}

/// Reads every record of a log. A live writer's unfinished last line is left for later.
///
/// # Errors
/// The directory or a file cannot be read, or a segment has a newer major format.
pub fn read_all(dir: &Path) -> Result<Timeline, LogError> {
    Follower::new(dir, None).refresh()
}

/// How far one writer's series was read.
#[derive(Debug, Default)]
struct Progress {
    /// The segment being read.
    number: u32,
    /// Bytes of it that were read: always whole lines.
    offset: u64,
    /// Where its last line that was read begins.
    last: u64,
    /// The beginning of the hash of every line of it that was read, to notice lines that were withdrawn after a failed
    /// append.
    seen: Vec<u64>,
    /// The newest hash and clock of the chain.
    head: Option<Hash>,
}

/// Follows a log: each call returns the records added since the last one. Asks only for directory and file sizes when
/// nothing was added.
#[derive(Debug)]
pub struct Follower {
    dir: PathBuf,
    /// A writer whose records are not wanted: our own.
    except: Option<String>,
    progress: BTreeMap<String, Progress>,
}

/// What one file had to say.
#[derive(Default)]
struct Chunk {
    records: Vec<Record>,
    damage: Vec<Damage>,
    hashes: Vec<Hash>,
    end: u64,
    last: u64,
}

impl Follower {
    /// Follows a log from its beginning, without the records of one writer.
    #[must_use]
    pub fn new(dir: &Path, except: Option<&str>) -> Self {
        Self { dir: dir.to_owned(), except: except.map(str::to_owned), progress: BTreeMap::new() }
    }

    /// What was added since the last call, in the order of [`Record::order`].
    ///
    /// # Errors
    /// The directory or a file cannot be read, or a segment has a newer major format.
    pub fn refresh(&mut self) -> Result<Timeline, LogError> {
        let writers = segment::list(&self.dir).map_err(at(&self.dir, "list"))?;
        let mut jobs = Vec::new();
        for (writer, numbers) in writers.iter().filter(|(w, _)| self.except.as_deref() != Some(w)) {
            let from = self.progress.get(writer).map_or(0, |p| p.number);
            for &number in numbers.iter().filter(|n| **n >= from) {
                let path = segment::path(&self.dir, writer, number);
                let known = self.progress.get(writer).filter(|p| p.number == number);
                let len = fs::metadata(&path).map_err(at(&path, "look at"))?.len();
                if known.is_none_or(|p| p.offset != len) {
                    jobs.push((writer, number, path, known));
                }
            }
        }
        let chunks = in_parallel(&jobs, |(_, _, path, known)| read_segment(path, *known))?;

        let mut timeline = Timeline::default();
        let found: Vec<_> = jobs.iter().map(|(writer, number, ..)| ((*writer).clone(), *number)).collect();
        for ((writer, number), chunk) in found.into_iter().zip(chunks) {
            let progress = self.progress.entry(writer).or_default();
            if progress.number != number || chunk.restarted {
                *progress = Progress { number, head: progress.head, ..Progress::default() };
            }
            progress.offset = chunk.chunk.end;
            progress.last = chunk.chunk.last;
            progress.seen.extend(chunk.chunk.hashes.iter().map(|h| h.short()));
            // A line that could not be read has the default hash here, and is nothing to name.
            let mut hashes = chunk.chunk.hashes.iter().rev().copied();
            progress.head = hashes.find(|h| *h != Hash::default()).or(progress.head);
            timeline.records.extend(chunk.chunk.records);
            timeline.damage.extend(chunk.chunk.damage);
        }
        timeline.records.sort_by(|a, b| a.order().cmp(&b.order()));
        Ok(timeline)
    }

    /// The newest hash of every chain that was read.
    pub(crate) fn heads(&self) -> Vec<Hash> {
        self.progress.values().filter_map(|p| p.head).collect()
    }

    /// The files that are being written to.
    pub(crate) fn newest_segments(&self) -> impl Iterator<Item = PathBuf> {
        self.progress.iter().map(|(writer, p)| segment::path(&self.dir, writer, p.number))
    }
}

/// A chunk, and whether the file was read again from its beginning.
struct Segment {
    chunk: Chunk,
    restarted: bool,
}

/// Reads what was added to a segment.
fn read_segment(path: &Path, known: Option<&Progress>) -> Result<Segment, LogError> {
    let file = File::open(path).map_err(at(path, "open"))?;
    let Some(known) = known.filter(|p| p.offset > 0) else {
        let chunk = parse(path, &read_from(&file, 0).map_err(at(path, "read"))?, 0, 1)?;
        return Ok(Segment { chunk, restarted: true });
    };
    // The last line again, to see that it is still the one that was read.
    let bytes = read_from(&file, known.last).map_err(at(path, "read"))?;
    let line = segment::lines(&bytes).0.next();
    let same = line.and_then(|(_, line)| std::str::from_utf8(line).ok()).map(Parts::of);
    let skip = usize::try_from(known.offset - known.last).unwrap_or(usize::MAX);
    let still_there = match (same, known.seen.last()) {
        (Some(Ok(parts)), Some(seen)) => parts.hash.short() == *seen,
        // What could not be read before has no hash to compare.
        (Some(Err(_)) | None, Some(0)) => bytes.get(skip - 1) == Some(&b'\n'),
        _ => false,
    };
    if still_there {
        let mut chunk = parse(path, &bytes[skip..], known.offset, known.seen.len() + 1)?;
        if chunk.hashes.is_empty() {
            chunk.last = known.last;
        }
        return Ok(Segment { chunk, restarted: false });
    }
    // An append failed and its lines were withdrawn after we had read them: all lines again, the known ones left out.
    let mut chunk = parse(path, &read_from(&file, 0).map_err(at(path, "read"))?, 0, 1)?;
    let known_lines =
        chunk.hashes.iter().zip(&known.seen).take_while(|(h, seen)| h.short() == **seen).count();
    // The header is a line and not a record.
    chunk.records.drain(..known_lines.saturating_sub(1).min(chunk.records.len()));
    Ok(Segment { chunk, restarted: true })
}

fn read_from(file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let len = file.metadata()?.len();
    let mut bytes = vec![0; usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX)];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Reads the whole lines of some bytes that stand at an offset and begin with a line number.
fn parse(path: &Path, bytes: &[u8], offset: u64, first_line: usize) -> Result<Chunk, LogError> {
    let mut chunk = Chunk { end: offset, last: offset, ..Chunk::default() };
    for (index, (start, line)) in segment::lines(bytes).0.enumerate() {
        chunk.last = offset + start as u64;
        chunk.end = chunk.last + line.len() as u64 + 1;
        let read = std::str::from_utf8(line)
            .map_err(|e| Broken::Layout(e.to_string()))
            .and_then(|text| Parts::of(text).and_then(|parts| Ok((parts.hash, Line::read(&parts)?))));
        match read {
            Ok((hash, line)) => {
                chunk.hashes.push(hash);
                match line {
                    Line::Record(record) => chunk.records.push(record),
                    Line::Header(header) => match header.version() {
                        Some((major, _)) if major == FORMAT.0 => {}
                        _ => {
                            return Err(LogError::NewerFormat {
                                file: path.to_owned(),
                                format: header.format,
                            });
                        }
                    },
                }
            }
            Err(what) => {
                chunk.hashes.push(Hash::default());
                chunk.damage.push(Damage { file: path.to_owned(), line: first_line + index, what });
            }
        }
    }
    Ok(chunk)
}

/// Runs a function over all items on as many threads as there are processors; results in the items' order.
fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    run: impl Fn(&T) -> Result<R, LogError> + Sync,
) -> Result<Vec<R>, LogError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
    if threads < 2 {
        return items.iter().map(run).collect();
    }
    let next = std::sync::atomic::AtomicUsize::new(0);
    let results: Vec<_> = items.iter().map(|_| std::sync::Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((item, slot)) = {
                    let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    items.get(i).zip(results.get(i))
                } {
                    *slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(run(item));
                }
            });
        }
    });
    results
        .into_iter()
        .filter_map(|slot| slot.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
        .collect()
}
