//! By what people keep in control of this host: their remote sessions, and the processes that deadstick came from.
//!
//! Owns finding it. What a fault would cut of it is judged by [`deadstick_core::policy::control`].

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};

use deadstick_core::fault::Flow;
use deadstick_core::identity::{ProcessIdentity, ProcessStat};
use deadstick_core::policy::control::ControlPath;

use crate::cgroup;
use crate::network::{diag, owners};
use crate::process::{self, ProcessError};

/// Programs whose connections are people's sessions on this host.
const SESSION_PROGRAMS: [&str; 4] = ["sshd", "sshd-session", "dropbear", "in.telnetd"];
/// The variable in which a session's shell finds the ends of its connection: theirs, then ours.
const SESSION_VARIABLE: &str = "SSH_CONNECTION";

/// Finds it. Somebody else's processes may not be readable: their sessions are then known only by what this one was told.
///
/// # Errors
/// `/proc` cannot be read, or the kernel does not list its sockets.
pub fn path() -> Result<ControlPath, ProcessError> {
    let processes = family()?;
    let trees = cgroup::hierarchies()?;
    // A process that ended meanwhile is in none.
    let groups = processes
        .iter()
        .filter(|one| one.pid != 1)
        .flat_map(|one| trees.iter().filter_map(|tree| tree.group_of(one.pid).ok()));
    let cgroups: BTreeSet<_> = groups.collect();
    let network = process::network_of(std::process::id())?.inode;
    let mut sessions = told(&processes);
    for session in of_programs(&SESSION_PROGRAMS, &processes) {
        if !sessions.contains(&session) {
            sessions.push(session);
        }
    }
    Ok(ControlPath { sessions, network, processes, cgroups: cgroups.into_iter().collect() })
}

/// This process, and every one it came from.
fn family() -> Result<Vec<ProcessIdentity>, ProcessError> {
    let mut family = vec![process::me()?];
    let mut pid = std::process::id();
    while let Some(parent) = fs::read(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|line| ProcessStat::parse(&line))
        .map(|stat| stat.parent)
        .filter(|parent| *parent != 0)
    {
        match process::of(parent) {
            Ok(identity) => family.push(identity),
            // Ended this moment, and with it the way up.
            Err(ProcessError::Gone(_)) => break,
            Err(other) => return Err(other),
        }
        pid = parent;
    }
    Ok(family)
}

/// The sessions that the environment of a process says it belongs to.
fn told(processes: &[ProcessIdentity]) -> Vec<(SocketAddr, SocketAddr)> {
    let environments = processes.iter().filter_map(|one| fs::read(format!("/proc/{}/environ", one.pid)).ok());
    let mut sessions: Vec<_> = environments.filter_map(|environment| session(&environment)).collect();
    sessions.dedup();
    sessions
}

/// The session named in an environment block.
fn session(environment: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let variable = environment.split(|byte| *byte == 0).find_map(|variable| {
        std::str::from_utf8(variable).ok()?.strip_prefix(SESSION_VARIABLE)?.strip_prefix('=')
    })?;
    let words: Vec<_> = variable.split_whitespace().collect();
    let [their_address, their_port, own_address, own_port] = words.as_slice() else { return None };
    let end = |address: &str, port: &str| {
        Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, port.parse().ok()?))
    };
    Some((end(own_address, own_port)?, end(their_address, their_port)?))
}

/// The connections of these programs, and of the processes given.
fn of_programs(names: &[&str], processes: &[ProcessIdentity]) -> Vec<(SocketAddr, SocketAddr)> {
    let mut pids: BTreeSet<u32> = processes.iter().map(|one| one.pid).filter(|pid| *pid != 1).collect();
    pids.extend(owners::pids().filter(|pid| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| names.contains(&name.trim()))
    }));
    let sockets = owners::sockets_of_family(&pids);
    // A kernel that does not list its sockets makes no network fault either.
    let connections = diag::chosen(&Flow::default(), &BTreeSet::new()).unwrap_or_default();
    connections
        .into_iter()
        .filter(|one| one.inode != 0 && sockets.contains(&one.inode))
        .map(|one| (one.local, one.peer))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read_from_an_environment() {
        let environment = b"A=b\0SSH_CONNECTION=192.0.2.9 50000 10.0.0.1 22\0C=\xff\0";
        let expected = ("10.0.0.1:22".parse().expect("an end"), "192.0.2.9:50000".parse().expect("an end"));
        assert_eq!(session(environment), Some(expected));
        for other in [&b""[..], b"SSH_CONNECTION=", b"SSH_CONNECTION=a b c d\0", b"SSH_CONNECTION=1.2.3.4 5"]
        {
            assert_eq!(session(other), None);
        }
    }

    #[test]
    fn this_process_and_its_parents_are_on_it() {
        let path = path().expect("readable");
        assert_eq!(path.processes[0], process::me().expect("readable"));
        assert!(path.processes.len() > 1 && path.processes.iter().any(|one| one.pid == 1), "{path:?}");
        assert_eq!(path.network, process::network_of(std::process::id()).expect("readable").inode);
    }
}
