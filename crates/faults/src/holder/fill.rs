//! Holding a file that takes space, and trying whether a file system takes writes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use tokio::sync::mpsc;

use super::{go, say_held};
use crate::privileges;

/// How much is written at once where space cannot be taken without writing.
const CHUNK: usize = 1 << 20;

pub(super) async fn hold(
    path: &Path,
    reserve: u64,
    inbox: &mut mpsc::UnboundedReceiver<String>,
) -> Result<(), String> {
    if !go(None, inbox).await? {
        return Ok(());
    }
    let own = path.to_owned();
    let filling = tokio::task::spawn_blocking(move || fill(&own, reserve));
    let _file = tokio::select! {
        filled = filling => {
            filled.map_err(|error| error.to_string())?.map_err(|error| format!("{}: {error}", path.display()))?
        }
        // No line but the end of input can come now; the end of the process ends the filling.
        _ = inbox.recv() => return Ok(()),
    };
    say_held()?;
    inbox.recv().await;
    Ok(())
}

/// From here on the file is this process's alone: with its end the kernel gives the space back.
fn fill(path: &Path, reserve: u64) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    fs::remove_file(path)?;
    privileges::keep_none();
    let (mut size, mut step) = (0, u64::MAX);
    let mut can_allocate = true;
    loop {
        let space = fstatvfs(&file)?;
        let left = space.f_bavail.saturating_mul(space.f_frsize).saturating_sub(reserve);
        let block = space.f_frsize.max(4_096);
        let more = left.min(step) / block * block;
        if more == 0 {
            file.sync_all()?;
            return Ok(file);
        }
        let taken = if can_allocate {
            fallocate(&file, FallocateFlags::empty(), size, more).map(|()| more).map_err(io::Error::from)
        } else {
            write_some(&mut file, more)
        };
        match taken {
            Ok(taken) => size += taken,
            // Books take space, too: less at a time then, down to nothing.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => step = more / 2,
            Err(error) if can_allocate && error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                can_allocate = false;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Bytes that no file system can leave out.
fn write_some(file: &mut File, wanted: u64) -> io::Result<u64> {
    let some = vec![0x5a; CHUNK.min(usize::try_from(wanted).unwrap_or(CHUNK))];
    let written = file.write(&some)?;
    // What is only promised does not count as taken yet.
    file.sync_data()?;
    Ok(written as u64)
}

/// Writes once now, and once more when told so: on a frozen file system that write waits for the thaw.
pub(super) async fn write(folder: &Path, inbox: &mut mpsc::UnboundedReceiver<String>) -> Result<(), String> {
    let text = |error: io::Error| format!("{}: {error}", folder.display());
    touch(folder).map_err(text)?;
    if !go(None, inbox).await? {
        return Ok(());
    }
    touch(folder).map_err(text)?;
    say_held()?;
    inbox.recv().await;
    Ok(())
}

/// In a file that never has a name.
fn touch(folder: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).custom_flags(libc::O_TMPFILE).mode(0o600).open(folder)?;
    file.write_all(b"deadstick")
}
