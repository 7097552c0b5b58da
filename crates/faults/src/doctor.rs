//! What this host can do for faults, and why not.
//!
//! Owns the probing: each capability is tried, in a network namespace made for it and gone with its thread. Leaves what
//! depends on the answers to [`crate::plan`](mod@crate::plan).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use deadstick_core::identity::NetworkIdentity;
use nix::sched::{CloneFlags, unshare};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use crate::kernel::{Layer, TableEffect, TableSpec};
use crate::network::links::{self, Link};
use crate::network::{Netlink, NetlinkError, diag, enter, nft, qdisc};
use crate::plan::HostFacts;

/// The name of tables made only to see whether they can be.
const TRIAL: &str = "deadstick-doctor";

/// One thing a host can do or cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// What it is called.
    pub name: &'static str,
    /// Present, or why not.
    pub present: Result<(), String>,
    /// How it was found out.
    pub probed_by: &'static str,
    /// What happens where it is missing.
    pub fallback: &'static str,
}

/// Tries everything. Blocks for some milliseconds.
#[must_use]
pub fn examine() -> Vec<Capability> {
    let mut all = vec![
        Capability {
            name: "process handles",
            present: pidfd_open(getpid(), PidfdFlags::empty())
                .map(drop)
                .map_err(|errno| io::Error::from(errno).to_string()),
            probed_by: "pidfd_open on this process",
            fallback: "kill and pause are refused: a bare pid may have a new bearer",
        },
        user_namespaces(),
        cgroup_freeze(),
    ];
    all.extend(in_a_namespace(network_capabilities).unwrap_or_else(|why| {
        network_names()
            .map(|(name, probed_by, fallback)| Capability {
                name,
                present: Err(why.clone()),
                probed_by,
                fallback,
            })
            .to_vec()
    }));
    all
}

/// Whether this process may enter a network and change its nftables.
///
/// # Errors
/// Why not.
pub fn may_change(network: &NetworkIdentity) -> Result<(), String> {
    match enter(network, || nft::is_there(TRIAL)) {
        Ok(answer) => answer.map(drop).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// What plans depend on.
#[must_use]
pub fn facts() -> HostFacts {
    let (device_hooks, redirect, netem) =
        in_a_namespace(|| (table(Layer::Device).is_ok(), redirect().is_ok(), qdisc::probe_netem().is_ok()))
            .unwrap_or_default();
    HostFacts { device_hooks, redirect, netem, relay: false }
}

/// Runs in a fresh network namespace.
fn in_a_namespace<T: Send>(probe: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| match unshare(CloneFlags::CLONE_NEWNET) {
            Ok(()) => Ok(probe()),
            Err(errno) => Err(format!("no network namespace can be made: {errno}")),
        });
        thread.join().unwrap_or_else(|_| Err("the probe ended without an answer".to_owned()))
    })
}

const fn network_names() -> [(&'static str, &'static str, &'static str); 5] {
    [
        (
            "nftables owner tables",
            "an owned table with a timed set, in a network namespace made for it",
            "network faults are refused",
        ),
        (
            "nftables device hooks",
            "a chain at the ways in and out of a device",
            "hooks in the internet protocols: senders of UDP see EPERM, ARP passes",
        ),
        ("nftables redirect", "a redirect rule in an owned table", "latency is refused"),
        ("socket diagnostics", "a dump of TCP connections", "half-open and latency are refused"),
        (
            "netem",
            "a netem qdisc on the loopback of a network namespace made for it",
            "latency of a TCP peer goes through a relay; loss and latency of whole links are refused",
        ),
    ]
}

fn network_capabilities() -> Vec<Capability> {
    let text = |result: Result<(), NetlinkError>| result.map_err(|error| error.to_string());
    let answers = [
        text(table(Layer::Internet)),
        text(table(Layer::Device)),
        text(redirect()),
        text(diag::connections().map(drop)),
        text(qdisc::probe_netem()),
    ];
    let named = network_names().into_iter().zip(answers);
    named
        .map(|((name, probed_by, fallback), present)| Capability { name, present, probed_by, fallback })
        .collect()
}

/// Loopback is the only device of a fresh namespace.
fn table(layer: Layer) -> Result<(), NetlinkError> {
    try_table(layer, TableEffect::Silence)
}

fn redirect() -> Result<(), NetlinkError> {
    try_table(
        Layer::Internet,
        TableEffect::Redirect { peer: SocketAddr::from(([192, 0, 2, 1], 9)), port: 9, mark: 1 },
    )
}

fn try_table(layer: Layer, effect: TableEffect) -> Result<(), NetlinkError> {
    let spec =
        TableSpec { name: TRIAL.to_owned(), layer, lease: Duration::from_secs(1), effect };
    let loopback = [Link { index: links::LOOPBACK_INDEX, name: "lo".to_owned() }];
    nft::install(&mut Netlink::open(libc::NETLINK_NETFILTER)?, &spec, &loopback, &[])
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
        present,
        probed_by: "unshare --user --net true",
        fallback: "labs with networks need root",
    }
}

fn cgroup_freeze() -> Capability {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let present = if mounts.lines().any(|line| line.split(' ').nth(2) == Some("cgroup2")) {
        Ok(())
    } else {
        Err("no cgroup2 file system is mounted".to_owned())
    };
    Capability {
        name: "cgroup v2 freezer",
        present,
        probed_by: "the mounts of this process",
        fallback: "pause stops one process by SIGSTOP",
    }
}
