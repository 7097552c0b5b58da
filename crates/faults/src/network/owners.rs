//! Which process has which socket, by the links in `/proc/PID/fd`.
//!
//! Sockets are numbered for the whole machine, whatever network they belong to. What may not be read is passed over: a
//! process that ends, or one of somebody else without the right to look.

use std::collections::BTreeSet;
use std::fs;

/// A process that has a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketOwner {
    /// Its pid.
    pub pid: u32,
    /// Its name, as `/proc/PID/comm` has it; printable.
    pub name: String,
}

impl std::fmt::Display for SocketOwner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} ({})", self.pid, self.name)
    }
}

/// The process that has this socket; the one with the lowest pid where several share it.
pub(crate) fn owner_of(inode: u32) -> Option<SocketOwner> {
    let mut pids: Vec<_> = pids().collect();
    pids.sort_unstable();
    let pid = pids.into_iter().find(|pid| sockets_of(*pid).any(|other| other == inode))?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(SocketOwner { pid, name: deadstick_core::text::printable(name.trim()) })
}

/// The sockets of these processes.
pub(crate) fn sockets_of_family(pids: &BTreeSet<u32>) -> BTreeSet<u32> {
    pids.iter().copied().flat_map(sockets_of).collect()
}

/// Every process.
pub(crate) fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn sockets_of(pid: u32) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let link = fs::read_link(entry.path()).ok()?;
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn our_own_listener_is_ours() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let link = fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).expect("a socket");
        let text = link.to_str().expect("ASCII");
        let inode: u32 = text["socket:[".len()..text.len() - 1].parse().expect("a number");
        assert_eq!(owner_of(inode).map(|owner| owner.pid), Some(std::process::id()));
        assert!(sockets_of_family(&[std::process::id()].into()).contains(&inode));
    }
}
