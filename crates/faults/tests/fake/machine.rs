//! The fake's control groups, limits and file system: one tree of version 2 with one process, one file system.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use deadstick_core::identity::{GroupIdentity, ProcessIdentity};
use deadstick_faults::kernel::{
    Control, Delivery, FileLimit, GroupPlace, Groups, KernelError, Limits, Processes, Space, Storage,
};
use deadstick_faults::process::Life;

use super::{Fake, identity};

pub(crate) const HOME: &str = "/fake/home";

pub(crate) struct Machine {
    pub(crate) groups: BTreeMap<PathBuf, BTreeMap<String, String>>,
    pub(crate) at: PathBuf,
    pub(crate) files: u64,
    pub(crate) frozen: bool,
}

impl Default for Machine {
    fn default() -> Self {
        let home =
            [("cpu.max", "max 100000"), ("cgroup.freeze", "0"), ("cgroup.events", "populated 1\nfrozen 0")];
        let home = home.map(|(file, value)| (file.to_owned(), value.to_owned())).into();
        Self { groups: [(HOME.into(), home)].into(), at: HOME.into(), files: 1_024, frozen: false }
    }
}

fn place(folder: &Path) -> GroupPlace {
    // The boot is the real one: an undo compares it.
    let boot = deadstick_faults::process::boot_id().expect("readable");
    GroupPlace {
        group: GroupIdentity { folder: folder.to_owned(), inode: 1, boot },
        version: 2,
        is_root: false,
    }
}

impl Groups for Fake {
    fn places(&self, _: Control, path: &Path) -> Result<Vec<GroupPlace>, KernelError> {
        let folder = Path::new("/fake").join(path);
        Ok(self
            .with(|world| world.machine.groups.contains_key(&folder))
            .then(|| place(&folder))
            .into_iter()
            .collect())
    }

    fn home(&self, _: Control, _: &ProcessIdentity) -> Result<Option<GroupPlace>, KernelError> {
        Ok(Some(place(&self.with(|world| world.machine.at.clone()))))
    }

    fn nest(&self, _: Control, _: &GroupPlace) -> Result<Option<PathBuf>, KernelError> {
        Ok(Some("/fake".into()))
    }

    fn is_there(&self, group: &GroupIdentity) -> Result<bool, KernelError> {
        Ok(self.with(|world| world.machine.groups.contains_key(&group.folder)))
    }

    fn members(&self, folder: &Path) -> Result<Vec<ProcessIdentity>, KernelError> {
        let alive = self.life(&identity())? != Life::Gone;
        Ok(self.with(|world| (alive && world.machine.at == folder).then(identity)).into_iter().collect())
    }

    fn value(&self, folder: &Path, file: &str) -> Result<Option<String>, KernelError> {
        Ok(self.with(|world| {
            let group = world.machine.groups.get(folder)?;
            if file == "cgroup.procs" { Some(String::new()) } else { group.get(file).cloned() }
        }))
    }

    fn set_value(&self, folder: &Path, file: &str, value: &str) -> Result<(), KernelError> {
        self.with(|world| {
            world.calls.push(format!("{file} = {value}"));
            if let Some(group) = world.machine.groups.get_mut(folder) {
                group.insert(file.to_owned(), value.to_owned());
                if file == "cgroup.freeze" {
                    group.insert("cgroup.events".to_owned(), format!("populated 1\nfrozen {value}"));
                }
            }
        });
        Ok(())
    }

    fn make_group(&self, folder: &Path) -> Result<(), KernelError> {
        self.with(|world| world.machine.groups.insert(folder.to_owned(), BTreeMap::new()));
        Ok(())
    }

    fn remove_group(&self, folder: &Path) -> Result<bool, KernelError> {
        Ok(self.with(|world| {
            assert_ne!(world.machine.at, folder, "nobody is in a group that is removed");
            world.machine.groups.remove(folder).is_some()
        }))
    }

    fn enter(&self, folder: &Path, _: &ProcessIdentity) -> Result<Delivery, KernelError> {
        self.with(|world| world.machine.at = folder.to_owned());
        Ok(Delivery::Sent)
    }
}

impl Limits for Fake {
    fn file_limit(&self, _: &ProcessIdentity) -> Result<Option<FileLimit>, KernelError> {
        Ok(Some(FileLimit { soft: self.with(|world| world.machine.files), hard: 4_096 }))
    }

    fn set_file_limit(&self, _: &ProcessIdentity, expected: u64, soft: u64) -> Result<bool, KernelError> {
        Ok(self.with(|world| {
            let is_so = world.machine.files == expected;
            if is_so {
                world.machine.files = soft;
            }
            is_so
        }))
    }

    fn oom_score(&self, _: &ProcessIdentity) -> Result<Option<i32>, KernelError> {
        Ok(Some(0))
    }

    fn set_oom_score(&self, _: &ProcessIdentity, _: i32, _: i32) -> Result<bool, KernelError> {
        Ok(true)
    }

    fn open_files(&self, _: &ProcessIdentity) -> Result<usize, KernelError> {
        Ok(3)
    }
}

impl Storage for Fake {
    fn space(&self, _: &Path) -> Result<Space, KernelError> {
        Ok(Space { available: 1 << 30, total: 1 << 31, is_memory: false })
    }

    fn device(&self, _: &Path) -> Result<Option<u64>, KernelError> {
        Ok(Some(1))
    }

    fn freeze(&self, _: &Path) -> Result<bool, KernelError> {
        Ok(self.with(|world| !std::mem::replace(&mut world.machine.frozen, true)))
    }

    fn thaw(&self, _: &Path) -> Result<bool, KernelError> {
        Ok(self.with(|world| std::mem::replace(&mut world.machine.frozen, false)))
    }
}
