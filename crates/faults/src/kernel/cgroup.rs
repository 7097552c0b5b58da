//! Control groups: whose they are, what they hold, and moving processes between them.

use std::fs;
use std::io;
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};

use deadstick_core::identity::{GroupIdentity, ProcessIdentity};

use super::{Delivery, KernelError, Linux};
use crate::cgroup::{self, Hierarchy};
use crate::process::{self, Life, ProcessError};

/// What a control group is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Processor time.
    Cpu,
    /// Memory.
    Memory,
    /// Standing still.
    Freezer,
}

impl Control {
    /// The controller's name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Freezer => "freezer",
        }
    }

    fn is_in(self, hierarchy: &Hierarchy) -> bool {
        // Every group of version 2 can be frozen, without a controller.
        self == Self::Freezer && hierarchy.version == 2
            || hierarchy.controllers.iter().any(|one| one == self.word())
    }
}

/// A control group in the tree that has what is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPlace {
    /// Which.
    pub group: GroupIdentity,
    /// The tree's version, 1 or 2.
    pub version: u8,
    /// Whether it is the root of its tree.
    pub is_root: bool,
}

/// What faults ask of control groups.
pub trait Groups: Send + Sync {
    /// The group of this path in each tree that has the control, version 2 first.
    ///
    /// # Errors
    /// The machine cannot be read.
    fn places(&self, control: Control, path: &Path) -> Result<Vec<GroupPlace>, KernelError>;
    /// The group that a process is in; none where no tree has the control.
    ///
    /// # Errors
    /// The process is gone.
    fn home(&self, control: Control, process: &ProcessIdentity) -> Result<Option<GroupPlace>, KernelError>;
    /// The folder in which a group for processes of a home can be made so that it has the control; none where the
    /// control is switched on nowhere above.
    ///
    /// # Errors
    /// The machine cannot be read.
    fn nest(&self, control: Control, home: &GroupPlace) -> Result<Option<PathBuf>, KernelError>;
    /// Whether this very group is there.
    ///
    /// # Errors
    /// It cannot be read.
    fn is_there(&self, group: &GroupIdentity) -> Result<bool, KernelError>;
    /// Its processes, and those of the groups below.
    ///
    /// # Errors
    /// It cannot be read; one that is gone has none.
    fn members(&self, folder: &Path) -> Result<Vec<ProcessIdentity>, KernelError>;
    /// What a file of it holds; none when there is no such file.
    ///
    /// # Errors
    /// It cannot be read.
    fn value(&self, folder: &Path, file: &str) -> Result<Option<String>, KernelError>;
    /// Writes one of its files.
    ///
    /// # Errors
    /// The kernel refuses.
    fn set_value(&self, folder: &Path, file: &str, value: &str) -> Result<(), KernelError>;
    /// Makes a group.
    ///
    /// # Errors
    /// The kernel refuses.
    fn make_group(&self, folder: &Path) -> Result<(), KernelError>;
    /// Removes a group that is empty; whether it was there.
    ///
    /// # Errors
    /// It is not empty.
    fn remove_group(&self, folder: &Path) -> Result<bool, KernelError>;
    /// Moves a process, with its threads.
    ///
    /// # Errors
    /// The kernel refuses.
    fn enter(&self, folder: &Path, process: &ProcessIdentity) -> Result<Delivery, KernelError>;
}

fn trees(control: Control) -> Result<Vec<Hierarchy>, KernelError> {
    let mut trees = cgroup::hierarchies()?;
    trees.retain(|tree| control.is_in(tree));
    trees.sort_by_key(|tree| std::cmp::Reverse(tree.version));
    Ok(trees)
}

fn place(tree: &Hierarchy, folder: PathBuf) -> Result<Option<GroupPlace>, KernelError> {
    let inode = match fs::metadata(&folder) {
        Ok(found) if found.is_dir() => found.st_ino(),
        Ok(_) => return Ok(None),
        Err(error) if is_gone(&error) => return Ok(None),
        Err(source) => return Err(ProcessError::Read { path: folder.display().to_string(), source }.into()),
    };
    let is_root = folder == tree.mount;
    let group = GroupIdentity { folder, inode, boot: process::boot_id()? };
    Ok(Some(GroupPlace { group, version: tree.version, is_root }))
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}

impl Groups for Linux {
    fn places(&self, control: Control, path: &Path) -> Result<Vec<GroupPlace>, KernelError> {
        let found = trees(control)?.into_iter().map(|tree| {
            let folder = tree.folder(path);
            place(&tree, folder)
        });
        found.filter_map(Result::transpose).collect()
    }

    fn home(&self, control: Control, process: &ProcessIdentity) -> Result<Option<GroupPlace>, KernelError> {
        let trees = trees(control)?;
        let Some(tree) = trees.first() else { return Ok(None) };
        let folder = tree.folder(&tree.group_of(process.pid)?);
        place(tree, folder)
    }

    fn nest(&self, control: Control, home: &GroupPlace) -> Result<Option<PathBuf>, KernelError> {
        let folder = &home.group.folder;
        if home.version == 1 {
            return Ok(Some(folder.clone()));
        }
        // A group of version 2 that has processes passes no control on, so the new one is beside it or further up.
        let above = folder.ancestors().skip(usize::from(!home.is_root));
        for candidate in above.take_while(|folder| folder.join("cgroup.procs").exists()) {
            let passed_on = self.value(candidate, "cgroup.subtree_control")?.unwrap_or_default();
            if passed_on.split_whitespace().any(|one| one == control.word()) {
                return Ok(Some(candidate.to_owned()));
            }
        }
        Ok(None)
    }

    fn is_there(&self, group: &GroupIdentity) -> Result<bool, KernelError> {
        if group.boot != process::boot_id()? {
            return Ok(false);
        }
        match fs::metadata(&group.folder) {
            Ok(found) => Ok(found.st_ino() == group.inode),
            Err(error) if is_gone(&error) => Ok(false),
            Err(source) => {
                Err(ProcessError::Read { path: group.folder.display().to_string(), source }.into())
            }
        }
    }

    fn members(&self, folder: &Path) -> Result<Vec<ProcessIdentity>, KernelError> {
        Ok(cgroup::members(folder)?)
    }

    fn value(&self, folder: &Path, file: &str) -> Result<Option<String>, KernelError> {
        let path = folder.join(file);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim_end().to_owned())),
            Err(error) if is_gone(&error) => Ok(None),
            Err(source) => Err(ProcessError::Read { path: path.display().to_string(), source }.into()),
        }
    }

    fn set_value(&self, folder: &Path, file: &str, value: &str) -> Result<(), KernelError> {
        let path = folder.join(file);
        let open = fs::OpenOptions::new().write(true).open(&path);
        // One write: the kernel takes each for a whole value.
        let written = open.and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes()));
        written.map_err(|source| KernelError::Group { doing: "write", folder: path, source })
    }

    fn make_group(&self, folder: &Path) -> Result<(), KernelError> {
        fs::create_dir(folder).map_err(|source| KernelError::Group {
            doing: "make",
            folder: folder.to_owned(),
            source,
        })
    }

    fn remove_group(&self, folder: &Path) -> Result<bool, KernelError> {
        match fs::remove_dir(folder) {
            Ok(()) => Ok(true),
            Err(error) if is_gone(&error) => Ok(false),
            Err(source) => Err(KernelError::Group { doing: "remove", folder: folder.to_owned(), source }),
        }
    }

    fn enter(&self, folder: &Path, process: &ProcessIdentity) -> Result<Delivery, KernelError> {
        if process::life(process)? == Life::Gone {
            return Ok(Delivery::Gone);
        }
        match fs::write(folder.join("cgroup.procs"), process.pid.to_string()) {
            Ok(()) => Ok(Delivery::Sent),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(Delivery::Gone),
            Err(source) => Err(KernelError::Group { doing: "enter", folder: folder.to_owned(), source }),
        }
    }
}
