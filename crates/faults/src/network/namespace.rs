//! Entering a network namespace for the length of one function.
//!
//! Owns the thread that does it. A namespace is a property of a thread: the function runs on a fresh thread that ends
//! with it, so no thread of a pool is ever left in a foreign network.

use std::fs::{self, File};
use std::io;
use std::os::linux::fs::MetadataExt;
use std::panic;
use std::thread;

use deadstick_core::identity::NetworkIdentity;
use nix::sched::{CloneFlags, setns};

use crate::process;

/// A network that could not be entered.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The process that stands for it has ended, or lives in another one now.
    #[error("the network of process {0} is gone")]
    Gone(u32),
    /// The kernel refused.
    #[error("cannot enter the network of process {pid}: {source}")]
    Enter {
        /// The process that stands for it.
        pid: u32,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// An open network namespace: it can be entered even when the process that stood for it has ended.
#[derive(Debug)]
pub struct Namespace {
    file: File,
    pid: u32,
}

impl Namespace {
    /// Opens it, if it still is the one that the identity names.
    ///
    /// # Errors
    /// It is gone, or may not be opened.
    pub fn open(network: &NetworkIdentity) -> Result<Self, NetworkError> {
        let pid = network.holder.pid;
        let file =
            File::open(format!("/proc/{pid}/ns/net")).map_err(|source| match source.raw_os_error() {
                Some(libc::ENOENT | libc::ESRCH) => NetworkError::Gone(pid),
                _ => NetworkError::Enter { pid, source },
            })?;
        let inode = file.metadata().map_err(|source| NetworkError::Enter { pid, source })?.st_ino();
        // Looked at after opening: a recycled pid cannot slip in between.
        if inode != network.inode || !process::is_alive(&network.holder) {
            return Err(NetworkError::Gone(pid));
        }
        Ok(Self { file, pid })
    }

    /// Opens it for an undo: when the process that stood for it has ended, by any other process that lives in it.
    ///
    /// The number of a namespace may be used again, so this is only for looking for, and removing, what carries our mark.
    ///
    /// # Errors
    /// No process lives in it any more, or it may not be opened.
    pub fn find(network: &NetworkIdentity) -> Result<Self, NetworkError> {
        let gone = match Self::open(network) {
            Err(gone @ NetworkError::Gone(_)) => gone,
            other => return other,
        };
        if process::boot_id().is_ok_and(|boot| boot != network.holder.boot) {
            return Err(gone);
        }
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        // Processes end while they are looked at: those that cannot be read are passed over.
        let another =
            pids.filter_map(|pid| process::network_of(pid).ok()).find(|other| other.inode == network.inode);
        another.map_or(Err(gone), |another| Self::open(&another))
    }

    /// Runs a function inside, on a thread of its own, and waits for it.
    ///
    /// # Errors
    /// The kernel does not let us in, or gives no thread.
    pub fn run<R: Send>(&self, function: impl FnOnce() -> R + Send) -> Result<R, NetworkError> {
        let failed = |source| NetworkError::Enter { pid: self.pid, source };
        thread::scope(|scope| {
            let inside =
                thread::Builder::new().name("deadstick-netns".to_owned()).spawn_scoped(scope, || {
                    setns(&self.file, CloneFlags::CLONE_NEWNET)?;
                    Ok::<R, nix::Error>(function())
                });
            match inside.map_err(failed)?.join() {
                Ok(result) => result.map_err(|errno| failed(errno.into())),
                Err(payload) => panic::resume_unwind(payload),
            }
        })
    }

    /// Moves the calling thread inside for good: for a thread of ours that lives and ends there.
    pub(crate) fn settle(&self) -> Result<(), NetworkError> {
        setns(&self.file, CloneFlags::CLONE_NEWNET)
            .map_err(|errno| NetworkError::Enter { pid: self.pid, source: errno.into() })
    }
}

/// Runs a function inside a network, on a thread of its own, and waits for it.
///
/// # Errors
/// The network is gone, or cannot be entered.
pub fn enter<R: Send>(
    network: &NetworkIdentity,
    function: impl FnOnce() -> R + Send,
) -> Result<R, NetworkError> {
    Namespace::open(network)?.run(function)
}
