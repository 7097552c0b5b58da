//! JSON Lines: the log's own lines, all writers merged into one order. The only export that can be read back.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, Write};
use std::path::Path;

use super::ExportError;
use crate::line::{Broken, HEADER_KIND, Head, Parts};
use crate::log::{Damage, at, segment};
use crate::{storage, verify};

/// What stands before a line's clock. Inside a JSON string the quotes would be escaped.
const CLOCK: &str = r#","hlc":""#;
const CLOCK_TEXT: usize = 25;

/// Writes every line of a log as it is, headers included, in their common order. Lines that are no lines are left out and
/// returned.
///
/// # Errors
/// The log cannot be read, or the output does not take it.
pub fn jsonl(dir: &Path, out: impl Write) -> Result<Vec<Damage>, ExportError> {
    let mut files = Vec::new();
    for (writer, numbers) in segment::list(dir).map_err(at(dir, "list"))? {
        for number in numbers {
            let path = segment::path(dir, &writer, number);
            let bytes = fs::read(&path).map_err(at(&path, "read"))?;
            files.push((path, bytes));
        }
    }
    let mut damage = Vec::new();
    let mut lines = Vec::new();
    for (path, bytes) in &files {
        for (index, (_, line)) in segment::lines(bytes).0.enumerate() {
            match clock(line) {
                Some(clock) => lines.push((clock, line)),
                None => {
                    let what = Broken::Layout("no clock".to_owned());
                    damage.push(Damage { file: path.clone(), line: index + 1, what });
                }
            }
        }
    }
    // Stable, and the files are in order of writer and number: equal clocks keep the order of `Record::order`.
    lines.sort_by_key(|(clock, _)| *clock);
    let mut out = std::io::BufWriter::with_capacity(1 << 20, out);
    for (_, line) in lines {
        out.write_all(line)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(damage)
}

/// The line's clock, whose text sorts as time does.
fn clock(line: &[u8]) -> Option<&[u8]> {
    let from = std::str::from_utf8(line).ok()?.find(CLOCK)? + CLOCK.len();
    line.get(from..from + CLOCK_TEXT)
}

/// Makes a log of an export: a directory that holds what the exported one held, chains and all. Exporting it again gives
/// the same bytes.
///
/// # Errors
/// The directory holds a log already, the input is no export, or what came in does not verify: then nothing is left.
pub fn import(input: impl BufRead, dir: &Path) -> Result<verify::Report, ExportError> {
    let mut writers: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for (index, line) in input.split(b'\n').enumerate() {
        let (line, number) = (line?, index + 1);
        let wrong = |what| ExportError::NotALog { line: number, what };
        let head = std::str::from_utf8(&line)
            .map_err(|e| Broken::Layout(e.to_string()))
            .and_then(Parts::of)
            .and_then(|parts| Head::parse(parts.head))
            .map_err(wrong)?;
        if !segment::is_writer(&head.writer) {
            return Err(wrong(Broken::Writer(head.writer)));
        }
        let segments = writers.entry(head.writer).or_default();
        if head.kind == HEADER_KIND {
            segments.push(Vec::new());
        }
        let segment = segments.last_mut().ok_or_else(|| wrong(Broken::Header))?;
        segment.extend_from_slice(&line);
        segment.push(b'\n');
    }
    storage::create_dir(dir).map_err(at(dir, "create"))?;
    if !segment::list(dir).map_err(at(dir, "list"))?.is_empty() {
        return Err(crate::LogError::Exists(dir.to_owned()).into());
    }
    let mut made = Vec::new();
    let outcome = write(dir, &writers, &mut made);
    if outcome.is_err() {
        for path in &made {
            fs::remove_file(path).map_err(at(path, "remove"))?;
        }
    }
    outcome
}

fn write(
    dir: &Path,
    writers: &BTreeMap<String, Vec<Vec<u8>>>,
    made: &mut Vec<std::path::PathBuf>,
) -> Result<verify::Report, ExportError> {
    for (writer, segments) in writers {
        for (number, bytes) in (1..).zip(segments) {
            let path = segment::path(dir, writer, number);
            let mut file = storage::create_new(&path).map_err(at(&path, "create"))?;
            made.push(path.clone());
            file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(&path, "write"))?;
        }
    }
    storage::sync_dir(dir).map_err(at(dir, "sync"))?;
    let report = verify::verify(dir)?;
    match report.problems.first() {
        None => Ok(report),
        Some(problem) => Err(ExportError::Unsound(problem.clone())),
    }
}
