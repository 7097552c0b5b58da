//! Processes and control groups: limits, state, rights, open files, membership, and every value that can be written.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use deadstick_core::identity::ProcessIdentity;
use deadstick_faults::{cgroup, process};

use super::Snapshot;

/// What of `/proc/PID/status` nobody but an intruder changes.
const STATUS: [&str; 17] = [
    "Name",
    "Umask",
    "TracerPid",
    "Uid",
    "Gid",
    "Groups",
    "NSpid",
    "SigBlk",
    "SigIgn",
    "SigCgt",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "NoNewPrivs",
    "Seccomp",
    "Cpus_allowed_list",
];
/// Words in the names of files of a group that count, or act when they are written.
const NO_VALUES: [&str; 7] = ["usage", "failcnt", "peak", "stat", "pressure", "empty", "event"];

pub(super) fn look(target: &ProcessIdentity, snapshot: &mut Snapshot) {
    let pid = target.pid;
    let read = |file: &str| {
        fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_else(|error| error.to_string())
    };
    let status = read("status");
    let status: Vec<_> = status
        .lines()
        .filter(|line| line.split(':').next().is_some_and(|name| STATUS.contains(&name)))
        .collect();
    let stat = read("stat");
    // Behind the name, which may have spaces: priority, niceness; real-time priority and policy.
    let numbers: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let order: Vec<_> =
        [15, 16, 37, 38].iter().map(|at| numbers.get(*at).copied().unwrap_or_default()).collect();
    let mut files: Vec<_> = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| format!("{:?} {:?}", entry.file_name(), fs::read_link(entry.path()).ok()))
        .collect();
    files.sort();
    let told = [
        format!("{:?}", process::life(target).expect("readable")),
        read("limits"),
        read("cgroup"),
        format!("out of memory {} order {order:?}", read("oom_score_adj").trim()),
        status.join("\n"),
        files.join("\n"),
    ];
    snapshot.add(format!("process {pid}"), told.join("\n"));
}

/// A group and all below it, in every hierarchy that has it.
pub(super) fn look_at_groups(group: &Path, snapshot: &mut Snapshot) {
    for hierarchy in cgroup::hierarchies().expect("readable") {
        let folder = hierarchy.folder(group);
        if folder.is_dir() {
            let mut told = String::new();
            values(&folder, &mut told);
            snapshot.add(folder.display().to_string(), told);
        }
    }
}

fn values(folder: &Path, told: &mut String) {
    let mut entries: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let Ok(about) = entry.metadata() else { continue };
        if about.is_dir() {
            told.push_str(&format!("{}:\n", path.display()));
            values(&path, told);
        } else if about.permissions().mode() & 0o200 != 0
            && !name.split(['.', '_']).any(|word| NO_VALUES.contains(&word))
        {
            // One that can only be written, or not in this kind of group, has nothing to say.
            let value = fs::read_to_string(&path).unwrap_or_default();
            let mut lines: Vec<_> = value.lines().collect();
            lines.sort_unstable();
            told.push_str(&format!("{name} = {}\n", lines.join(" ")));
        }
    }
}

/// Groups of this machine whose names have one of these words in them.
pub(crate) fn groups_named(words: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for hierarchy in cgroup::hierarchies().expect("readable") {
        search(&hierarchy.mount, words, &mut found);
    }
    found
}

fn search(folder: &Path, words: &[String], found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if words.iter().any(|word| name.contains(word)) {
                found.push(entry.path().display().to_string());
            }
            search(&entry.path(), words, found);
        }
    }
}

/// Processes, by pid, that were started with this word in their environment, or by one of those.
pub(crate) fn started_with(word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        // Other users' processes cannot be read, and are none of ours; one that has ended has no environment.
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|one| one == word.as_bytes()) {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(format!(
                "{:?}: {}",
                entry.file_name(),
                String::from_utf8_lossy(&line).replace('\0', " ")
            ));
        }
    }
    found
}
