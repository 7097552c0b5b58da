//! Control groups as this host has them: where each hierarchy is mounted, which group a process is in, who is in a group.
//!
//! Owns reading, for both versions side by side. Leaves writing to [`crate::kernel`], and whom a name means to
//! [`crate::find`].

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use deadstick_core::identity::ProcessIdentity;

use crate::process::{self, ProcessError};

/// One tree of control groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// The group that is mounted there: the root, but for containers that see their part only.
    root: PathBuf,
    /// Its version, 1 or 2.
    pub version: u8,
    /// What it controls. For version 2 what its root offers; for version 1 also names such as `name=systemd`.
    pub controllers: Vec<String>,
}

/// The trees of this host.
///
/// # Errors
/// `/proc` cannot be read.
pub fn hierarchies() -> Result<Vec<Hierarchy>, ProcessError> {
    let path = "/proc/self/mountinfo";
    let text = fs::read_to_string(path).map_err(|source| read(path, source))?;
    let mut found: Vec<Hierarchy> = Vec::new();
    // The same tree may be mounted in several places: the first one will do.
    for hierarchy in text.lines().filter_map(hierarchy) {
        if !found.iter().any(|one| one.controllers == hierarchy.controllers) {
            found.push(hierarchy);
        }
    }
    Ok(found)
}

/// A line of `mountinfo`, as in `proc_pid_mountinfo(5)`.
fn hierarchy(line: &str) -> Option<Hierarchy> {
    let (own, rest) = line.split_once(" - ")?;
    let mut own = own.split(' ').skip(3);
    let (root, mount) = (PathBuf::from(own.next()?), PathBuf::from(own.next()?));
    let mut rest = rest.split(' ');
    let (version, controllers) = match rest.next()? {
        "cgroup2" => {
            let offered = fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default();
            (2, offered.split_whitespace().map(str::to_owned).collect())
        }
        "cgroup" => {
            let general = ["rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode"];
            let options = rest.nth(1)?.split(',').filter(|option| !general.contains(option));
            (1, options.map(str::to_owned).collect())
        }
        _ => return None,
    };
    Some(Hierarchy { mount, root, version, controllers })
}

impl Hierarchy {
    /// The folder of a group, by its path below the root of the tree.
    #[must_use]
    pub fn folder(&self, group: &Path) -> PathBuf {
        let absolute = Path::new("/").join(group);
        let seen = absolute.strip_prefix(&self.root).unwrap_or(&absolute);
        let plain = seen.components().filter(|part| matches!(part, Component::Normal(_)));
        plain.fold(self.mount.clone(), |folder, part| folder.join(part))
    }

    /// The path below the root of the tree of a folder in it.
    #[must_use]
    pub fn path(&self, folder: &Path) -> PathBuf {
        self.root.join(folder.strip_prefix(&self.mount).unwrap_or(folder))
    }

    /// The group a process is in, by its path below the root of the tree.
    ///
    /// # Errors
    /// The process is gone, or `/proc` cannot be read.
    pub fn group_of(&self, pid: u32) -> Result<PathBuf, ProcessError> {
        let path = format!("/proc/{pid}/cgroup");
        let text = fs::read_to_string(&path).map_err(|source| match source.raw_os_error() {
            Some(libc::ENOENT | libc::ESRCH) => ProcessError::Gone(pid),
            _ => read(&path, source),
        })?;
        let of_this = |line: &&str| {
            let mut fields = line.splitn(3, ':').skip(1);
            match (self.version, fields.next()) {
                (2, controllers) => controllers == Some(""),
                (_, Some(controllers)) => {
                    controllers.split(',').any(|one| self.controllers.iter().any(|own| own == one))
                }
                _ => false,
            }
        };
        let line = text.lines().find(of_this).and_then(|line| line.splitn(3, ':').nth(2));
        line.map(PathBuf::from).ok_or(ProcessError::Form(path))
    }
}

/// Every process in a group and in the groups below it.
///
/// # Errors
/// The group cannot be read; one that is gone has no processes.
pub fn members(folder: &Path) -> Result<Vec<ProcessIdentity>, ProcessError> {
    let mut pids = BTreeSet::new();
    collect(folder, &mut pids)?;
    identities(pids)
}

/// The processes with these pids that are there.
pub(crate) fn identities(pids: impl IntoIterator<Item = u32>) -> Result<Vec<ProcessIdentity>, ProcessError> {
    let mut found = Vec::new();
    for pid in pids {
        match process::of(pid) {
            Ok(process) if process::is_alive(&process) => found.push(process),
            Ok(_) | Err(ProcessError::Gone(_)) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(found)
}

fn collect(folder: &Path, pids: &mut BTreeSet<u32>) -> Result<(), ProcessError> {
    let path = folder.join("cgroup.procs");
    match fs::read_to_string(&path) {
        // Number 0 stands for a process that this namespace of pids does not see.
        Ok(text) => {
            pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid != 0));
        }
        Err(error) if is_gone(&error) => return Ok(()),
        // A threaded group of version 2 names its processes in the group above only.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
        Err(source) => return Err(read(path, source)),
    }
    for below in groups_below(folder)? {
        collect(&below, pids)?;
    }
    Ok(())
}

/// The groups right below a group.
///
/// # Errors
/// The group cannot be read; one that is gone has none.
pub(crate) fn groups_below(folder: &Path) -> Result<Vec<PathBuf>, ProcessError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_gone(&error) => return Ok(Vec::new()),
        Err(source) => return Err(read(folder, source)),
    };
    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(folders.map(|entry| entry.path()).collect())
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}

fn read(path: impl AsRef<Path>, source: io::Error) -> ProcessError {
    ProcessError::Read { path: path.as_ref().display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_both_versions_are_read() {
        let one = hierarchy(
            "31 28 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct",
        )
        .expect("a tree");
        assert_eq!(
            (one.version, one.controllers.as_slice()),
            (1, ["cpu".to_owned(), "cpuacct".to_owned()].as_slice())
        );
        let part = hierarchy("31 28 0:26 /docker/ab /c rw - cgroup cgroup rw,memory").expect("a tree");
        assert_eq!(part.folder(Path::new("/docker/ab/x")), Path::new("/c/x"));
        assert_eq!(part.path(Path::new("/c/x")), Path::new("/docker/ab/x"));
        assert!(hierarchy("24 29 0:22 / /proc rw - proc proc rw").is_none());
    }

    #[test]
    fn a_path_cannot_leave_the_tree() {
        let one = hierarchy("31 28 0:26 / /c rw - cgroup cgroup rw,pids").expect("a tree");
        assert_eq!(one.folder(Path::new("../../etc")), Path::new("/c/etc"));
        assert_eq!(one.folder(Path::new("/")), Path::new("/c"));
    }

    #[test]
    fn this_process_is_found_in_its_group() {
        for hierarchy in hierarchies().expect("readable") {
            let group = hierarchy.group_of(std::process::id()).expect("a group");
            let there = members(&hierarchy.folder(&group)).expect("readable");
            assert!(
                there.iter().any(|process| process.pid == std::process::id()),
                "{hierarchy:?}: {group:?}"
            );
        }
    }
}
