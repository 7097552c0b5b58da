//! Control groups of ours that processes are moved into, one for each group they come from.

use std::path::PathBuf;

use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::Undo;

use super::Site;
use crate::error::FaultError;
use crate::kernel::{Control, Delivery, GroupPlace, Kernel, KernelError};
use crate::undo::GROUP_PREFIX;

/// One group of ours, not made yet.
#[derive(Clone, Debug)]
pub(crate) struct Nest {
    pub(crate) folder: PathBuf,
    pub(crate) home: GroupPlace,
    pub(crate) processes: Vec<ProcessIdentity>,
}

/// Where groups for these processes go. Nothing is made yet.
pub(crate) async fn nests(
    site: &Site,
    control: Control,
    processes: Vec<ProcessIdentity>,
) -> Result<Vec<Nest>, FaultError> {
    let name = format!("{GROUP_PREFIX}{}", site.id);
    let found = site.blocking(move |kernel| {
        let mut nests: Vec<Nest> = Vec::new();
        for process in processes {
            let Some(home) = kernel.home(control, &process)? else { return Ok(Err(None)) };
            if let Some(nest) = nests.iter_mut().find(|nest| nest.home == home) {
                nest.processes.push(process);
                continue;
            }
            let Some(parent) = kernel.nest(control, &home)? else { return Ok(Err(Some(home))) };
            // Homes beside each other have their group in the same place.
            let number = nests.iter().filter(|nest| nest.folder.parent() == Some(parent.as_path())).count();
            let name = if number == 0 { name.clone() } else { format!("{name}-{number}") };
            nests.push(Nest { folder: parent.join(name), home, processes: vec![process] });
        }
        Ok(Ok(nests))
    });
    let word = control.word();
    found.await?.map_err(|home| match home {
        None => FaultError::refused(
            format!("this host has no control groups with the {word} controller"),
            "see deadstick doctor",
        ),
        Some(home) => FaultError::refused(
            format!("the {word} controller is switched on nowhere above {}", home.group.folder.display()),
            format!("switch it on at the root: echo +{word} > /sys/fs/cgroup/cgroup.subtree_control"),
        ),
    })
}

impl Nest {
    pub(crate) fn undo(&self) -> Undo {
        Undo::RemoveGroup { folder: self.folder.clone(), home: self.home.group.clone() }
    }

    /// Makes the group, with these values. Nobody is in it yet.
    pub(crate) fn make(
        &self,
        kernel: &dyn Kernel,
        values: &[(&'static str, String)],
    ) -> Result<(), KernelError> {
        kernel.make_group(&self.folder)?;
        for (file, value) in values {
            kernel.set_value(&self.folder, file, value)?;
        }
        Ok(())
    }

    /// Moves the processes in; how many were there. What they fork from now on is born inside.
    pub(crate) fn fill(&self, kernel: &dyn Kernel) -> Result<usize, KernelError> {
        let mut moved = 0;
        for process in &self.processes {
            moved += usize::from(kernel.enter(&self.folder, process)? == Delivery::Sent);
        }
        Ok(moved)
    }
}
