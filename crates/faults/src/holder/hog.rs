//! Asking for more memory than a control group has, until nobody else is left in it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::{Order, go, patience, say_held};
use crate::{cgroup, privileges};

pub(super) async fn hold(
    order: &Order,
    folder: &Path,
    inbox: &mut mpsc::UnboundedReceiver<String>,
) -> Result<(), String> {
    if !go(None, inbox).await? {
        return Ok(());
    }
    let (folder, patience) = (folder.to_owned(), patience(order).min(Duration::from_secs(5)));
    let asking = tokio::task::spawn_blocking(move || ask(&folder, patience));
    let asked = tokio::select! {
        asked = asking => asked.map_err(|error| error.to_string())?,
        // No line but the end of input can come now.
        _ = inbox.recv() => return Ok(()),
    };
    asked.map_err(|error| format!("asking for memory in the control group: {error}"))?;
    say_held()?;
    inbox.recv().await;
    Ok(())
}

/// By writing, not by touching: a write that gets no memory is told so, and a touch would try for ever.
fn ask(folder: &Path, patience: Duration) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let memory = rustix::fs::memfd_create("deadstick", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut memory = fs::File::from(memory);
    let own = std::process::id();
    fs::write(folder.join("cgroup.procs"), own.to_string())?;
    privileges::keep_none();
    let (some, deadline) = (vec![1; 64 << 10], Instant::now() + patience);
    while Instant::now() < deadline {
        if cgroup::members(folder)?.iter().all(|member| member.pid == own) {
            break;
        }
        if memory.write_all(&some).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}
