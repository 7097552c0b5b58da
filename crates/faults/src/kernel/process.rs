//! Processes: what they do, and signals.

use std::time::Duration;

use deadstick_core::fault::{Signal, Target};
use deadstick_core::identity::ProcessIdentity;
use rustix::process::{Pid, PidfdFlags, Signal as Number, pidfd_open, pidfd_send_signal};

use super::{KernelError, Linux};
use crate::find;
use crate::process::{self, Life};

/// What is sent to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// A signal that ends it.
    End(Signal),
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Continue,
}

/// Whether a signal found its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Sent.
    Sent,
    /// No process has that identity any more; nothing was sent.
    Gone,
}

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// The process has a handler for it.
    Caught,
    /// The process ignores it.
    Ignored,
    /// The process has put it off.
    Blocked,
    /// Nothing was said about it: it does what it does by itself, which is to end the process.
    Default,
}

/// What faults ask of processes.
pub trait Processes: Send + Sync {
    /// What a process does.
    ///
    /// # Errors
    /// It cannot be read.
    fn life(&self, process: &ProcessIdentity) -> Result<Life, KernelError>;
    /// Sends a signal, to exactly this process and never to a later bearer of its pid.
    ///
    /// # Errors
    /// The kernel refuses.
    fn signal(&self, process: &ProcessIdentity, what: Sent) -> Result<Delivery, KernelError>;
    /// How a process takes a signal; none when it is gone.
    ///
    /// # Errors
    /// It cannot be read.
    fn reception(&self, process: &ProcessIdentity, signal: Signal) -> Result<Option<Reception>, KernelError>;
    /// Who bears a name now, for a target that was found by it before.
    ///
    /// # Errors
    /// It cannot be looked for.
    fn find(&self, target: &Target) -> Result<Vec<ProcessIdentity>, KernelError>;
    /// How much processor time a process has used; none at all when it is gone.
    ///
    /// # Errors
    /// It cannot be read.
    fn time_used(&self, process: &ProcessIdentity) -> Result<Duration, KernelError>;
    /// Everything that comes from these processes, without them.
    ///
    /// # Errors
    /// The machine cannot be read.
    fn offspring(&self, processes: &[ProcessIdentity]) -> Result<Vec<ProcessIdentity>, KernelError>;
}

impl Processes for Linux {
    fn life(&self, process: &ProcessIdentity) -> Result<Life, KernelError> {
        Ok(process::life(process)?)
    }

    fn signal(&self, process: &ProcessIdentity, what: Sent) -> Result<Delivery, KernelError> {
        let call = |doing| move |errno: rustix::io::Errno| KernelError::Call { doing, source: errno.into() };
        let Some(pid) = Pid::from_raw(process.pid.cast_signed()) else { return Ok(Delivery::Gone) };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            // The latter between the end of a process and the end of its number.
            Err(rustix::io::Errno::SRCH | rustix::io::Errno::INVAL) => return Ok(Delivery::Gone),
            Err(errno) => return Err(call("open the process")(errno)),
        };
        // Read after opening: what the handle stands for can no longer change, and a later bearer of the pid is seen.
        if process::life(process)? == Life::Gone {
            return Ok(Delivery::Gone);
        }
        match pidfd_send_signal(&handle, number(what)) {
            Ok(()) => Ok(Delivery::Sent),
            Err(rustix::io::Errno::SRCH) => Ok(Delivery::Gone),
            Err(errno) => Err(call("signal the process")(errno)),
        }
    }

    fn reception(&self, process: &ProcessIdentity, signal: Signal) -> Result<Option<Reception>, KernelError> {
        let path = format!("/proc/{}/status", process.pid);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if process::life(process)? == Life::Gone {
            return Ok(None);
        }
        let bit = 1_u64 << (number(Sent::End(signal)).as_raw() - 1);
        let has = |name: &str| {
            let mask = text.lines().find_map(|line| line.strip_prefix(name));
            mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
                .is_some_and(|mask| mask & bit != 0)
        };
        Ok(Some(match (has("SigIgn:"), has("SigBlk:"), has("SigCgt:")) {
            (true, ..) => Reception::Ignored,
            (_, true, _) => Reception::Blocked,
            (.., true) => Reception::Caught,
            _ => Reception::Default,
        }))
    }

    fn find(&self, target: &Target) -> Result<Vec<ProcessIdentity>, KernelError> {
        Ok(find::again(target)?)
    }

    fn time_used(&self, process: &ProcessIdentity) -> Result<Duration, KernelError> {
        // Nanoseconds on a processor, then two other numbers; missing when the process is gone.
        let text = std::fs::read_to_string(format!("/proc/{}/schedstat", process.pid)).unwrap_or_default();
        let used = text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
        Ok(Duration::from_nanos(used))
    }

    fn offspring(&self, processes: &[ProcessIdentity]) -> Result<Vec<ProcessIdentity>, KernelError> {
        Ok(find::offspring(processes)?)
    }
}

const fn number(what: Sent) -> Number {
    match what {
        Sent::End(Signal::Term) => Number::TERM,
        Sent::End(Signal::Int) => Number::INT,
        Sent::End(Signal::Quit) => Number::QUIT,
        Sent::End(Signal::Hup) => Number::HUP,
        Sent::End(Signal::Abrt) => Number::ABORT,
        Sent::End(Signal::Segv) => Number::SEGV,
        Sent::End(Signal::Usr1) => Number::USR1,
        Sent::End(Signal::Usr2) => Number::USR2,
        Sent::End(Signal::Kill) => Number::KILL,
        Sent::Stop => Number::STOP,
        Sent::Continue => Number::CONT,
    }
}
