//! Whom a name means now: processes by command line, user, control group, systemd unit or container.
//!
//! Owns the search. It never finds this process, its parents, or any guardian or holder of deadstick. Found once, a target
//! is remembered by identity; only a fault that asks for it (`kill --every-restart`) searches again. Leaves what may be
//! touched to the policy.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use deadstick_core::fault::Target;
use deadstick_core::identity::{ProcessIdentity, ProcessStat};
use regex::Regex;

use crate::cgroup::{self, Hierarchy};
use crate::process::{self, ProcessError};

/// How deep groups are looked for by name.
const DEEPEST: usize = 16;

/// Why a name could not be followed.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The machine could not be read.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Nothing has that name.
    #[error("there is no {what} {name}; {hint}")]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// By which name.
        name: String,
        /// What to do next.
        hint: &'static str,
    },
    /// Several have that name.
    #[error("{name} may be any of {}; write more of it", found.join(", "))]
    Ambiguous {
        /// The name.
        name: String,
        /// What it may be.
        found: Vec<String>,
    },
    /// The name cannot be one.
    #[error("{name:?} is no {what}: {why}")]
    Bad {
        /// What it should be.
        what: &'static str,
        /// What was written.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

/// A control group and who is in it, or in a group below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its path below the root of the hierarchies.
    pub path: PathBuf,
    /// Its processes.
    pub processes: Vec<ProcessIdentity>,
}

/// The processes whose command line, its arguments joined by spaces, matches.
///
/// # Errors
/// `/proc` cannot be read.
pub fn by_command(pattern: &Regex) -> Result<Vec<ProcessIdentity>, ProcessError> {
    all(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = line
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty())
            .map(String::from_utf8_lossy)
            .collect();
        !words.is_empty() && pattern.is_match(&words.join(" "))
    })
}

/// The processes of a user, by the user they act as; threads of the kernel are nobody's.
///
/// # Errors
/// `/proc` cannot be read.
pub fn by_user(user: u32) -> Result<Vec<ProcessIdentity>, ProcessError> {
    all(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let effective = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1));
        effective.and_then(|text| text.parse().ok()) == Some(user)
    })
}

/// The number of a user, by name or number.
///
/// # Errors
/// [`FindError::Unknown`].
pub fn user(name: &str) -> Result<u32, FindError> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match nix::unistd::User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err(unknown("user", name, "see getent passwd")),
        Err(errno) => Err(FindError::Bad { what: "user", name: name.to_owned(), why: errno.to_string() }),
    }
}

/// A control group by its path below the root of the hierarchies.
///
/// # Errors
/// No hierarchy has it; or the machine cannot be read.
pub fn by_cgroup(path: &Path) -> Result<Group, FindError> {
    let path = Path::new("/").join(path);
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

/// A systemd unit; without an ending, a service.
///
/// # Errors
/// It has no control group: it does not run, or does not exist.
pub fn by_unit(name: &str) -> Result<Group, FindError> {
    let unit = if name.contains('.') { name.to_owned() } else { format!("{name}.service") };
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

/// A container of Docker, podman, containerd or CRI-O, by its id or the beginning of it.
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
    by_cgroup(&only(found, "running container", &id, "see docker ps or podman ps")?)
}

/// Everything that comes from these processes, without them.
///
/// # Errors
/// `/proc` cannot be read.
pub fn offspring(processes: &[ProcessIdentity]) -> Result<Vec<ProcessIdentity>, ProcessError> {
    let own = |pid: u32| processes.iter().any(|process| process.pid == pid);
    all(|pid| !own(pid) && with_parents(pid).into_keys().any(own))
}

/// Who bears a name now.
///
/// # Errors
/// It cannot be looked for, or nothing bears it.
pub fn again(target: &Target) -> Result<Vec<ProcessIdentity>, FindError> {
    match target {
        Target::Process(pattern) => {
            let bad = |error: regex::Error| FindError::Bad {
                what: "regular expression",
                name: pattern.clone(),
                why: error.to_string(),
            };
            Ok(by_command(&Regex::new(pattern).map_err(bad)?)?)
        }
        Target::Unit(name) => Ok(by_unit(name)?.processes),
        Target::Cgroup(path) => Ok(by_cgroup(path)?.processes),
        Target::Container(id) => Ok(by_container(id)?.processes),
        Target::User(name) => Ok(by_user(user(name)?)?),
        other => {
            let hint = "name it by --process, --unit, --cgroup, --container or --user";
            Err(unknown("way to find again", &format!("{other:?}"), hint))
        }
    }
}

fn unknown(what: &'static str, name: &str, hint: &'static str) -> FindError {
    FindError::Unknown { what, name: name.to_owned(), hint }
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
    let said = command.args(["show", "--property=Group", "--value", "--", unit]).output().ok()?;
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

/// Every process that is wanted, in the order of pids.
fn all(is_wanted: impl Fn(u32) -> bool) -> Result<Vec<ProcessIdentity>, ProcessError> {
    let path = "/proc";
    let failed = |source| ProcessError::Read { path: path.to_owned(), source };
    let pids = fs::read_dir(path).map_err(failed)?.flatten();
    let mut pids: Vec<u32> =
        pids.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok())).collect();
    pids.sort_unstable();
    let mut found = Vec::new();
    for before in cgroup::identities(pids)? {
        // Who has the pid after the question is who the answer is about.
        if is_wanted(before.pid) && process::is_alive(&before) {
            found.push(before);
        }
    }
    without_ours(found)
}

/// Without this process, its parents, the guardians and holders of every deadstick, and threads of the kernel.
fn without_ours(
    found: impl IntoIterator<Item = ProcessIdentity>,
) -> Result<Vec<ProcessIdentity>, ProcessError> {
    let ours = with_parents(std::process::id());
    let kept = found.into_iter().filter(|process| {
        !ours.contains_key(&process.pid)
            && !is_helper(process.pid)
            && !with_parents(process.pid).contains_key(&KTHREADD)
    });
    Ok(kept.collect())
}

/// The process that every thread of the kernel comes from.
const KTHREADD: u32 = 2;

/// A process and its parents, each with its own parent.
fn with_parents(mut pid: u32) -> BTreeMap<u32, u32> {
    let mut chain = BTreeMap::new();
    while pid != 0 && !chain.contains_key(&pid) {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok().and_then(|line| ProcessStat::parse(&line));
        let parent = stat.map_or(0, |stat| stat.parent);
        chain.insert(pid, parent);
        pid = parent;
    }
    chain
}

/// Whether it is a guardian or a holder: this program, called so.
fn is_helper(pid: u32) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let role = line.split(|byte| *byte == 0).nth(1).unwrap_or_default();
    let same_program = || {
        let program = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        Some(program.file_name()? == fs::read_link("/proc/self/exe").ok()?.file_name()?)
    };
    matches!(role, b"guardian" | b"hold") && same_program().unwrap_or(false)
}
