//! Whether this process may do to a target what a fault asks for, as far as looking shows: asked before anything begins, so
//! that who lacks a privilege is refused and not told that a fault did not land.

use std::io;
use std::path::{Path, PathBuf};

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::identity::ProcessIdentity;
use deadstick_core::privilege::Privilege;
use deadstick_faults::kernel::{Control, GroupPlace, Groups, Linux};
use deadstick_faults::process::{self, ProcessError};
use deadstick_faults::{network, privileges};

use super::TargetError;

/// The first port that nobody needs a privilege for, where the kernel does not say.
const FIRST_FREE_PORT: u16 = 1_024;

/// Whether it may.
pub(super) fn may_touch(fault: &Fault, target: &ResolvedTarget) -> Result<(), TargetError> {
    let denied = |what: String, who: &str| {
        let hint = format!("run it as root, or {who}; `deadstick doctor` says what this host can do");
        TargetError::NotAllowed { what: format!("{} on {}: {what}", fault.kind(), target.name), hint }
    };
    match fault {
        Fault::Kill { .. } | Fault::Pause { .. } => may_signal(target),
        Fault::CpuLimit { .. } => may_write_groups(Control::Cpu, target)
            .map_err(|why| denied(why, "as the user to whom its control groups are delegated")),
        Fault::MemoryLimit { .. } | Fault::Oom => may_write_groups(Control::Memory, target)
            .map_err(|why| denied(why, "as the user to whom its control groups are delegated")),
        Fault::FdLimit { .. } if !privileges::held().contains(&Privilege::SysResource) => {
            let own = ids_of("self");
            let theirs =
                |one: &&ProcessIdentity| ids_of(&one.pid.to_string()).is_some_and(|ids| Some(ids) != own);
            match target.processes().find(theirs) {
                Some(one) => {
                    let what = format!("the limits of process {} may not be set", one.pid);
                    Err(denied(what, "as the process's user, or with CAP_SYS_RESOURCE"))
                }
                None => Ok(()),
            }
        }
        Fault::FsFreeze if !privileges::held().contains(&Privilege::SysAdmin) => {
            Err(denied("a file system may not be frozen".to_owned(), "with CAP_SYS_ADMIN"))
        }
        Fault::DiskFill { .. } => match &target.path {
            Some(path) => may_write(path)
                .map_err(|why| denied(why, "as a user who may write there, or name another folder")),
            None => Ok(()),
        },
        Fault::PortTake { port, .. } if *port < first_free_port() && is_own_network(target) => {
            if privileges::held().contains(&Privilege::NetBindService) {
                return Ok(());
            }
            let who = format!("with CAP_NET_BIND_SERVICE, or name a port from {} on", first_free_port());
            Err(denied(format!("port {port} may not be taken"), &who))
        }
        _ => Ok(()),
    }
}

fn may_signal(target: &ResolvedTarget) -> Result<(), TargetError> {
    for one in target.processes() {
        match process::may_signal(one) {
            // Processes come and go: the means say so when nobody is left.
            Ok(()) | Err(ProcessError::Gone(_)) => {}
            Err(error) => {
                let hint = "run it as the process's user, as root, or with CAP_KILL".to_owned();
                return Err(TargetError::NotAllowed { what: error.to_string(), hint });
            }
        }
    }
    Ok(())
}

/// Whether a control group can be made for the processes, or their own be written. What cannot be found out, the means say.
fn may_write_groups(control: Control, target: &ResolvedTarget) -> Result<(), String> {
    let own = target.cgroup.iter().filter_map(|path| Linux.places(control, path).ok()).flatten();
    if own.filter_map(|place| limit_of(control, &place)).any(|file| may_write(&file).is_ok()) {
        return Ok(());
    }
    for one in target.processes() {
        let Ok(Some(home)) = Linux.home(control, one) else { continue };
        if let Ok(Some(parent)) = Linux.nest(control, &home) {
            may_write(&parent)?;
        }
    }
    Ok(())
}

/// The file that holds a group's limit.
fn limit_of(control: Control, place: &GroupPlace) -> Option<PathBuf> {
    let file = match (control, place.version) {
        (Control::Cpu, 2) => "cpu.max",
        (Control::Cpu, _) => "cpu.cfs_quota_us",
        (Control::Memory, 2) => "memory.max",
        (Control::Memory, _) => "memory.limit_in_bytes",
        (Control::Freezer, _) => return None,
    };
    Some(place.group.folder.join(file))
}

fn may_write(path: &Path) -> Result<(), String> {
    let denied = |error: io::Error| format!("{} may not be written: {error}", path.display());
    privileges::may_write(path).map_err(denied)
}

/// The users and groups that a process acts as, was started as and may come back to; none where it has ended.
fn ids_of(process: &str) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let of = |name: &str| Some(text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace());
    // The fourth is for files.
    Some(of("Uid:")?.take(3).chain(of("Gid:")?.take(3)).map(str::to_owned).collect())
}

fn first_free_port() -> u16 {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(FIRST_FREE_PORT)
}

/// Another network is entered by a privilege that is asked for by itself.
fn is_own_network(target: &ResolvedTarget) -> bool {
    let own = network::host().map(|own| own.inode);
    target.network.as_ref().is_none_or(|network| own.is_ok_and(|own| own == network.inode))
}
