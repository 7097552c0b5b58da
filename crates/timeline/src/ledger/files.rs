//! The ledgers of a directory: looking at all of them, and putting the finished ones away.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::Ledger;
use super::error::{LedgerError, at};
use super::view::{LedgerFile, View};

/// How many finished ledgers are kept to look at.
const KEEP: usize = 20;

impl Ledger {
    /// Every ledger of a state directory that was not put away, oldest name first. No directory: none.
    ///
    /// # Errors
    /// The directory or a file cannot be read. A damaged file is no error here: see [`LedgerFile::damage`].
    pub fn scan(dir: &Path) -> Result<Vec<LedgerFile>, LedgerError> {
        let mut files = Vec::new();
        for path in jsonl_files(dir)? {
            match look_at(&path) {
                Ok(file) => files.push(file),
                // Put away meanwhile.
                Err(LedgerError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(files)
    }
}

pub(super) fn try_lock(file: &File, how: FlockOperation) -> io::Result<bool> {
    match flock(file, how) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

pub(super) fn read_from(mut file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file.metadata()?.len() > offset {
        file.seek(SeekFrom::Start(offset))?;
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn look_at(path: &Path) -> Result<LedgerFile, LedgerError> {
    let file = File::open(path).map_err(at(path, "open"))?;
    // Held for a moment only; a guardian that joins just then tries again.
    let in_use = !try_lock(&file, FlockOperation::NonBlockingLockExclusive).map_err(at(path, "lock"))?;
    if !in_use {
        flock(&file, FlockOperation::Unlock).map_err(|e| at(path, "unlock")(e.into()))?;
    }
    let mut view = View::default();
    let bytes = read_from(&file, 0).map_err(at(path, "read"))?;
    let damage = view.read(path, &bytes).and_then(|()| view.finish(path)).err();
    let run = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(LedgerFile { path: path.to_owned(), run, in_use, faults: view.faults(), damage })
}

/// The ledgers of a directory in order of name; dot files are still being made.
fn jsonl_files(dir: &Path) -> Result<Vec<PathBuf>, LedgerError> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(at(dir, "list"))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(at(dir, "list"))?.path();
        let hidden = path.file_name().is_none_or(|n| n.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|e| e == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Removes all but the newest finished ledgers.
pub(super) fn prune(done: &Path) -> Result<(), LedgerError> {
    let mut files = Vec::new();
    for path in jsonl_files(done)? {
        match fs::metadata(&path).and_then(|m| m.modified()) {
            Ok(modified) => files.push((modified, path)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(at(&path, "look at")(e)),
        }
    }
    files.sort();
    let surplus = files.len().saturating_sub(KEEP);
    for (_, path) in &files[..surplus] {
        match fs::remove_file(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(at(path, "remove"))?,
        }
    }
    Ok(())
}
