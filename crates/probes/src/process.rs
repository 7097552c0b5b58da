//! Whether a process is there, and whether it is stopped.
//!
//! Owns reading `/proc`. A process known by identity is never confused with a later bearer of its pid; one known by
//! pid only is whoever has that pid now. Zombies are gone: they hold a number and nothing else.

use std::path::Path;
use std::{fs, io};

use deadstick_core::identity::ProcessIdentity;
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
        && fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim() != identity.boot
    {
        return Ok(ProcessState::Gone);
    }
    let folder = Path::new("/proc").join(pid.to_string());
    let line = match fs::read(folder.join("stat")) {
        Ok(line) => line,
        Err(error) if went(&error) => return Ok(ProcessState::Gone),
        Err(error) => return Err(error),
    };
    let stat = Stat::parse(&String::from_utf8_lossy(&line))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its stat line has another shape"))?;
    if identity.is_some_and(|i| i.start_ticks != stat.start_ticks) {
        return Ok(ProcessState::Gone);
    }
    Ok(match stat.state {
        'Z' | 'X' | 'x' => ProcessState::Gone,
        'T' | 't' => ProcessState::Paused,
        // The freezer shows as sleep, not as stop.
        _ if freezer::holds(&folder)? => ProcessState::Paused,
        _ => ProcessState::Running,
    })
}

/// No such file, or (while reading) no such process.
fn went(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// What is needed of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    start_ticks: u64,
}

impl Stat {
    /// Fields 3 and 22. The name in field 2 may hold anything, closing brackets too.
    fn parse(line: &str) -> Option<Self> {
        let (_, fields) = line.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let start_ticks = fields.nth(18)?.parse().ok()?;
        Some(Self { state, start_ticks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_confuse_the_stat_line() {
        let line = "7 (a) Z 1 (b)) T 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1";
        assert_eq!(Stat::parse(line), Some(Stat { state: 'T', start_ticks: 4711 }));
        assert_eq!(Stat::parse("7 (a"), None);
    }
}
