//! Holding a file locked, and trying whether it is.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use deadstick_core::fault::{FileLockCall, LockMode};
use nix::fcntl::{FcntlArg, fcntl};
use tokio::sync::mpsc;

use super::{Order, go, patience, say_held};
use crate::privileges;

pub(super) async fn hold(
    order: &Order,
    path: &Path,
    by: FileLockCall,
    mode: LockMode,
    inbox: &mut mpsc::UnboundedReceiver<String>,
) -> Result<(), String> {
    let text = |error: io::Error| format!("{}: {error}", path.display());
    let file = open(path, by, mode).map_err(text)?;
    privileges::keep_none();
    if !go(None, inbox).await? {
        return Ok(());
    }
    // It waits on a thread of its own: who has the file may keep it for longer than the lease.
    let acquiring = tokio::task::spawn_blocking(move || lock(&file, by, mode).map(|()| file));
    let _file = tokio::select! {
        acquired = acquiring => acquired.map_err(|error| error.to_string())?.map_err(text)?,
        () = tokio::time::sleep(patience(order)) => {
            let path = path.display();
            return Err(format!("{path} was locked by somebody else for the whole lease; `lslocks` says by whom"));
        }
        // No line but the end of input can come now.
        _ = inbox.recv() => return Ok(()),
    };
    say_held()?;
    inbox.recv().await;
    Ok(())
}

/// Opens it as the lock needs it; never makes it, and waits for no other end of a pipe.
pub(crate) fn open(path: &Path, by: FileLockCall, mode: LockMode) -> io::Result<File> {
    // An exclusive lock by fcntl takes a file that is open for writing.
    let write = by == FileLockCall::Fcntl && mode == LockMode::Exclusive;
    OpenOptions::new().read(true).write(write).custom_flags(libc::O_NONBLOCK).open(path)
}

fn lock(file: &File, by: FileLockCall, mode: LockMode) -> io::Result<()> {
    match (by, mode) {
        (FileLockCall::Flock, LockMode::Share) => file.lock_shared(),
        (FileLockCall::Flock, LockMode::Exclusive) => file.lock(),
        (FileLockCall::Fcntl, mode) => {
            fcntl(file, FcntlArg::F_OFD_SETLKW(&whole(mode))).map(drop).map_err(io::Error::from)
        }
    }
}

/// Takes the lock if nobody else has it; whether it did.
pub(crate) fn try_lock(file: &File, by: FileLockCall, mode: LockMode) -> io::Result<bool> {
    match by {
        FileLockCall::Flock => {
            let tried = if mode == LockMode::Share { file.try_lock_shared() } else { file.try_lock() };
            match tried {
                Ok(()) => Ok(true),
                Err(TryLockError::WouldBlock) => Ok(false),
                Err(TryLockError::Error(error)) => Err(error),
            }
        }
        FileLockCall::Fcntl => match fcntl(file, FcntlArg::F_OFD_SETLK(&whole(mode))) {
            Ok(_) => Ok(true),
            Err(nix::Error::EAGAIN | nix::Error::EACCES) => Ok(false),
            Err(errno) => Err(errno.into()),
        },
    }
}

/// The whole file. Locks of this kind belong to the open file and conflict with those of processes, too.
const fn whole(mode: LockMode) -> libc::flock {
    let kind = match mode {
        LockMode::Share => libc::F_RDLCK,
        LockMode::Exclusive => libc::F_WRLCK,
    };
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}
