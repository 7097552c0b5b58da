//! Whether a process is there, and whether it is stopped.
//!
//! Owns reading `/proc`. A process known by identity is never confused with a later bearer of its pid; one known by
//! pid only is whoever has that pid now. Zombies are gone: they hold a number and nothing else.

use std::path::Path;
use std::{fs, io};

use deadstick_core::identity::{BOOT_ID, ProcessIdentity, ProcessStat};
use deadstick_core::probe::{ProcessProbe, ProcessState};

use crate::prober::Context;
use crate::verdict::Verdict;

mod freezer;

/// Looks once.
pub(crate) fn ask(probe: &ProcessProbe, context: &Context) -> Verdict {
    let (pid, identity) = match (probe.pid, &probe.lab) {
        (Some(pid), None) => (pid, None),
        (None, Some(host)) => match context.processes.get(host) {
            Some(Some(identity)) => (identity.pid, Some(identity)),
            Some(None) => {
                let holds = probe.expect == ProcessState::Gone;
                return Verdict::checked(holds, format!("no process runs on lab host {host}"))
                    .with_value(word(ProcessState::Gone));
            }
            None => return Verdict::unknown(format!("no process is known for lab host {host}")),
        },
        (None, None) => return Verdict::unknown("the probe names no process"),
        (Some(_), Some(_)) => return Verdict::unknown("the probe names two processes: a pid and a lab host"),
    };
    match state(pid, identity) {
        Ok(state) => {
            let word = word(state);
            let detail = if state == probe.expect {
                format!("process {pid} is {word}")
            } else {
                format!("process {pid} is {word}, expected {}", self::word(probe.expect))
            };
            Verdict::checked(state == probe.expect, detail).with_value(word)
        }
        Err(error) => Verdict::unknown(format!("process {pid} cannot be looked at: {error}")),
    }
}

const fn word(state: ProcessState) -> &'static str {
    match state {
        ProcessState::Running => "running",
        ProcessState::Paused => "paused",
        ProcessState::Gone => "gone",
    }
}

fn state(pid: u32, identity: Option<&ProcessIdentity>) -> io::Result<ProcessState> {
    if let Some(identity) = identity
        && fs::read_to_string(BOOT_ID)?.trim() != identity.boot
    {
        return Ok(ProcessState::Gone);
    }
    let folder = Path::new("/proc").join(pid.to_string());
    let line = match fs::read(folder.join("stat")) {
        Ok(line) => line,
        Err(error) if went(&error) => return Ok(ProcessState::Gone),
        Err(error) => return Err(error),
    };
    let stat = ProcessStat::parse(&line)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its stat line has another shape"))?;
    if identity.is_some_and(|i| i.start_ticks != stat.start_ticks) {
        return Ok(ProcessState::Gone);
    }
    Ok(if stat.is_gone() {
        ProcessState::Gone
    // The freezer shows as sleep, not as stop.
    } else if stat.is_stopped() || freezer::holds(&folder)? {
        ProcessState::Paused
    } else {
        ProcessState::Running
    })
}

/// No such file, or (while reading) no such process.
fn went(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}
