//! Networks: tables that go with their owner, and root qdiscs with our handle.

use std::sync::Arc;
use std::time::Duration;

use deadstick_core::identity::{NetworkIdentity, ProcessIdentity};

use super::{UndoFailure, Undone, until};
use crate::kernel::{Kernel, KernelError};
use crate::network::NetworkError;
use crate::process;

/// What every table of ours is called, before the fault's id.
pub(crate) const TABLE_PREFIX: &str = "deadstick-";

pub(super) fn remove_qdisc(
    kernel: &dyn Kernel,
    network: &NetworkIdentity,
    device: &str,
    handle: u16,
) -> Result<Undone, UndoFailure> {
    let manual = format!(
        "nsenter --net={} tc qdisc del dev {device} root handle {handle:x}:",
        network.path().display()
    );
    match kernel.remove_root_qdisc(network, device, handle) {
        Ok(true) => Ok(Undone::Done),
        // With its last process the network went, and its devices with it.
        Ok(false) | Err(KernelError::Network(NetworkError::Gone(_))) => Ok(Undone::AlreadyGone),
        Err(error) => Err(UndoFailure { why: error.to_string(), manual }),
    }
}

/// A table of ours lives by a socket of its owner: it is gone when the owner is. Here that is only checked.
pub(super) async fn remove_table(
    kernel: &Arc<dyn Kernel>,
    network: &NetworkIdentity,
    table: &str,
    owner: &ProcessIdentity,
) -> Result<Undone, UndoFailure> {
    let manual = format!("kill -KILL {} # the table goes with its owner", owner.pid);
    if !table.starts_with(TABLE_PREFIX) {
        return Err(UndoFailure {
            why: format!("table {table} is not ours"),
            manual: "none: it is left alone".to_owned(),
        });
    }
    // A dying owner closes its sockets a little after its pipes.
    match until(Duration::from_secs(2), || kernel.has_table(network, table).map(|there| !there)).await {
        Ok(true) => Ok(Undone::AlreadyGone),
        Ok(false) => Err(UndoFailure {
            why: format!("table {table} is still there: process {} owns it and lives", owner.pid),
            manual,
        }),
        // Nobody is left in that network to stand for it. The socket was ours and is closed, or went with its owner.
        Err(KernelError::Network(NetworkError::Gone(_))) if is_me(owner) || !process::is_alive(owner) => {
            Ok(Undone::AlreadyGone)
        }
        Err(error) => Err(UndoFailure { why: error.to_string(), manual }),
    }
}

fn is_me(owner: &ProcessIdentity) -> bool {
    process::me().is_ok_and(|me| me == *owner)
}
