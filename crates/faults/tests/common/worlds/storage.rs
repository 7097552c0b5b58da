//! Files and file systems.

use std::fs::{self, File, OpenOptions};

use deadstick_core::fault::ResolvedTarget;
use deadstick_faults::kernel::{Linux, Storage};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use super::same::Same;
use crate::common::matrix::World;
use crate::common::scratch::Scratch;

/// A file system of its own: to be called before a runtime starts its threads.
pub(crate) fn scratch(words: &'static str) -> Option<Box<dyn World>> {
    let scratch = Scratch::new();
    let path = scratch.path.clone();
    Same::new(words, scratch.target(), scratch, move || {
        let was_free = Linux.freeze(&path).expect("it can freeze");
        // Left as it was found.
        if was_free {
            Linux.thaw(&path).expect("it can thaw");
        }
        was_free
    })
    .boxed()
}

fn of_file(name: &str, make: impl FnOnce(&std::path::Path)) -> (tempfile::TempDir, ResolvedTarget) {
    let folder = tempfile::Builder::new().prefix("deadstick-faults-").tempdir().expect("a folder");
    let path = folder.path().join(name);
    make(&path);
    (folder, ResolvedTarget { name: "file".to_owned(), path: Some(path), ..ResolvedTarget::default() })
}

/// A file that a process which knows nothing of deadstick locks, by either call.
pub(crate) fn file(words: &'static str) -> Option<Box<dyn World>> {
    let (folder, target) = of_file("app.lock", |path| fs::write(path, "").expect("a file"));
    let path = folder.path().join("app.lock");
    Same::new(words, target, folder, move || {
        let open = || OpenOptions::new().read(true).write(true).open(&path).expect("it opens");
        open().try_lock().is_ok() && by_fcntl(&open())
    })
    .boxed()
}

/// Whether the whole file can be locked to write; the lock ends with the file.
fn by_fcntl(file: &File) -> bool {
    let whole = libc::flock {
        l_type: i16::try_from(libc::F_WRLCK).expect("small"),
        l_whence: i16::try_from(libc::SEEK_SET).expect("small"),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    match fcntl(file, FcntlArg::F_SETLK(&whole)) {
        Ok(_) => true,
        Err(Errno::EACCES | Errno::EAGAIN) => false,
        Err(other) => panic!("{other}"),
    }
}

pub(crate) fn sqlite(words: &'static str) -> Option<Box<dyn World>> {
    let (folder, target) = of_file("shop.db", |path| {
        rusqlite::Connection::open(path)
            .and_then(|file| file.execute_batch("create table orders (id integer)"))
            .expect("a database");
    });
    let path = folder.path().join("shop.db");
    Same::new(words, target, folder, move || {
        let file = rusqlite::Connection::open(&path).expect("it opens");
        file.busy_timeout(std::time::Duration::ZERO).expect("set");
        file.execute_batch("begin exclusive; rollback").is_ok()
    })
    .boxed()
}
