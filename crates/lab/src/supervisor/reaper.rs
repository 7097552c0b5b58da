//! Knowing of every child's end, reaping every orphan, and ending all there is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::wire::RunState;

/// The one place in the supervisor where processes are waited for. Cheap to clone.
#[derive(Clone)]
pub(super) struct Reaper {
    running: Arc<Mutex<HashMap<Pid, watch::Sender<RunState>>>>,
    first: bool,
}

impl Reaper {
    /// Starts reaping. `first`: this process is the first one of a pid namespace made for it.
    pub(super) fn start(first: bool) -> std::io::Result<Self> {
        let reaper = Self { running: Arc::default(), first };
        let mut ended = signal(SignalKind::child())?;
        let reaping = reaper.clone();
        tokio::spawn(async move {
            while ended.recv().await.is_some() {
                reaping.reap();
            }
        });
        Ok(reaper)
    }

    /// Watches over a child from now on. To be called before anything else can run on the main thread, so that its end
    /// is never missed.
    pub(super) fn enter(&self, pid: Pid) -> watch::Receiver<RunState> {
        let (sender, state) = watch::channel(RunState::Running);
        self.lock().insert(pid, sender);
        state
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Pid, watch::Sender<RunState>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reap(&self) {
        loop {
            let (pid, state) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, RunState::Exited { code }),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, RunState::Killed { signal: signal as i32 }),
                Err(Errno::EINTR) => continue,
                _ => return,
            };
            // Not in the table: somebody's orphan, which is reaped and forgotten.
            if let Some(sender) = self.lock().remove(&pid) {
                sender.send_replace(state);
            }
        }
    }

    /// Ends every child and waits until each is gone. For the first process of a pid namespace that is everything in
    /// it, including what a child may have left.
    pub(super) fn end_all(&self) {
        if self.first && getpid().as_raw() == 1 {
            // Everything in this pid namespace but this process. ESRCH: there is nothing else.
            kill(Pid::from_raw(-1), Signal::SIGKILL).ok();
            while !matches!(waitpid(None, None), Err(Errno::ECHILD)) {}
            return;
        }
        let pids: Vec<Pid> = self.lock().keys().copied().collect();
        for &pid in &pids {
            // ESRCH: it was quicker.
            kill(pid, Signal::SIGKILL).ok();
        }
        for pid in pids {
            while matches!(waitpid(pid, None), Err(Errno::EINTR)) {}
        }
    }
}
