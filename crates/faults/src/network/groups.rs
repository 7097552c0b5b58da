//! The numbers by which the kernel names control groups of the unified hierarchy: the inodes of their folders.

use std::collections::BTreeSet;
use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::Path;

use crate::cgroup::{self, groups_below};
use crate::process::ProcessError;

/// The numbers of a control group and of all below it; a path below the root of the hierarchy. Empty when it is gone.
pub(crate) fn numbers(group: &Path) -> Result<BTreeSet<u64>, ProcessError> {
    let unified = cgroup::hierarchies()?.into_iter().find(|hierarchy| hierarchy.version == 2);
    let mut left: Vec<_> = unified.iter().map(|hierarchy| hierarchy.folder(group)).collect();
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
