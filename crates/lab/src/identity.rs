//! Reading identities from `/proc`, in the numbering of the machine's own `/proc` mount, which is the owner's even for
//! a process that lives in the lab's pid namespace.

use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::MetadataExt;

use deadstick_core::identity::{BOOT_ID, ProcessIdentity, ProcessStat};

fn stat(which: &str) -> Result<ProcessStat> {
    ProcessStat::parse(&fs::read(format!("/proc/{which}/stat"))?)
        .ok_or_else(|| Error::new(ErrorKind::InvalidData, "/proc/PID/stat is not as expected"))
}

/// The process that `/proc/<which>` shows.
fn read(which: &str) -> Result<ProcessIdentity> {
    let ProcessStat { pid, start_ticks, .. } = stat(which)?;
    let boot = fs::read_to_string(BOOT_ID)?.trim().to_owned();
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
    Ok(stat("self")?.parent)
}

/// The inode number of this process's network namespace.
pub(crate) fn network() -> Result<u64> {
    Ok(fs::metadata("/proc/self/ns/net")?.ino())
}
