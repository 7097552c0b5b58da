//! Files: what is in a folder, locks on it, what is mounted there, and how much room there is.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use deadstick_faults::kernel::{Linux, Storage};
use nix::sys::stat::{major, minor};

use super::Snapshot;

/// Room is compared in steps that a file system's own books stay within.
const STEP: u64 = 4 << 20;

/// A folder, or the folder that a file is in.
pub(super) fn look(path: &Path, snapshot: &mut Snapshot) {
    let folder = if path.is_dir() { path } else { path.parent().expect("it is in a folder") };
    let (mut told, mut numbers) = (String::new(), Vec::new());
    list(folder, &mut told, &mut numbers);
    snapshot.add(format!("files in {}", folder.display()), told);
    let locks = fs::read_to_string("/proc/locks").expect("readable");
    let ours = |line: &&str| numbers.iter().any(|number| line.contains(&format!(" {number} ")));
    // Without the count in front.
    let locks: Vec<_> =
        locks.lines().filter(ours).map(|line| line.split_once(": ").map_or(line, |(_, lock)| lock)).collect();
    snapshot.add(format!("locks in {}", folder.display()), locks.join("\n"));
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").expect("readable");
    let place = folder.display().to_string();
    let here: Vec<_> = mounts.lines().filter(|line| line.contains(&place)).collect();
    snapshot.add(format!("mounts in {place}"), here.join("\n"));
    if !here.is_empty() {
        let room = (Linux.space(folder).expect("readable").available + STEP / 2) / STEP;
        snapshot.add(format!("room in {place}"), room.to_string());
    }
}

fn list(folder: &Path, told: &mut String, numbers: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(folder).expect("readable").flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // What goes while it is looked at is not there.
        let Ok(about) = entry.metadata() else { continue };
        numbers.push(format!("{:02x}:{:02x}:{}", major(about.dev()), minor(about.dev()), about.ino()));
        let mut content = DefaultHasher::new();
        if about.is_file() {
            fs::read(&path).unwrap_or_default().hash(&mut content);
        }
        told.push_str(&format!(
            "{} {:o} {}:{} {} bytes {:x}\n",
            path.display(),
            about.mode(),
            about.uid(),
            about.gid(),
            if about.is_file() { about.size() } else { 0 },
            content.finish()
        ));
        if about.is_dir() {
            list(&path, told, numbers);
        }
    }
}
