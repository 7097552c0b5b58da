//! A control group of a test; gone with the value, its processes back in the root.

use std::fs;
use std::path::{Path, PathBuf};

use deadstick_core::identity::ProcessIdentity;
use deadstick_faults::cgroup::{self, Hierarchy};

pub(crate) struct TestGroup {
    /// Its path below the root of the hierarchies.
    pub(crate) path: PathBuf,
    hierarchies: Vec<Hierarchy>,
}

/// The trees with these controllers; `freezer` also stands for a tree of version 2, which needs none for that.
pub(crate) fn hierarchies(controllers: &[&str]) -> Vec<Hierarchy> {
    let has = |one: &Hierarchy, wanted: &str| {
        one.controllers.iter().any(|own| own == wanted) || wanted == "freezer" && one.version == 2
    };
    let mut all = cgroup::hierarchies().expect("readable");
    all.retain(|one| controllers.iter().any(|wanted| has(one, wanted)));
    all
}

impl TestGroup {
    /// In every tree that has one of the controllers.
    pub(crate) fn new(path: impl AsRef<Path>, controllers: &[&str]) -> Self {
        let hierarchies = hierarchies(controllers);
        assert!(!hierarchies.is_empty(), "this host has no control groups with {controllers:?}");
        Self::in_each(path.as_ref(), hierarchies)
    }

    /// In this tree only.
    pub(crate) fn within(hierarchy: &Hierarchy, path: impl AsRef<Path>) -> Self {
        Self::in_each(path.as_ref(), vec![hierarchy.clone()])
    }

    fn in_each(path: &Path, hierarchies: Vec<Hierarchy>) -> Self {
        let group = Self { path: path.to_owned(), hierarchies };
        for folder in group.folders() {
            fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        }
        group
    }

    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        self.hierarchies.iter().map(|one| one.folder(&self.path)).collect()
    }

    pub(crate) fn take(&self, pid: u32) {
        for folder in self.folders() {
            fs::write(folder.join("cgroup.procs"), pid.to_string()).expect("it is taken");
        }
    }

    pub(crate) fn members(&self) -> Vec<ProcessIdentity> {
        self.folders().iter().flat_map(|folder| cgroup::members(folder).expect("readable")).collect()
    }

    /// A file of the one folder that has it.
    pub(crate) fn read(&self, file: &str) -> String {
        let found = self.folders().into_iter().find_map(|folder| fs::read_to_string(folder.join(file)).ok());
        found.unwrap_or_else(|| panic!("{} has no {file}", self.path.display())).trim().to_owned()
    }

    pub(crate) fn write(&self, file: &str, value: &str) {
        let folder = self.folders().into_iter().find(|folder| folder.join(file).exists()).expect("it has it");
        fs::write(folder.join(file), value).expect("written");
    }

    pub(crate) fn has(&self, file: &str) -> bool {
        self.folders().iter().any(|folder| folder.join(file).exists())
    }
}

impl Drop for TestGroup {
    fn drop(&mut self) {
        for hierarchy in &self.hierarchies {
            let folder = hierarchy.folder(&self.path);
            for process in cgroup::members(&folder).unwrap_or_default() {
                // One that has just ended needs no move.
                fs::write(hierarchy.mount.join("cgroup.procs"), process.pid.to_string()).unwrap_or_default();
            }
            let mut folder = folder.as_path();
            // Parents that other tests are in, or that were there before, stay.
            while folder != hierarchy.mount && fs::remove_dir(folder).is_ok() {
                folder = folder.parent().expect("below the mount");
            }
        }
    }
}
