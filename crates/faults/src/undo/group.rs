//! Control groups: old values come back where ours still are, and groups of ours go, their processes back home.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deadstick_core::identity::GroupIdentity;
use deadstick_core::ledger::GroupValue;
use tokio::time::{Instant, sleep};

use super::{UndoFailure, Undone, until};
use crate::kernel::{Kernel, KernelError};
use crate::process;

/// What every control group of ours is called, before the fault's id.
pub(crate) const GROUP_PREFIX: &str = "deadstick-";
/// How long processes may take to thaw, to end or to move.
const PATIENCE: Duration = Duration::from_secs(3);

/// The last value written goes first: a limit that another one is bound by must not be in its way.
pub(super) async fn restore(
    kernel: &Arc<dyn Kernel>,
    group: &GroupIdentity,
    values: &[GroupValue],
) -> Result<Undone, UndoFailure> {
    let mut result = Undone::AlreadyGone;
    for value in values.iter().rev() {
        let manual = format!("echo '{}' > {}", value.before, group.folder.join(&value.file).display());
        let failed = |why: String| UndoFailure { why, manual: manual.clone() };
        match write_back(kernel, group, value).await {
            Ok(true) => result = Undone::Done,
            Ok(false) => {}
            Err(error) => {
                // A group that went meanwhile took the value along.
                if kernel.is_there(group).map_err(|error| failed(error.to_string()))? {
                    return Err(failed(error.to_string()));
                }
            }
        }
    }
    Ok(result)
}

/// Whether there was anything of ours.
async fn write_back(
    kernel: &Arc<dyn Kernel>,
    group: &GroupIdentity,
    value: &GroupValue,
) -> Result<bool, KernelError> {
    if !kernel.is_there(group)? {
        return Ok(false);
    }
    let now = kernel.value(&group.folder, &value.file)?;
    // On the way to the state we asked for.
    let nearly = now.as_deref() == Some("FREEZING") && value.ours == "FROZEN";
    if now.as_deref() != Some(value.ours.as_str()) && !nearly {
        // As before, or set anew by somebody else, whose it is now.
        return Ok(false);
    }
    kernel.set_value(&group.folder, &value.file, &value.before)?;
    let back = until(PATIENCE, || {
        Ok::<_, KernelError>(kernel.value(&group.folder, &value.file)?.is_none_or(|now| now == value.before))
    });
    if back.await? {
        return Ok(true);
    }
    let source = std::io::Error::other(format!("it does not become {:?}", value.before));
    Err(KernelError::Group { doing: "restore", folder: group.folder.join(&value.file), source })
}

pub(super) async fn remove(
    kernel: &Arc<dyn Kernel>,
    folder: &Path,
    home: &GroupIdentity,
) -> Result<Undone, UndoFailure> {
    let (own, back) = (folder.display(), home.folder.display());
    let manual =
        format!("for p in $(cat {own}/cgroup.procs); do echo $p > {back}/cgroup.procs; done; rmdir {own}");
    let failed = |why: String| UndoFailure { why, manual: manual.clone() };
    if !folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(GROUP_PREFIX)) {
        let manual = "none: it is left alone".to_owned();
        return Err(UndoFailure { why: format!("control group {own} is not ours"), manual });
    }
    // No group outlives its boot, and a mark is unique for ever.
    if process::boot_id().is_ok_and(|boot| boot != home.boot) {
        return Ok(Undone::AlreadyGone);
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        match empty_and_remove(kernel.as_ref(), folder, home) {
            Ok(true) => return Ok(Undone::Done),
            Ok(false) => return Ok(Undone::AlreadyGone),
            // A process that is ending, or was just born, keeps it busy for a moment.
            Err(error) if Instant::now() >= deadline => return Err(failed(error.to_string())),
            Err(_) => sleep(Duration::from_millis(5)).await,
        }
    }
}

fn empty_and_remove(kernel: &dyn Kernel, folder: &Path, home: &GroupIdentity) -> Result<bool, KernelError> {
    let members = kernel.members(folder)?;
    if !members.is_empty() {
        // Whoever removed the home meanwhile meant its processes to be one further up.
        let mut to = home.folder.as_path();
        while kernel.value(to, "cgroup.procs")?.is_none() {
            let Some(above) = to.parent() else { break };
            to = above;
        }
        for process in &members {
            kernel.enter(to, process)?;
        }
    }
    kernel.remove_group(folder)
}
