//! Processes: letting them go on, and ending those that are ours.

use std::sync::Arc;
use std::time::Duration;

use deadstick_core::fault::Signal;
use deadstick_core::identity::ProcessIdentity;

use super::{UndoFailure, Undone, until};
use crate::kernel::{Delivery, Kernel, KernelError, Sent};
use crate::process::Life;

pub(super) async fn resume(
    kernel: &Arc<dyn Kernel>,
    process: &ProcessIdentity,
) -> Result<Undone, UndoFailure> {
    let manual = format!("kill -CONT {}", process.pid);
    let failed = |error: KernelError| UndoFailure { why: error.to_string(), manual: manual.clone() };
    if kernel.signal(process, Sent::Continue).map_err(failed)? == Delivery::Gone {
        return Ok(Undone::AlreadyGone);
    }
    if until(Duration::from_secs(1), || Ok(kernel.life(process)? != Life::Stopped)).await.map_err(failed)? {
        Ok(Undone::Done)
    } else {
        Err(UndoFailure { why: format!("process {} does not go on", process.pid), manual })
    }
}

/// Sends the signals in turn until the process is gone.
pub(super) async fn end(
    kernel: &Arc<dyn Kernel>,
    process: &ProcessIdentity,
    signals: &[Signal],
) -> Result<Undone, UndoFailure> {
    let manual = format!("kill -KILL {}", process.pid);
    let failed = |error: KernelError| UndoFailure { why: error.to_string(), manual: manual.clone() };
    for (turn, signal) in signals.iter().enumerate() {
        match kernel.signal(process, Sent::End(*signal)).map_err(failed)? {
            Delivery::Gone if turn == 0 => return Ok(Undone::AlreadyGone),
            Delivery::Gone => return Ok(Undone::Done),
            Delivery::Sent => {}
        }
        let patience =
            if *signal == Signal::Kill { Duration::from_secs(3) } else { Duration::from_millis(700) };
        if until(patience, || Ok(kernel.life(process)? == Life::Gone)).await.map_err(failed)? {
            return Ok(Undone::Done);
        }
    }
    Err(UndoFailure { why: format!("process {} does not end", process.pid), manual })
}
