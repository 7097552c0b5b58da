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

/// Whatever comes from the processes and is stopped was stopped with them, but for what had been so before.
pub(super) async fn resume_family(
    kernel: &Arc<dyn Kernel>,
    processes: &[ProcessIdentity],
    except: &[ProcessIdentity],
) -> Result<Undone, UndoFailure> {
    let pids: Vec<_> = processes.iter().map(|process| process.pid.to_string()).collect();
    let manual = format!("kill -CONT {}", pids.join(" "));
    let failed = |error: KernelError| UndoFailure { why: error.to_string(), manual: manual.clone() };
    let stopped = |kernel: &dyn Kernel, process: &ProcessIdentity| {
        Ok::<_, KernelError>(!except.contains(process) && kernel.life(process)? == Life::Stopped)
    };
    // Before their parents: one that goes on may end and leave its children to somebody else.
    let mut result = Undone::AlreadyGone;
    let offspring = kernel.offspring(processes).map_err(failed)?;
    for process in offspring.iter().rev().chain(processes) {
        if stopped(kernel.as_ref(), process).map_err(failed)? {
            resume(kernel, process).await?;
            result = Undone::Done;
        }
    }
    Ok(result)
}

pub(super) fn restore_file_limit(
    kernel: &dyn Kernel,
    process: &ProcessIdentity,
    before: u64,
    ours: u64,
) -> Result<Undone, UndoFailure> {
    match kernel.set_file_limit(process, ours, before) {
        Ok(true) => Ok(Undone::Done),
        // The process has ended, or somebody has set another limit since: that one is theirs.
        Ok(false) => Ok(Undone::AlreadyGone),
        Err(error) => Err(UndoFailure {
            why: error.to_string(),
            manual: format!("prlimit --pid {} --nofile={before}:", process.pid),
        }),
    }
}

pub(super) fn restore_oom_score(
    kernel: &dyn Kernel,
    process: &ProcessIdentity,
    before: i32,
    ours: i32,
) -> Result<Undone, UndoFailure> {
    match kernel.set_oom_score(process, ours, before) {
        Ok(true) => Ok(Undone::Done),
        Ok(false) => Ok(Undone::AlreadyGone),
        Err(error) => Err(UndoFailure {
            why: error.to_string(),
            manual: format!("echo {before} > /proc/{}/oom_score_adj", process.pid),
        }),
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
