//! Whether a process is held by a control group's freezer.
//!
//! Owns finding the group of a process in either version's hierarchy; freezing is left to the faults crate.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Whether the process with this folder in `/proc` is frozen, by its own group or one above. A group that cannot be
/// seen from here (another mount, another namespace) counts as not freezing.
pub(super) fn holds(process: &Path) -> io::Result<bool> {
    let groups = match fs::read_to_string(process.join("cgroup")) {
        Ok(groups) => groups,
        Err(error) if super::went(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(group)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let frozen = if controllers.is_empty() {
            mount(&mounts, "cgroup2", None)
                .is_some_and(|root| says(&root, group, "cgroup.events", |l| l == "frozen 1"))
        } else if controllers.split(',').any(|c| c == "freezer") {
            mount(&mounts, "cgroup", Some("freezer"))
                .is_some_and(|root| says(&root, group, "freezer.state", |l| l == "FROZEN"))
        } else {
            false
        };
        if frozen {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where a hierarchy is mounted: the mount point of the first entry of this type (and with this super option).
fn mount(mounts: &str, kind: &str, option: Option<&str>) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let right_kind = after.next()? == kind;
        let options = after.nth(1)?;
        let right_option = option.is_none_or(|o| options.split(',').any(|x| x == o));
        (right_kind && right_option).then(|| before.split(' ').nth(4).map(PathBuf::from))?
    })
}

fn says(root: &Path, group: &str, file: &str, matches: impl Fn(&str) -> bool) -> bool {
    fs::read_to_string(root.join(group.trim_start_matches('/')).join(file))
        .is_ok_and(|text| text.lines().any(|line| matches(line.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found_where_they_are_mounted() {
        let mounts = "30 1 0:25 / /sys/fs/cgroup/freezer rw,nosuid - cgroup cgroup rw,freezer\n\
                      31 1 0:26 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(mount(mounts, "cgroup2", None), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(mount(mounts, "cgroup", Some("freezer")), Some(PathBuf::from("/sys/fs/cgroup/freezer")));
        assert_eq!(mount(mounts, "cgroup", Some("memory")), None);
    }
}
