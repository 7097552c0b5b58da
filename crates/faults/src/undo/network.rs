//! Networks: tables that go with their owner, classes below our root qdisc, devices with our mark.

use std::sync::Arc;
use std::time::Duration;

use deadstick_core::identity::{NetworkIdentity, ProcessIdentity};
use deadstick_core::ledger::CapturedQdisc;

use super::{UndoFailure, Undone, until};
use crate::kernel::{Kernel, KernelError, Questions};
use crate::network::NetworkError;
use crate::process;

/// What every table of ours is called, before the fault's id.
pub(crate) const TABLE_PREFIX: &str = "deadstick-";

pub(super) fn remove_qdisc(
    kernel: &dyn Kernel,
    network: &NetworkIdentity,
    device: &str,
    handle: u16,
    mark: Option<u32>,
    put_back: &[CapturedQdisc],
) -> Result<Undone, UndoFailure> {
    let done = kernel.remove_classes(network, device, handle, mark, put_back);
    let del = format!("nsenter --net={} tc qdisc del dev {device} root", network.path().display());
    // Who has set up another one since has it under a handle of theirs.
    let root = match &done {
        Err(KernelError::ForeignQdisc { handle, .. }) => format!("{del} handle {handle:x}:"),
        _ => format!("{del} handle {handle:x}:"),
    };
    let manual = match (mark, put_back.first()) {
        (_, Some(before)) => {
            let before = format!("{} {:x}:", before.kind, before.handle >> 16);
            format!("{root} # then `deadstick restore` puts {before} back")
        }
        (Some(_), None) => format!("{root} # which ends every impairment of {device}"),
        (None, None) => root,
    };
    gone_with_its_network(done, manual)
}

pub(super) fn remove_device(
    kernel: &dyn Kernel,
    network: &NetworkIdentity,
    device: &str,
    mark: u32,
) -> Result<Undone, UndoFailure> {
    let manual = format!("nsenter --net={} ip link del {device}", network.path().display());
    gone_with_its_network(kernel.remove_device(network, device, mark), manual)
}

/// With its last process the network went, and its devices with it.
fn gone_with_its_network(done: Result<bool, KernelError>, manual: String) -> Result<Undone, UndoFailure> {
    match done {
        Ok(true) => Ok(Undone::Done),
        Ok(false) | Err(KernelError::Network(NetworkError::Gone(_))) => Ok(Undone::AlreadyGone),
        Err(error) => Err(UndoFailure { why: error.to_string(), manual }),
    }
}

/// Conversations with name servers that went to a port of ours, which nobody has any more.
pub(super) fn forget_redirected(
    kernel: &dyn Kernel,
    network: &NetworkIdentity,
    port: u16,
) -> Result<Undone, UndoFailure> {
    match kernel.forget(network, Questions::RedirectedTo(port)) {
        Ok(0) | Err(KernelError::Network(NetworkError::Gone(_))) => Ok(Undone::AlreadyGone),
        Ok(_) => Ok(Undone::Done),
        Err(error) => {
            let inside = format!("nsenter --net={}", network.path().display());
            let manual = format!("{inside} conntrack -D -p udp --dport 53 --reply-port-src {port}");
            Err(UndoFailure { why: error.to_string(), manual })
        }
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
