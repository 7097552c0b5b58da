//! The numbers by which the kernel names control groups of the unified hierarchy: the inodes of their folders.

use std::collections::BTreeSet;
use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::cgroup::{self, groups_below};
use crate::process::ProcessError;

/// The number of the control group that has this path now; none when there is none.
pub(crate) fn number(group: &Path) -> Result<Option<u64>, ProcessError> {
    Ok(folder(group)?.and_then(|folder| fs::metadata(folder).ok()).map(|found| found.st_ino()))
}

/// Its folder, if there were such a group. A path below the root of the hierarchy.
fn folder(group: &Path) -> Result<Option<PathBuf>, ProcessError> {
    let unified = cgroup::hierarchies()?.into_iter().find(|hierarchy| hierarchy.version == 2);
    Ok(unified.map(|hierarchy| hierarchy.folder(group)))
}

/// The numbers of a control group and of all below it. Empty when it is gone.
pub(crate) fn numbers(group: &Path) -> Result<BTreeSet<u64>, ProcessError> {
    let mut left: Vec<_> = folder(group)?.into_iter().collect();
    let mut found = BTreeSet::new();
    while let Some(folder) = left.pop() {
        // One that has just been removed has no sockets to be chosen by it.
        if let Ok(metadata) = fs::metadata(&folder) {
            found.insert(metadata.st_ino());
            left.extend(groups_below(&folder)?);
        }
    }
    Ok(found)
}
