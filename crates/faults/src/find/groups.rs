//! Control groups by path, and by what they are named after: systemd units and containers.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use deadstick_core::identity::ProcessIdentity;

use super::processes::without_ours;
use super::{FindError, unknown};
use crate::cgroup::{self, Hierarchy};
use crate::process::ProcessError;

/// How deep groups are looked for by name.
const DEEPEST: usize = 16;

/// A control group and who is in it, or in a group below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its path below the root of the hierarchies.
    pub path: PathBuf,
    /// Its processes.
    pub processes: Vec<ProcessIdentity>,
}

/// A control group by its path below the root of the hierarchies.
///
/// # Errors
/// No hierarchy has it; or the machine cannot be read.
pub fn by_cgroup(path: &Path) -> Result<Group, FindError> {
    if path.components().any(|part| part == Component::ParentDir) {
        let why = "it goes down from the mount and never up again, by `..`".to_owned();
        return Err(FindError::Bad { what: "control group", name: path.display().to_string(), why });
    }
    // One name for one group, whatever slashes and dots it was written with.
    let path: PathBuf = Path::new("/").join(path).components().collect();
    let folders: Vec<_> = cgroup::hierarchies()?.iter().map(|one| one.folder(&path)).collect();
    if !folders.iter().any(|folder| folder.is_dir()) {
        let hint = "name it by its path below /sys/fs/cgroup, such as system.slice/app.service";
        return Err(unknown("control group", &path.display().to_string(), hint));
    }
    let mut processes = BTreeSet::new();
    for folder in folders {
        processes.extend(cgroup::members(&folder)?);
    }
    Ok(Group { path, processes: without_ours(processes)? })
}

/// What the name of a unit with processes can end in.
const UNIT_ENDINGS: [&str; 7] = ["service", "scope", "slice", "socket", "mount", "automount", "swap"];

/// A systemd unit; without an ending, a service.
///
/// # Errors
/// It has no control group: it does not run, or does not exist.
pub fn by_unit(name: &str) -> Result<Group, FindError> {
    let has_ending = name.rsplit_once('.').is_some_and(|(_, ending)| UNIT_ENDINGS.contains(&ending));
    let unit = if has_ending { name.to_owned() } else { format!("{name}.service") };
    if unit.contains('/') || unit.starts_with('-') {
        let why = "a unit's name has no slash and does not begin with a hyphen".to_owned();
        return Err(FindError::Bad { what: "unit", name: name.to_owned(), why });
    }
    if let Some(path) = asked_of_systemd(&unit) {
        return by_cgroup(&path);
    }
    let found = groups_named(|folder| folder == unit)?;
    by_cgroup(&only(found, "running unit", name, "see systemctl status")?)
}

/// A container of Docker, podman or containerd, by its id or the beginning of it. CRI-O names its groups alike, which is
/// not tried.
///
/// # Errors
/// No control group, or more than one, bears such an id.
pub fn by_container(id: &str) -> Result<Group, FindError> {
    if id.len() < 4 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let why = "it takes four hexadecimal digits or more".to_owned();
        return Err(FindError::Bad { what: "container id", name: id.to_owned(), why });
    }
    let id = id.to_ascii_lowercase();
    let found = groups_named(|folder| container_id(folder).is_some_and(|own| own.starts_with(&id)))?;
    let mut group = by_cgroup(&only(found, "running container", &id, "see docker ps or podman ps")?)?;
    group.processes.retain(|process| !is_starting(process.pid));
    Ok(group)
}

/// Whether it is still the runtime that makes the container, before it becomes the container's own program. A container
/// whose start fails is not started again by those who would start one that has ended.
fn is_starting(pid: u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    // It comes into the group as a copy of the runtime, and gives itself a name of its own only later.
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let program = program.to_string_lossy();
    name.starts_with("runc:[")
        || matches!(name.trim_end(), "runc" | "crun")
        || program.starts_with("/memfd:runc_cloned:")
        || matches!(program.rsplit('/').next(), Some("runc" | "crun"))
}

/// The id in the name of a container's group: `ID`, `docker-ID.scope`, `libpod-ID.scope`, `cri-containerd-ID.scope`.
fn container_id(folder: &str) -> Option<&str> {
    // podman's monitor is beside the container, not in it.
    if folder.contains("conmon") {
        return None;
    }
    let id = folder.strip_suffix(".scope").unwrap_or(folder);
    let id = id.rsplit_once(['-', ':']).map_or(id, |(_, id)| id);
    (id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// What systemd says, where it runs.
fn asked_of_systemd(unit: &str) -> Option<PathBuf> {
    if !Path::new("/run/systemd/system").is_dir() {
        return None;
    }
    let mut command = std::process::Command::new("systemctl");
    let said = command.args(["show", "--property=ControlGroup", "--value", "--", unit]).output().ok()?;
    let path = String::from_utf8(said.stdout).ok().filter(|_| said.status.success())?;
    Some(path.trim()).filter(|path| path.len() > 1).map(PathBuf::from)
}

/// The topmost groups whose names are wanted, in any hierarchy.
fn groups_named(is_wanted: impl Fn(&str) -> bool) -> Result<BTreeSet<PathBuf>, ProcessError> {
    let mut found = BTreeSet::new();
    for hierarchy in cgroup::hierarchies()? {
        search(&hierarchy, &hierarchy.mount, DEEPEST, &is_wanted, &mut found)?;
    }
    Ok(found)
}

fn search(
    hierarchy: &Hierarchy,
    folder: &Path,
    depth: usize,
    is_wanted: &impl Fn(&str) -> bool,
    found: &mut BTreeSet<PathBuf>,
) -> Result<(), ProcessError> {
    for below in cgroup::groups_below(folder)? {
        if below.file_name().and_then(|name| name.to_str()).is_some_and(is_wanted) {
            found.insert(hierarchy.path(&below));
        } else if depth > 0 {
            search(hierarchy, &below, depth - 1, is_wanted, found)?;
        }
    }
    Ok(())
}

fn only(
    found: BTreeSet<PathBuf>,
    what: &'static str,
    name: &str,
    hint: &'static str,
) -> Result<PathBuf, FindError> {
    let mut found: Vec<_> = found.into_iter().collect();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(unknown(what, name, hint)),
        (Some(last), false) => {
            found.push(last);
            let found = found.iter().map(|path| path.display().to_string()).collect();
            Err(FindError::Ambiguous { name: name.to_owned(), found })
        }
    }
}
