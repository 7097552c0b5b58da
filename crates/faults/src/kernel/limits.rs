//! Limits of single processes.

use std::fs;
use std::io::{self, Write};

use deadstick_core::identity::ProcessIdentity;
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, pidfd_open, prlimit};

use super::{KernelError, Linux};
use crate::process::{self, Life, ProcessError};

/// How many files a process may open; no limit is [`u64::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimit {
    /// What holds.
    pub soft: u64,
    /// How far the process may raise it itself.
    pub hard: u64,
}

/// What faults ask of the limits of processes.
pub trait Limits: Send + Sync {
    /// How many files a process may open; none when it is gone.
    ///
    /// # Errors
    /// The kernel refuses.
    fn file_limit(&self, process: &ProcessIdentity) -> Result<Option<FileLimit>, KernelError>;
    /// Sets how many files a process may open, if what it may now is as expected; whether it was done.
    ///
    /// # Errors
    /// The kernel refuses.
    fn set_file_limit(
        &self,
        process: &ProcessIdentity,
        expected: u64,
        soft: u64,
    ) -> Result<bool, KernelError>;
    /// How willing a process is to be ended for lack of memory (`oom_score_adj`); none when it is gone.
    ///
    /// # Errors
    /// It cannot be read.
    fn oom_score(&self, process: &ProcessIdentity) -> Result<Option<i32>, KernelError>;
    /// Sets that, if it is as expected; whether it was done.
    ///
    /// # Errors
    /// The kernel refuses.
    fn set_oom_score(
        &self,
        process: &ProcessIdentity,
        expected: i32,
        score: i32,
    ) -> Result<bool, KernelError>;
    /// How many files a process has open.
    ///
    /// # Errors
    /// They may not be read.
    fn open_files(&self, process: &ProcessIdentity) -> Result<usize, KernelError>;
}

fn call(doing: &'static str) -> impl Fn(rustix::io::Errno) -> KernelError {
    move |errno| KernelError::Call { doing, source: errno.into() }
}

/// Reads, and sets what `new` makes of it. The handle keeps the number from a new bearer between look and call.
fn limit(
    process: &ProcessIdentity,
    new: impl FnOnce(FileLimit) -> Option<u64>,
) -> Result<Option<(FileLimit, bool)>, KernelError> {
    let Some(pid) = Pid::from_raw(process.pid.cast_signed()) else { return Ok(None) };
    let _handle = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => handle,
        // The latter between the end of a process and the end of its number.
        Err(rustix::io::Errno::SRCH | rustix::io::Errno::INVAL) => return Ok(None),
        Err(errno) => return Err(call("open the process")(errno)),
    };
    if process::life(process)? == Life::Gone {
        return Ok(None);
    }
    let path = format!("/proc/{}/limits", process.pid);
    let text =
        fs::read_to_string(&path).map_err(|source| ProcessError::Read { path: path.clone(), source })?;
    let found = parse(&text).ok_or(ProcessError::Form(path))?;
    let Some(soft) = new(found) else { return Ok(Some((found, false))) };
    let number = |value: u64| (value != u64::MAX).then_some(value);
    match prlimit(Some(pid), Resource::Nofile, Rlimit { current: number(soft), maximum: number(found.hard) })
    {
        Ok(_) => Ok(Some((found, true))),
        Err(rustix::io::Errno::SRCH) => Ok(None),
        Err(errno) => Err(call("set the limit of open files")(errno)),
    }
}

fn oom_score_of(process: &ProcessIdentity) -> String {
    format!("/proc/{}/oom_score_adj", process.pid)
}

/// The line about open files of `/proc/PID/limits`.
fn parse(text: &str) -> Option<FileLimit> {
    let mut numbers = text.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace();
    let mut number = || match numbers.next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    };
    Some(FileLimit { soft: number()?, hard: number()? })
}

impl Limits for Linux {
    fn file_limit(&self, process: &ProcessIdentity) -> Result<Option<FileLimit>, KernelError> {
        Ok(limit(process, |_| None)?.map(|(found, _)| found))
    }

    fn set_file_limit(
        &self,
        process: &ProcessIdentity,
        expected: u64,
        soft: u64,
    ) -> Result<bool, KernelError> {
        let set = limit(process, |found| (found.soft == expected).then_some(soft))?;
        Ok(set.is_some_and(|(_, done)| done))
    }

    fn oom_score(&self, process: &ProcessIdentity) -> Result<Option<i32>, KernelError> {
        let path = oom_score_of(process);
        let text = fs::read_to_string(&path);
        if process::life(process)? == Life::Gone {
            return Ok(None);
        }
        let text = text.map_err(|source| ProcessError::Read { path: path.clone(), source })?;
        Ok(Some(text.trim().parse().map_err(|_| ProcessError::Form(path))?))
    }

    fn set_oom_score(
        &self,
        process: &ProcessIdentity,
        expected: i32,
        score: i32,
    ) -> Result<bool, KernelError> {
        // Opened before the look at who it is: what is open stays with that process.
        let file = match fs::OpenOptions::new().write(true).open(oom_score_of(process)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(KernelError::Call { doing: "open oom_score_adj", source }),
        };
        if self.oom_score(process)? != Some(expected) {
            return Ok(false);
        }
        match (&file).write_all(score.to_string().as_bytes()) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(false),
            Err(source) => Err(KernelError::Call { doing: "set oom_score_adj", source }),
        }
    }

    fn open_files(&self, process: &ProcessIdentity) -> Result<usize, KernelError> {
        let listed = fs::read_dir(format!("/proc/{}/fd", process.pid));
        listed.map(Iterator::count).map_err(|source| KernelError::Call { doing: "count open files", source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_of_limits_is_read() {
        let own = fs::read_to_string("/proc/self/limits").expect("readable");
        assert!(parse(&own).is_some_and(|limit| limit.soft <= limit.hard), "{own}");
        let limit = parse("Max open files            16                   unlimited            files");
        assert_eq!(limit, Some(FileLimit { soft: 16, hard: u64::MAX }));
    }
}
