//! What of the machine and of this process faults need beyond networks: privileges, control groups, programs.

use std::path::Path;

use deadstick_core::ledger::any_undo;
use deadstick_core::privilege::listed;
use rustix::fs::{Access, access};
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use rustix::thread::{CapabilitySet, capabilities};

use super::Capability;
use crate::cgroup;
use crate::privileges::{self, Kept};

/// Everything of it.
pub(super) fn examine() -> Vec<Capability> {
    let mut all = held();
    all.push(least_privilege());
    all.push(Capability {
        name: "process handles",
        needed_for: "kill, pause",
        present: pidfd_open(getpid(), PidfdFlags::empty())
            .map(drop)
            .map_err(|errno| std::io::Error::from(errno).to_string()),
        probed_by: "pidfd_open on this process".into(),
        fallback: "kill and pause are refused: a bare pid may have a new bearer",
    });
    all.push(user_namespaces());
    all.extend(control_groups());
    all.push(Capability {
        name: "systemd",
        needed_for: "--unit",
        present: exists("/run/systemd/system"),
        probed_by: "its folder /run/systemd/system".into(),
        fallback: "units are found by the names of their control groups",
    });
    all.push(stress_ng());
    all
}

/// The privileges of this process, each with what it is needed for. Whoever lacks one can do all that does not need it.
fn held() -> Vec<Capability> {
    let held = capabilities(None).map(|sets| sets.effective).map_err(|errno| errno.to_string());
    let one = |name, set, needed_for, fallback| Capability {
        name,
        needed_for,
        present: match &held {
            Ok(held) if held.contains(set) => Ok(()),
            Ok(_) => Err("it is not in the effective set of this process".to_owned()),
            Err(why) => Err(why.clone()),
        },
        probed_by: "the effective set of this process".into(),
        fallback,
    };
    vec![
        one(
            "CAP_NET_ADMIN",
            CapabilitySet::NET_ADMIN,
            "network, vanish, socket-kill",
            "they are refused; in a lab's own user namespace they work without",
        ),
        one(
            "CAP_SYS_ADMIN",
            CapabilitySet::SYS_ADMIN,
            "network, sockets (to enter a network), fs-freeze",
            "port-take and spike work in one's own network, the rest is refused",
        ),
        one("CAP_KILL", CapabilitySet::KILL, "kill, pause", "only the user's own processes are signalled"),
        one(
            "CAP_SYS_RESOURCE",
            CapabilitySet::SYS_RESOURCE,
            "fd-limit",
            "the limit of one's own processes, as far as it can be given back",
        ),
        one(
            "CAP_NET_BIND_SERVICE",
            CapabilitySet::NET_BIND_SERVICE,
            "port-take below port 1024",
            "ports from 1024",
        ),
    ]
}

/// What the guardian gives up, and so what the others of ours can.
fn least_privilege() -> Capability {
    let Kept { privileges, refused } = privileges::trial(&any_undo());
    Capability {
        name: "least privilege",
        needed_for: "every process of ours",
        present: if refused.is_empty() { Ok(()) } else { Err(refused.join("; ")) },
        probed_by: format!(
            "a thread that gave up what no undo needs; a guardian keeps {}",
            listed(&privileges)
        )
        .into(),
        fallback: "guardians and holders keep what they cannot give up; every fault works as well",
    }
}

fn user_namespaces() -> Capability {
    // In a process of its own: a namespace of users cannot be left again, and not be entered by one thread of many.
    let tried = std::process::Command::new("unshare").args(["--user", "--net", "true"]).output();
    let present = match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            Err(deadstick_core::text::printable(&String::from_utf8_lossy(&output.stderr)).trim().to_owned())
        }
        Err(error) => Err(format!("the program unshare: {error}")),
    };
    Capability {
        name: "user namespaces",
        needed_for: "labs with networks, without root",
        present,
        probed_by: "unshare --user --net true".into(),
        fallback: "labs with networks need root",
    }
}

/// What control groups offer, whichever version has it.
fn control_groups() -> [Capability; 4] {
    let hierarchies = cgroup::hierarchies().map_err(|error| error.to_string());
    let mounted = |fits: &dyn Fn(&cgroup::Hierarchy) -> bool, what: &str| {
        let all = hierarchies.as_ref().map_err(Clone::clone)?;
        let found = all.iter().find(|one| fits(one)).ok_or_else(|| format!("no {what} is mounted"))?;
        access(&found.mount, Access::WRITE_OK)
            .map_err(|errno| format!("{}: {}", found.mount.display(), std::io::Error::from(errno)))
    };
    let controller = |name: &'static str| {
        mounted(
            &|one: &cgroup::Hierarchy| one.controllers.iter().any(|own| own == name),
            &format!("control group with the controller {name}"),
        )
    };
    let probed_by = "the mounts of this process, and whether it may write there";
    let one = |name, needed_for, present, fallback| Capability {
        name,
        needed_for,
        present,
        probed_by: probed_by.into(),
        fallback,
    };
    [
        one(
            "cgroup v2",
            "network faults of one process among others; the freezer",
            mounted(&|one: &cgroup::Hierarchy| one.version == 2, "cgroup2 file system"),
            "a whole network is hurt, or one --user's packets",
        ),
        one(
            "cgroup freezer",
            "pause of a control group",
            mounted(
                &|one: &cgroup::Hierarchy| {
                    one.version == 2 || one.controllers.iter().any(|own| own == "freezer")
                },
                "freezer",
            ),
            "pause stops each process by SIGSTOP",
        ),
        one("cgroup cpu controller", "cpu-limit", controller("cpu"), "cpu-limit is refused"),
        one("cgroup memory controller", "memory-limit, oom", controller("memory"), "they are refused"),
    ]
}

fn stress_ng() -> Capability {
    let present = match std::process::Command::new("stress-ng").arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("it ended with {}", output.status)),
        Err(error) => Err(format!("{error}; install the package stress-ng")),
    };
    Capability {
        name: "stress-ng",
        needed_for: "stress",
        present,
        probed_by: "stress-ng --version".into(),
        fallback: "stress is refused; other load: deadstick inject spike",
    }
}

fn exists(path: &str) -> Result<(), String> {
    if Path::new(path).is_dir() { Ok(()) } else { Err(format!("there is no {path}")) }
}
