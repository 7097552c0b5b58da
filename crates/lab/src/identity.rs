//! Reading identities from `/proc`, in the numbering of the machine's own `/proc` mount, which is the owner's even for
//! a process that lives in the lab's pid namespace.

use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::MetadataExt;

use deadstick_core::identity::ProcessIdentity;

/// The process that `/proc/<which>` shows.
fn read(which: &str) -> Result<ProcessIdentity> {
    let stat = fs::read_to_string(format!("/proc/{which}/stat"))?;
    let malformed = || Error::new(ErrorKind::InvalidData, "/proc/PID/stat is not as expected");
    let pid = stat.split(' ').next().and_then(|p| p.parse().ok()).ok_or_else(malformed)?;
    // The command in brackets may itself hold brackets and spaces: fields are counted from the last bracket. The first
    // one after it is field 3, the start time is field 22.
    let rest = stat.rsplit_once(") ").ok_or_else(malformed)?.1;
    let start_ticks = rest.split(' ').nth(22 - 3).and_then(|t| t.parse().ok()).ok_or_else(malformed)?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
    Ok(ProcessIdentity { pid, start_ticks, boot })
}

/// This process.
pub(crate) fn mine() -> Result<ProcessIdentity> {
    read("self")
}

/// A process by its pid.
pub(crate) fn of(pid: u32) -> Result<ProcessIdentity> {
    read(&pid.to_string())
}

/// The parent of this process.
pub(crate) fn parent() -> Result<u32> {
    let status = fs::read_to_string("/proc/self/status")?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .and_then(|pid| pid.trim().parse().ok())
        .ok_or_else(|| Error::new(ErrorKind::InvalidData, "/proc/self/status names no parent"))
}

/// The inode number of this process's network namespace.
pub(crate) fn network() -> Result<u64> {
    Ok(fs::metadata("/proc/self/ns/net")?.ino())
}
