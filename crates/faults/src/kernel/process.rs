//! Processes: what they do, and signals.

use deadstick_core::fault::Signal;
use deadstick_core::identity::ProcessIdentity;
use rustix::process::{Pid, PidfdFlags, Signal as Number, pidfd_open, pidfd_send_signal};

use super::{KernelError, Linux};
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
            Err(rustix::io::Errno::SRCH) => return Ok(Delivery::Gone),
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
