//! What faults ask of the machine, as a seam: the real kernel behind it, or a recording fake in tests.
//!
//! One trait for each interface of the kernel; [`Kernel`] is all of them. Leaves the order of the steps to
//! [`crate::injector`] and taking things back to [`crate::undo`](mod@crate::undo). Every call blocks for milliseconds at
//! most, unless it says otherwise.

mod cgroup;
mod limits;
mod network;
#[cfg(test)]
pub(crate) mod pretended;
mod process;
mod shaping;
mod sockets;
mod storage;
mod tracking;

pub use cgroup::{Control, GroupPlace, Groups};
pub use limits::{FileLimit, Limits};
pub use network::{Askers, Conversation, Group, Layer, Networks, Reach, Table, TableEffect, TableSpec};
pub use process::{Delivery, Processes, Reception, Sent};
pub use shaping::{Imposition, Root, Shapeable, Shaping, Shown};
pub use sockets::{Destroyer, Ended, Place, PortOwner, Sockets};
pub use storage::{Space, Storage};
pub(crate) use tracking::DNS;
pub use tracking::{Questions, Tracking};

use std::path::PathBuf;

use crate::find::FindError;
use crate::network::{NetlinkError, NetworkError};
use crate::process::ProcessError;

/// What the kernel did not do.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Reading a process failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Entering a network failed.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Asking by netlink failed.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// A system call failed.
    #[error("{doing}: {source}")]
    Call {
        /// What was being done.
        doing: &'static str,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// Looking for who bears a name failed.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A control group did not do it.
    #[error("cannot {doing} {}: {source}", folder.display())]
    Group {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        folder: PathBuf,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// A root qdisc that is not ours.
    #[error("{device} has a root qdisc of somebody else ({kind} {handle:x}:)")]
    ForeignQdisc {
        /// Whose.
        device: String,
        /// What it is.
        kind: String,
        /// Its major number.
        handle: u32,
    },
    /// A root qdisc that cannot be put back as it was.
    #[error("the root qdisc of {device} cannot step aside: {why}")]
    Uncapturable {
        /// Whose.
        device: String,
        /// What is in the way.
        why: String,
    },
    /// Our root qdisc is there in the place of another one, for one fault alone.
    #[error("the root qdisc of {device} has stepped aside for another fault already")]
    Replaced {
        /// Whose.
        device: String,
    },
    /// Other faults of the network are there that it cannot be beside.
    #[error("{0}")]
    InTheWay(String),
    /// The network has no device but loopback.
    #[error("the network has no device but loopback, so there is no link to disturb")]
    NoLink,
    /// The network has no such device.
    #[error("the network has no device {device}; it has {}", others.join(", "))]
    NoDevice {
        /// Which.
        device: String,
        /// Those it has.
        others: Vec<String>,
    },
    /// Packets at a device are not asked for their socket.
    #[error("what a device receives cannot be told by control group or user before a socket has it")]
    NoSocketYet,
}

/// Everything that faults ask of the machine.
pub trait Kernel: Processes + Groups + Limits + Storage + Networks + Shaping + Sockets + Tracking {}

impl<T: Processes + Groups + Limits + Storage + Networks + Shaping + Sockets + Tracking> Kernel for T {}

/// The kernel this program runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Linux;
