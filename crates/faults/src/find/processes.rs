//! Every process of this machine but those that are never a target: deadstick, what it was started from, and the kernel's.

use std::collections::BTreeMap;
use std::fs;

use deadstick_core::identity::{ProcessIdentity, ProcessStat};

use crate::cgroup;
use crate::process::{self, ProcessError};

/// Every process that is wanted, in the order of pids.
pub(super) fn all(is_wanted: impl Fn(u32) -> bool) -> Result<Vec<ProcessIdentity>, ProcessError> {
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
pub(super) fn without_ours(
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
pub(super) fn with_parents(mut pid: u32) -> BTreeMap<u32, u32> {
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
