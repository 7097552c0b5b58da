//! Holding workers of stress-ng. They end with their parent, and that one with this process, whatever ends it.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::{Order, go, say_held};
use crate::{privileges, process};

/// What the workers do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Work {
    /// How many compute.
    pub(crate) cpu: u32,
    /// How many bytes are filled and touched.
    pub(crate) memory: Option<u64>,
    /// How many write and sync.
    pub(crate) io: u32,
}

pub(super) async fn hold(
    order: &Order,
    work: Work,
    folders: &[PathBuf],
    inbox: &mut mpsc::UnboundedReceiver<String>,
) -> Result<(), String> {
    let version = Command::new("stress-ng").arg("--version").stdin(Stdio::null()).output().await;
    if let Err(error) = version {
        return Err(match error.kind() {
            io::ErrorKind::NotFound => {
                "the program stress-ng is missing: install the package stress-ng".to_owned()
            }
            _ => format!("the program stress-ng cannot be started: {error}"),
        });
    }
    if !go(None, inbox).await? {
        return Ok(());
    }
    // This process joins first, so that every worker is born there.
    for folder in folders {
        let joined = std::fs::write(folder.join("cgroup.procs"), std::process::id().to_string());
        joined.map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    // Its workers begin with nothing.
    privileges::keep_none();
    let mut child = start(order, work).map_err(|error| format!("stress-ng: {error}"))?;
    // What it cannot do it says by ending at once.
    if let Ok(ended) = tokio::time::timeout(Duration::from_millis(300), child.wait()).await {
        return Err(format!("stress-ng ended at once: {ended:?}"));
    }
    say_held()?;
    tokio::select! {
        _ = inbox.recv() => {}
        _ = child.wait() => {}
    }
    // Nothing is lost by ending it at once; its workers notice, remove their files and end as well.
    child
        .kill()
        .await
        .or_else(|error| if error.kind() == io::ErrorKind::InvalidInput { Ok(()) } else { Err(error) })
        .map_err(|error| format!("stress-ng does not end: {error}"))
}

#[expect(unsafe_code, reason = "only the new process itself can ask for the parent's-death signal")]
fn start(order: &Order, work: Work) -> io::Result<Child> {
    let left = Duration::from_millis(order.ends_boottime_ms.saturating_sub(process::boottime_ms()));
    let mut command = Command::new("stress-ng");
    command.arg("--quiet").arg("--timeout").arg(format!("{}s", left.as_secs() + 1));
    command.arg("--temp-path").arg(std::env::temp_dir());
    if work.cpu > 0 {
        command.arg("--cpu").arg(work.cpu.to_string());
    }
    if let Some(bytes) = work.memory {
        command.args(["--vm", "1", "--vm-keep", "--vm-bytes"]).arg(bytes.to_string());
    }
    if work.io > 0 {
        command.args(["--hdd-opts", "fsync", "--hdd-bytes", "64M", "--hdd"]).arg(work.io.to_string());
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let parent = nix::unistd::getpid();
    // SAFETY: between fork and exec only two system calls are made, and neither allocates.
    unsafe {
        command.pre_exec(move || {
            // The runtime has one thread, which lives as long as the process: its death is the process's.
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            if getppid() == parent { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
        });
    }
    command.spawn()
}
