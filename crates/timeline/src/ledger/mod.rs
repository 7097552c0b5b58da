//! The undo ledger: the write-ahead record of what must be undone (design laws 1 and 2).
//!
//! One file per run, `RUN.jsonl`. Owner and guardian both append to it; whoever recovers it has it alone. An entry is on
//! the disk before [`Ledger::record`] returns. Where a fault is follows from the file alone.
//!
//! Who may do what is settled by one `flock` on the file: owner and guardian share it while they live, a recovery takes it
//! exclusively and so is refused while either lives. The kernel lets go of it when a process dies, however it dies.
//!
//! Owns files, locks, durability and the reading. Leaves the transitions to `deadstick_core::ledger` and carrying out an
//! undo to the faults crate.

mod entry;
mod error;
mod files;
#[cfg(test)]
mod tests;
mod view;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadstick_core::Timestamp;
use deadstick_core::ledger::{Entry, FaultId, FaultState, next};
use rustix::fs::{FlockOperation, flock};

pub use error::{DamagedLine, LedgerError};
pub use view::{LedgerFault, LedgerFile};

use crate::storage::{self, Storage};
use entry::{EntryLine, VERSION, settle};
use error::at;
use files::{prune, read_from, try_lock};
use view::View;

/// How long a guardian waits for a scan that looks at the lock to be done with it.
const JOIN_PATIENCE: Duration = Duration::from_secs(2);

/// A ledger that this process appends to. One handle serves all threads.
pub struct Ledger {
    path: PathBuf,
    by: u32,
    inner: Mutex<Inner>,
}

struct Inner {
    /// For reading, and for the lock it holds.
    file: File,
    storage: Box<dyn Storage>,
    view: View,
    /// A write could not be made durable.
    failed: bool,
}

impl Ledger {
    /// Creates the ledger of a run, as its owner. The file is locked before anybody can see it.
    ///
    /// # Errors
    /// The name is taken or unusable, or the disk says no.
    pub fn create(dir: &Path, run: &str) -> Result<Self, LedgerError> {
        if run.is_empty() || run.len() > 100 || !run.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(LedgerError::Name(run.to_owned()));
        }
        storage::create_dir(dir).map_err(at(dir, "create"))?;
        let path = dir.join(format!("{run}.jsonl"));
        let hidden = dir.join(format!(".{run}.{}.new", std::process::id()));
        let file = storage::create_new(&hidden).map_err(at(&hidden, "create"))?;
        let made = flock(&file, FlockOperation::NonBlockingLockShared)
            .map_err(io::Error::from)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::hard_link(&hidden, &path));
        // The hidden name has done its work, or must not be left behind.
        let removed = fs::remove_file(&hidden);
        made.and(removed).and_then(|()| storage::sync_dir(dir)).map_err(at(&path, "create"))?;
        Self::over(path, file)
    }

    /// Joins the ledger of a run as its guardian.
    ///
    /// # Errors
    /// It is being recovered, it is damaged, or it cannot be opened.
    pub fn join(path: &Path) -> Result<Self, LedgerError> {
        let file = storage::open_append(path).map_err(at(path, "open"))?;
        let until = Instant::now() + JOIN_PATIENCE;
        while !try_lock(&file, FlockOperation::NonBlockingLockShared).map_err(at(path, "lock"))? {
            if Instant::now() > until {
                return Err(LedgerError::InUse(path.to_owned()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Self::over(path.to_owned(), file)
    }

    /// Takes a ledger over from its dead owner and guardian, alone. None when another recovery has retired it meanwhile.
    ///
    /// # Errors
    /// [`LedgerError::InUse`] while owner, guardian or another recovery lives; it is damaged; it cannot be opened.
    pub fn claim(path: &Path) -> Result<Option<Self>, LedgerError> {
        let file = match storage::open_append(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(at(path, "open"))?,
        };
        if !try_lock(&file, FlockOperation::NonBlockingLockExclusive).map_err(at(path, "lock"))? {
            return Err(LedgerError::InUse(path.to_owned()));
        }
        let held = file.metadata().map_err(at(path, "look at"))?;
        match fs::metadata(path) {
            Ok(there) if there.ino() == held.ino() => Self::over(path.to_owned(), file).map(Some),
            Ok(_) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(at(path, "look at")(e)),
        }
    }

    fn over(path: PathBuf, file: File) -> Result<Self, LedgerError> {
        let storage = file.try_clone().map_err(at(&path, "open"))?;
        let inner = Inner { file, storage: Box::new(storage), view: View::default(), failed: false };
        let ledger = Self { path, by: std::process::id(), inner: Mutex::new(inner) };
        drop(ledger.caught_up()?);
        Ok(ledger)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends an entry. When it returns, the entry survives a power cut; only then may its effect begin.
    ///
    /// # Errors
    /// The entry cannot follow what is in the file, or could not be made durable. After an entry that could not be made
    /// durable no new fault is taken on, while entries about undoing are still tried.
    pub fn record(&self, fault: &FaultId, entry: &Entry, now: Timestamp) -> Result<FaultState, LedgerError> {
        let mut inner = self.caught_up()?;
        if inner.failed && matches!(entry, Entry::Applying(_)) {
            return Err(LedgerError::NotDurable(self.path.clone()));
        }
        let state = next(inner.view.state(fault), entry)
            .or_else(|refused| match (refused.state, entry) {
                // The other process undid it at the same time and could not; that this one could is what counts.
                (Some(FaultState::Residue), Entry::Undone) => {
                    settle(refused.state, inner.view.last_by(fault), self.by, entry)
                }
                _ => Err(refused),
            })
            .map_err(|source| LedgerError::OutOfOrder { fault: fault.clone(), source })?;
        let torn = inner.tail_is_torn().map_err(at(&self.path, "read"))?;
        let line =
            EntryLine { v: VERSION, fault: fault.clone(), at: now, by: self.by, entry: entry.clone(), torn };
        let mut bytes = line.encode()?;
        if torn {
            bytes.insert(0, b'\n');
        }
        // One write: the other process's lines come before or after it, never into it.
        let written = inner
            .storage
            .append(&bytes)
            .and_then(|n| if n == bytes.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) });
        let durable = written.and_then(|()| inner.storage.sync());
        inner.failed |= durable.is_err();
        durable.map_err(at(&self.path, "append to"))?;
        Ok(state)
    }

    /// Every fault of the run with its state, in the order in which they were applied.
    ///
    /// # Errors
    /// The file is damaged or cannot be read.
    pub fn faults(&self) -> Result<Vec<LedgerFault>, LedgerError> {
        self.caught_up().map(|inner| inner.view.faults())
    }

    /// What may still have to be undone, in the order in which it was applied: undo from the end.
    ///
    /// # Errors
    /// The file is damaged or cannot be read.
    pub fn open_faults(&self) -> Result<Vec<LedgerFault>, LedgerError> {
        self.faults().map(|all| all.into_iter().filter(|f| f.state.is_open()).collect())
    }

    /// Puts the file away (into `done/`, where the newest few are kept) when every fault is out.
    ///
    /// # Errors
    /// [`LedgerError::StillOpen`], and the file stays; or the disk says no.
    pub fn retire(&self) -> Result<(), LedgerError> {
        let open = self.open_faults()?.len();
        if open > 0 {
            return Err(LedgerError::StillOpen { path: self.path.clone(), open });
        }
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let done = dir.join("done");
        storage::create_dir(&done).map_err(at(&done, "create"))?;
        let name = self.path.file_name().unwrap_or_default();
        match fs::rename(&self.path, done.join(name)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(at(&self.path, "put away"))?,
        }
        storage::sync_dir(dir).map_err(at(dir, "sync"))?;
        prune(&done)
    }

    /// The inside, with everything read that is in the file by now.
    fn caught_up(&self) -> Result<MutexGuard<'_, Inner>, LedgerError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inside = &mut *inner;
        let mut patience = 5_u32;
        loop {
            let bytes = read_from(&inside.file, inside.view.offset).map_err(at(&self.path, "read"))?;
            inside.view.read(&self.path, &bytes)?;
            match inside.view.finish(&self.path) {
                Ok(()) => return Ok(inner),
                Err(e) if patience == 0 => return Err(e),
                // Perhaps the other process has just ended a torn line, and its own line is not all there yet.
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
            patience -= 1;
        }
    }
}

impl Inner {
    /// Whether the file ends in the middle of a line: somebody died, or the disk was full.
    fn tail_is_torn(&self) -> io::Result<bool> {
        let len = self.file.metadata()?.len();
        let mut last = [b'\n'];
        if len > 0 {
            self.file.read_exact_at(&mut last, len - 1)?;
        }
        Ok(last[0] != b'\n')
    }
}
