//! Storage: a file system that thaws, a file of ours that goes.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deadstick_core::identity::ProcessIdentity;

use super::{UndoFailure, Undone, until};
use crate::kernel::{Kernel, KernelError};
use crate::process;

/// What the file that fills a file system is called, before the fault's id.
pub(crate) const FILL_PREFIX: &str = ".deadstick-fill-";

/// The name goes here; the space comes back when the process that holds the file has ended.
pub(super) fn remove_fill(path: &Path) -> Result<Undone, UndoFailure> {
    let failed = |why: String| UndoFailure { why, manual: format!("rm -- '{}'", path.display()) };
    if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(FILL_PREFIX)) {
        let manual = "none: it is left alone".to_owned();
        return Err(UndoFailure { why: format!("{} is not ours", path.display()), manual });
    }
    match std::fs::remove_file(path) {
        Ok(()) => Ok(Undone::Done),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Undone::AlreadyGone)
        }
        Err(error) => Err(failed(format!("{}: {error}", path.display()))),
    }
}

/// An owner that was killed while it froze the file system freezes it to the end, and only then is gone.
pub(super) async fn thaw(
    kernel: &Arc<dyn Kernel>,
    path: &Path,
    device: u64,
    boot: &str,
    owner: &ProcessIdentity,
) -> Result<Undone, UndoFailure> {
    let manual = format!("fsfreeze --unfreeze '{}'", path.display());
    let failed = |error: KernelError| UndoFailure { why: error.to_string(), manual: manual.clone() };
    if process::boot_id().is_ok_and(|now| now != boot) {
        return Ok(Undone::AlreadyGone);
    }
    match kernel.device(path).map_err(failed)? {
        Some(found) if found == device => {}
        // Unmounted, which thaws it; or it is mounted elsewhere, and then nobody can say by this path.
        _ if !is_mounted(device) => return Ok(Undone::AlreadyGone),
        _ => {
            let why = format!("{} is on another file system now", path.display());
            return Err(UndoFailure {
                why,
                manual: "fsfreeze --unfreeze FOLDER # where it is mounted".to_owned(),
            });
        }
    }
    if kernel.thaw(path).map_err(failed)? {
        return Ok(Undone::Done);
    }
    let me = process::me().is_ok_and(|me| me == *owner);
    if me || !process::is_alive(owner) {
        // Once more: it may have ended between the two looks.
        return Ok(if kernel.thaw(path).map_err(failed)? { Undone::Done } else { Undone::AlreadyGone });
    }
    let mut thawed = false;
    until(Duration::from_secs(5), || {
        let gone = !process::is_alive(owner);
        thawed = kernel.thaw(path)?;
        Ok::<_, KernelError>(thawed || gone)
    })
    .await
    .map_err(failed)?;
    Ok(if thawed { Undone::Done } else { Undone::AlreadyGone })
}

fn is_mounted(device: u64) -> bool {
    let number = format!(" {}:{} ", libc::major(device), libc::minor(device));
    std::fs::read_to_string("/proc/self/mountinfo").is_ok_and(|text| text.contains(&number))
}
