//! The seam to the disk: how appended bytes become durable, and how that fails in tests.
//!
//! Owns one narrow trait over an append-only file, its real form and the durable creation of files and directories.
//! Leaves what the bytes mean to the log and the ledger.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// A file that is only ever appended to.
pub(crate) trait Storage: Send {
    /// One `write(2)` at the end; may write less than was given.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Returns when what was appended survives a power cut (`fdatasync`).
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file back to this many bytes.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

impl Storage for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.write(bytes) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// Opens a file for appending that must not exist yet; readable by its owner only.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(path)
}

/// Opens a file that exists for reading and appending.
pub(crate) fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).open(path)
}

/// Makes a directory's entries durable: a new file is not there after a power cut until its directory is synced.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Creates a directory with its parents, for its owner only, durably. One that exists is left as it is.
pub(crate) fn create_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty());
    if let Some(parent) = parent {
        create_dir(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        // Another process was faster.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(e) => Err(e),
        Ok(()) => sync_dir(parent.unwrap_or(Path::new("."))),
    }
}

#[cfg(test)]
pub(crate) mod fake {
    //! A disk that fails on command.

    use super::{File, Storage};
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

    /// What goes wrong next; shared with the test.
    #[derive(Debug)]
    pub(crate) struct Trouble {
        /// Bytes that still fit on the disk; none are refused while negative.
        pub(crate) room: AtomicI64,
        /// `fdatasync` fails.
        pub(crate) sync_fails: AtomicBool,
        /// Cutting back fails.
        pub(crate) truncate_fails: AtomicBool,
    }

    impl Default for Trouble {
        fn default() -> Self {
            Self {
                room: AtomicI64::new(-1),
                sync_fails: AtomicBool::new(false),
                truncate_fails: AtomicBool::new(false),
            }
        }
    }

    /// A real file behind the trouble.
    pub(crate) struct Faulty {
        pub(crate) file: File,
        pub(crate) trouble: Arc<Trouble>,
    }

    impl Storage for Faulty {
        fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = self.trouble.room.load(Ordering::SeqCst);
            if room < 0 {
                return self.file.append(bytes);
            }
            let fits = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            if fits == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let written = self.file.append(&bytes[..fits])?;
            self.trouble.room.fetch_sub(i64::try_from(written).expect("small"), Ordering::SeqCst);
            Ok(written)
        }

        fn sync(&mut self) -> io::Result<()> {
            if self.trouble.sync_fails.load(Ordering::SeqCst) {
                return Err(io::Error::from_raw_os_error(5));
            }
            self.file.sync()
        }

        fn truncate(&mut self, len: u64) -> io::Result<()> {
            if self.trouble.truncate_fails.load(Ordering::SeqCst) {
                return Err(io::Error::from_raw_os_error(5));
            }
            self.file.truncate(len)
        }
    }
}
