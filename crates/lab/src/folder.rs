//! The lab's folder: where it is, the mark that makes it ours, and its removal.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};

use crate::LabError;

/// The file in a lab's folder whose content is the mark named in [`deadstick_core::ledger::Undo::RemoveFolder`].
pub const MARK_FILE: &str = ".deadstick-mark";

/// The folder of the lab with this id.
pub(crate) fn path_of(under: &Path, id: &str) -> PathBuf {
    under.join(format!("deadstick-lab-{id}"))
}

/// The content of its mark file.
pub(crate) fn mark_of(id: &str) -> String {
    format!("deadstick-lab {id}")
}

/// The control socket in it.
pub(crate) fn control_of(folder: &Path) -> PathBuf {
    folder.join("control")
}

/// Makes the folder, which must not exist, with its mark. Others may pass through it (the servers run as another user
/// when root starts them), but not list it.
pub(crate) fn make(folder: &Path, mark: &str) -> Result<(), LabError> {
    fs::DirBuilder::new()
        .mode(0o711)
        .create(folder)
        .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o711)))
        .map_err(|e| LabError::file("make", folder, e))?;
    put_mark(folder, mark).map_err(|e| LabError::file("mark", folder, e))
}

/// Whoever is killed half-way leaves an empty folder or a marked one, never a mark without its text: it is written
/// without a name first, where the file system can do that.
fn put_mark(folder: &Path, mark: &str) -> std::io::Result<()> {
    let file = folder.join(MARK_FILE);
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    let Ok(unnamed) = open(folder, OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, mode) else {
        return fs::write(&file, mark);
    };
    let mut unnamed = fs::File::from(unnamed);
    unnamed.write_all(mark.as_bytes())?;
    let by_number = format!("/proc/self/fd/{}", unnamed.as_raw_fd());
    Ok(linkat(CWD, by_number, CWD, &file, AtFlags::SYMLINK_FOLLOW)?)
}

/// Removes the folder if it carries this mark; a folder that is gone is fine.
pub(crate) fn remove(folder: &Path, mark: &str) -> Result<(), LabError> {
    match fs::read_to_string(folder.join(MARK_FILE)) {
        Ok(found) if found == mark => {}
        Ok(_) => return Err(LabError::LeftBehind { left: format!("{} (not ours)", folder.display()) }),
        // Not marked yet: only ever ours if it is still empty, and then removing it loses nothing.
        Err(e) if e.kind() == ErrorKind::NotFound => {
            return match fs::remove_dir(folder) {
                Err(e) if e.kind() != ErrorKind::NotFound => Err(LabError::file("remove", folder, e)),
                _ => Ok(()),
            };
        }
        Err(e) => return Err(LabError::file("read the mark in", folder, e)),
    }
    remove_marked(folder).map_err(|e| LabError::file("remove", folder, e))
}

/// The mark goes last, so that a removal cut short is recognised and gone on with.
fn remove_marked(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
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
    fs::remove_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_marked_folder_is_removed() {
        let under = tempfile::tempdir().expect("a temporary folder");
        let folder = path_of(under.path(), "1");
        make(&folder, "mine").expect("it is new");
        assert!(make(&folder, "mine").is_err(), "a folder that exists is not taken over");
        assert_eq!(fs::read_to_string(folder.join(MARK_FILE)).expect("a mark"), "mine");
        fs::create_dir(folder.join("data")).expect("a folder");
        fs::write(folder.join("data/file"), "x").expect("a file");
        assert!(remove(&folder, "another's").is_err());
        assert!(folder.exists());
        remove(&folder, "mine").expect("it is marked");
        assert!(!folder.exists());
        remove(&folder, "mine").expect("gone already is fine");
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("precious"), "x").expect("a file");
        assert!(remove(&folder, "mine").is_err(), "not marked and not empty");
    }
}
