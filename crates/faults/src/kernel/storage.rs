//! File systems: how much space they have, and whether they take writes.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::linux::fs::MetadataExt;
use std::path::Path;

use super::{KernelError, Linux};

/// How full a file system is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What ordinary users can still take.
    pub available: u64,
    /// How much it holds.
    pub total: u64,
    /// Whether it lives in the machine's memory.
    pub is_memory: bool,
}

/// What faults ask of file systems.
pub trait Storage: Send + Sync {
    /// How full the file system of a path is.
    ///
    /// # Errors
    /// It cannot be read.
    fn space(&self, path: &Path) -> Result<Space, KernelError>;
    /// The number of the device that a path is on; none when there is no such path.
    ///
    /// # Errors
    /// It cannot be read.
    fn device(&self, path: &Path) -> Result<Option<u64>, KernelError>;
    /// Makes the file system of a path take no writes; false when it took none already. May take as long as writing
    /// everything out.
    ///
    /// # Errors
    /// The kernel refuses.
    fn freeze(&self, path: &Path) -> Result<bool, KernelError>;
    /// Makes it take writes again; false when it took them already.
    ///
    /// # Errors
    /// The kernel refuses.
    fn thaw(&self, path: &Path) -> Result<bool, KernelError>;
}

fn call(doing: &'static str) -> impl Fn(io::Error) -> KernelError {
    move |source| KernelError::Call { doing, source }
}

impl Storage for Linux {
    fn space(&self, path: &Path) -> Result<Space, KernelError> {
        let failed = |errno: rustix::io::Errno| call("read the space of the file system")(errno.into());
        let space = rustix::fs::statvfs(path).map_err(failed)?;
        let kind = rustix::fs::statfs(path).map_err(failed)?.f_type;
        Ok(Space {
            available: space.f_bavail.saturating_mul(space.f_frsize),
            total: space.f_blocks.saturating_mul(space.f_frsize),
            is_memory: kind == libc::TMPFS_MAGIC || kind == 0x8584_58f6,
        })
    }

    fn device(&self, path: &Path) -> Result<Option<u64>, KernelError> {
        match std::fs::metadata(path) {
            Ok(found) => Ok(Some(found.st_dev())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(call("read the device of the path")(source)),
        }
    }

    fn freeze(&self, path: &Path) -> Result<bool, KernelError> {
        match ordered(path, FIFREEZE) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Ok(false),
            Err(source) => Err(call("freeze the file system")(source)),
        }
    }

    fn thaw(&self, path: &Path) -> Result<bool, KernelError> {
        match ordered(path, FITHAW) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
            Err(source) => Err(call("thaw the file system")(source)),
        }
    }
}

const FIFREEZE: libc::Ioctl = libc::_IOWR::<libc::c_int>(b'X' as u32, 119);
const FITHAW: libc::Ioctl = libc::_IOWR::<libc::c_int>(b'X' as u32, 120);

#[expect(unsafe_code, reason = "no safe wrapper for these two ioctls")]
fn ordered(path: &Path, order: libc::Ioctl) -> io::Result<()> {
    let file = File::open(path)?;
    let mut unused: libc::c_int = 0;
    // SAFETY: the descriptor is open until `file` is dropped; both orders take a pointer to one int, and get one.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), order, &raw mut unused) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
