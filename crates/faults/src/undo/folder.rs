//! Folders of ours: removed if our mark is in them.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{UndoFailure, Undone};

/// The mark file of a folder of ours; its content is in the ledger.
pub const MARK_FILE: &str = ".deadstick-mark";
/// How long processes that are being ended may still write into a folder.
const LAST_WRITES: Duration = Duration::from_secs(1);

pub(super) async fn remove(path: &Path, mark: &str) -> Result<Undone, UndoFailure> {
    let manual = format!("rm -r -- '{}'", path.display());
    let failed = |error: io::Error| UndoFailure {
        why: format!("{}: {error}", path.display()),
        manual: manual.clone(),
    };
    if !path.try_exists().map_err(failed)? {
        return Ok(Undone::AlreadyGone);
    }
    match fs::read_to_string(path.join(MARK_FILE)) {
        Ok(found) if found.trim() == mark.trim() => {}
        Ok(_) => return Err(UndoFailure { why: format!("{} carries another mark", path.display()), manual }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Made and not marked yet: only ever ours when it is empty, and then nothing is lost.
            if fs::remove_dir(path).is_ok() {
                return Ok(Undone::Done);
            }
            // Owner and guardian may both be at it: the other has just removed it.
            if !path.try_exists().map_err(failed)? {
                return Ok(Undone::AlreadyGone);
            }
            return Err(UndoFailure { why: format!("{} carries no mark of ours", path.display()), manual });
        }
        Err(error) => return Err(failed(error)),
    }
    // Processes that are being ended may still write for a moment: what came back is removed again.
    let deadline = Instant::now() + LAST_WRITES;
    loop {
        match remove_marked(path) {
            Ok(()) => return Ok(Undone::Done),
            Err(error) if Instant::now() >= deadline => return Err(failed(error)),
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

/// The mark goes last, so that a removal cut short is recognised and gone on with.
fn remove_marked(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        // Whoever made it has removed it as well.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name() == MARK_FILE {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())
        } else {
            fs::remove_file(entry.path())
        }?;
    }
    match fs::remove_file(path.join(MARK_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => other?,
    }
    fs::remove_dir(path)
}
