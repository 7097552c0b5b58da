//! The files of a log: `WRITER.N.jsonl`, numbered from 1.
//!
//! Owns their names, how they are listed and read whole, and how text becomes a writer's name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Where a segment is.
pub(crate) fn path(dir: &Path, writer: &str, number: u32) -> PathBuf {
    dir.join(format!("{writer}.{number}.jsonl"))
}

/// The writer and number of a segment's file name; none for other files (samples, damaged files put aside).
fn parse(name: &str) -> Option<(&str, u32)> {
    let (writer, number) = name.strip_suffix(".jsonl")?.rsplit_once('.')?;
    let number = number.parse().ok().filter(|n: &u32| *n > 0 && n.to_string() == number)?;
    is_writer(writer).then_some((writer, number))
}

/// Whether this can be a writer's name.
pub(crate) fn is_writer(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// A new writer's name: readable, and unlike any other's even when two copies of a log go on apart.
pub(crate) fn new_writer(name: &str) -> String {
    let mut plain: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(32)
        .collect();
    if plain.is_empty() {
        plain.push_str("writer");
    }
    let mut tail = Vec::new();
    crate::hash::write_hex(&uuid::Uuid::now_v7().as_bytes()[12..], &mut tail);
    plain.push('-');
    plain.extend(tail.into_iter().map(char::from));
    plain
}

/// All segments of a log by writer, in order of number.
pub(crate) fn list(dir: &Path) -> io::Result<BTreeMap<String, Vec<u32>>> {
    let mut writers: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        if let Some((writer, number)) = name.to_str().and_then(parse) {
            writers.entry(writer.to_owned()).or_default().push(number);
        }
    }
    for numbers in writers.values_mut() {
        numbers.sort_unstable();
    }
    Ok(writers)
}

/// The finished lines of a segment with the offset of each, and what follows the last end of line.
pub(crate) fn lines(bytes: &[u8]) -> (impl Iterator<Item = (usize, &[u8])>, &[u8]) {
    let end = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let mut offset = 0;
    let finished = bytes[..end].split_inclusive(|b| *b == b'\n').map(move |line| {
        let at = offset;
        offset += line.len();
        (at, &line[..line.len() - 1])
    });
    (finished, &bytes[end..])
}
