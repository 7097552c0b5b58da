//! Identities read from `/proc`, and the two clocks that leases use.
//!
//! Owns reading; leaves signals to [`crate::kernel`] and entering networks to [`crate::network`].

use std::fs;
use std::os::linux::fs::MetadataExt;
use std::time::Duration;

use deadstick_core::identity::{BOOT_ID, NetworkIdentity, ProcessIdentity, ProcessStat};

/// A process that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// No such process.
    #[error("there is no process {0}")]
    Gone(u32),
    /// The kernel refused to say.
    #[error("cannot read {path}: {source}")]
    Read {
        /// What was read.
        path: String,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// The kernel does not let us signal it.
    #[error("process {pid} may not be signalled: {source}")]
    Signal {
        /// Which.
        pid: u32,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// The kernel said something unexpected.
    #[error("{0} has an unexpected form")]
    Form(String),
}

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// There, and at least one thread is not stopped.
    Running,
    /// Every thread is stopped.
    Stopped,
    /// Not there; a zombie counts as gone.
    Gone,
}

fn stat(path: String) -> Result<ProcessStat, ProcessError> {
    match fs::read(&path) {
        Ok(line) => ProcessStat::parse(&line).ok_or(ProcessError::Form(path)),
        Err(source) => Err(ProcessError::Read { path, source }),
    }
}

/// The kernel's name for this boot.
///
/// # Errors
/// `/proc` is not there.
pub fn boot_id() -> Result<String, ProcessError> {
    let text = fs::read_to_string(BOOT_ID)
        .map_err(|source| ProcessError::Read { path: BOOT_ID.to_owned(), source })?;
    Ok(text.trim().to_owned())
}

/// Milliseconds since boot, sleep included (`CLOCK_BOOTTIME`).
#[must_use]
pub fn boottime_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let since = Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0));
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The identity of the process that has this pid now.
///
/// # Errors
/// It is gone, or `/proc` cannot be read.
pub fn of(pid: u32) -> Result<ProcessIdentity, ProcessError> {
    match stat(format!("/proc/{pid}/stat")) {
        Ok(stat) => Ok(ProcessIdentity { pid, start_ticks: stat.start_ticks, boot: boot_id()? }),
        Err(ProcessError::Read { source, .. }) if is_absent(&source) => Err(ProcessError::Gone(pid)),
        Err(other) => Err(other),
    }
}

/// This process.
///
/// # Errors
/// `/proc` cannot be read.
pub fn me() -> Result<ProcessIdentity, ProcessError> {
    of(std::process::id())
}

/// What the process with this identity does; a later bearer of its pid counts as [`Life::Gone`].
///
/// # Errors
/// `/proc` cannot be read.
pub fn life(process: &ProcessIdentity) -> Result<Life, ProcessError> {
    let leader = match stat(format!("/proc/{}/stat", process.pid)) {
        Ok(leader) => leader,
        Err(ProcessError::Read { source, .. }) if is_absent(&source) => return Ok(Life::Gone),
        Err(other) => return Err(other),
    };
    if leader.start_ticks != process.start_ticks || leader.is_gone() || boot_id()? != process.boot {
        return Ok(Life::Gone);
    }
    let path = format!("/proc/{}/task", process.pid);
    let threads = match fs::read_dir(&path) {
        Ok(threads) => threads,
        Err(source) if is_absent(&source) => return Ok(Life::Gone),
        Err(source) => return Err(ProcessError::Read { path, source }),
    };
    let all_stopped = threads.flatten().all(|thread| {
        // A thread that ended between the two reads is not running.
        stat(format!("{}/stat", thread.path().display())).map_or(true, |stat| stat.is_stopped())
    });
    Ok(if all_stopped { Life::Stopped } else { Life::Running })
}

/// Whether the process with this identity is there (a zombie is not). What cannot be read counts as there.
#[must_use]
pub fn is_alive(process: &ProcessIdentity) -> bool {
    !matches!(life(process), Ok(Life::Gone))
}

/// Whether nothing of the process with this identity runs any more. One that was ended may be gone for everybody while a
/// thread of it still waits in the kernel, and goes on there. What cannot be read counts as running.
#[must_use]
pub(crate) fn has_ended(process: &ProcessIdentity) -> bool {
    if is_alive(process) {
        return false;
    }
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", process.pid)) else { return true };
    let rest = threads.flatten().map(|thread| stat(format!("{}/stat", thread.path().display())));
    // Of the one process or of a later bearer of its pid, whose threads are younger.
    !rest.flatten().any(|thread| !thread.is_gone()) || of(process.pid).is_ok_and(|other| other != *process)
}

/// Whether this process may send signals to the one with this identity.
///
/// # Errors
/// Why not.
pub fn may_signal(process: &ProcessIdentity) -> Result<(), ProcessError> {
    let Some(pid) = rustix::process::Pid::from_raw(process.pid.cast_signed()) else {
        return Err(ProcessError::Gone(process.pid));
    };
    match rustix::process::test_kill_process(pid) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::SRCH) => Err(ProcessError::Gone(process.pid)),
        Err(errno) => Err(ProcessError::Signal { pid: process.pid, source: errno.into() }),
    }
}

/// The network namespace that the process with this pid lives in.
///
/// # Errors
/// It is gone, or its namespaces may not be read.
pub fn network_of(pid: u32) -> Result<NetworkIdentity, ProcessError> {
    let holder = of(pid)?;
    let path = format!("/proc/{pid}/ns/net");
    match fs::metadata(&path) {
        Ok(namespace) => Ok(NetworkIdentity::of_process(holder, namespace.st_ino())),
        // One that has ended has no namespaces any more, even while it waits for its parent.
        Err(source) if is_absent(&source) => Err(ProcessError::Gone(pid)),
        Err(source) => Err(ProcessError::Read { path, source }),
    }
}

/// ENOENT, or ESRCH for a process that ended while its file was open.
fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}

/// How many processors work in this machine; none where it does not say.
pub(crate) fn processors() -> Option<u32> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let own = text.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "));
    u32::try_from(own.count()).ok().filter(|all| *all > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recycled_pid_is_gone() {
        let me = me().expect("own identity");
        assert_eq!(life(&me).expect("own state"), Life::Running);
        for other in [
            ProcessIdentity { start_ticks: me.start_ticks + 1, ..me.clone() },
            ProcessIdentity { boot: "another boot".to_owned(), ..me.clone() },
        ] {
            assert_eq!(life(&other).expect("readable"), Life::Gone, "{other:?}");
        }
    }

    #[test]
    fn a_zombie_is_gone() {
        let mut child = std::process::Command::new("true").spawn().expect("true starts");
        let identity = of(child.id());
        // `true` ends by itself and is a zombie until it is waited for.
        while let Ok(identity) = &identity
            && life(identity).expect("readable") != Life::Gone
        {
            std::thread::yield_now();
        }
        child.wait().expect("reaped");
    }
}
