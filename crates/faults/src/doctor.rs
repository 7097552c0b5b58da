//! What this host can do for faults, and why not.
//!
//! Owns the probing: each capability of the network is tried, in a network namespace made for it and gone with its thread;
//! `host` looks at the rest. Leaves what depends on the answers to [`crate::plan`](mod@crate::plan).

mod host;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use deadstick_core::fault::{Direction, Flow, Protocol, Refusal};
use deadstick_core::identity::NetworkIdentity;
use nix::sched::{CloneFlags, unshare};

use crate::kernel::{Group, Layer, TableEffect, TableSpec};
use crate::network::links::{self, Link};
use crate::network::{Netlink, NetlinkError, conntrack, diag, enter, ifb, nft, qdisc};
use crate::plan::{Fact, HostFacts};

/// The name of tables made only to see whether they can be.
const TRIAL: &str = "deadstick-doctor";

/// One thing a host can do or cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// What it is called.
    pub name: &'static str,
    /// What needs it: kinds of fault, or a target.
    pub needed_for: &'static str,
    /// Present, or why not.
    pub present: Result<(), String>,
    /// How it was found out.
    pub probed_by: Cow<'static, str>,
    /// What happens where it is missing.
    pub fallback: &'static str,
}

/// Tries everything. Blocks for some milliseconds.
#[must_use]
pub fn examine() -> Vec<Capability> {
    let mut all = host::examine();
    all.extend(in_a_namespace(network_capabilities).unwrap_or_else(|why| {
        network_names()
            .map(|(name, needed_for, probed_by, fallback)| Capability {
                name,
                needed_for,
                present: Err(why.clone()),
                probed_by: probed_by.into(),
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

/// Everything that plans depend on.
#[must_use]
pub fn facts() -> HostFacts {
    facts_about(&Fact::ALL.iter().copied().collect())
}

/// Some of what plans depend on: the rest is not tried, and stays untrue. Each waits for the kernel rather than for a
/// processor, so they are tried at the same time, each in a network of its own.
#[must_use]
pub fn facts_about(asked: &BTreeSet<Fact>) -> HostFacts {
    let mut facts = HostFacts::default();
    std::thread::scope(|scope| {
        let answers: Vec<_> = asked
            .iter()
            .map(|&fact| (fact, scope.spawn(move || in_this_namespace(|| is_so(fact)))))
            .collect();
        for (fact, answer) in answers {
            facts.set(fact, matches!(answer.join(), Ok(Ok(true))));
        }
    });
    facts
}

fn is_so(fact: Fact) -> bool {
    match fact {
        Fact::DeviceHooks => table(Layer::Device).is_ok(),
        Fact::SocketGroups => group().is_ok(),
        Fact::Refusals => refusals().is_ok(),
        Fact::Redirect => redirect().is_ok(),
        Fact::Htb => qdisc::probe_htb().is_ok(),
        Fact::Netem => qdisc::probe_netem().is_ok(),
        Fact::Forward => forward().is_ok(),
    }
}

/// Runs in a fresh network namespace.
fn in_a_namespace<T: Send>(probe: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| in_this_namespace(probe));
        thread.join().unwrap_or_else(|_| Err("the probe ended without an answer".to_owned()))
    })
}

/// The same for a thread that was made for it.
fn in_this_namespace<T>(probe: impl FnOnce() -> T) -> Result<T, String> {
    match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => Ok(probe()),
        Err(errno) => Err(format!("no network namespace can be made: {errno}")),
    }
}

/// Name, what needs it, how it is probed, what happens without it.
type Named = (&'static str, &'static str, &'static str, &'static str);

const fn network_names() -> [Named; 10] {
    [
        (
            "nftables owner tables",
            "network, vanish",
            "an owned table with a timed set, in a network namespace made for it",
            "network faults are refused",
        ),
        (
            "nftables device hooks",
            "network, vanish",
            "a chain at the ways in and out of a device",
            "hooks in the internet protocols: senders of UDP see EPERM, ARP passes",
        ),
        (
            "nftables control groups",
            "network faults of a control group",
            "a rule that asks packets for the control group of their socket",
            "they are refused",
        ),
        (
            "nftables refusals",
            "reject",
            "a rule that answers packets with a TCP reset or ICMP",
            "it is refused",
        ),
        (
            "nftables redirect",
            "dns, latency without netem",
            "a redirect rule in an owned table",
            "they are refused",
        ),
        (
            "connection tracking",
            "dns",
            "a question about a conversation that nobody has",
            "they are refused: nobody would know where redirected questions were meant to go",
        ),
        (
            "socket diagnostics",
            "half-open, socket-kill, port-take, latency without netem",
            "a dump of TCP connections",
            "they are refused",
        ),
        (
            "HTB",
            "latency, loss, duplicate, corrupt, reorder, rate",
            "an htb qdisc on the loopback of a network namespace made for it",
            "they are refused, but latency of a TCP peer",
        ),
        (
            "ifb devices",
            "the same for what is received",
            "an ifb device and an nftables rule that forwards to it",
            "only what is sent can be impaired",
        ),
        (
            "netem",
            "latency, loss, duplicate, corrupt, reorder",
            "a netem qdisc on the loopback of a network namespace made for it",
            "latency of a TCP peer goes through a relay, a rate is kept by HTB; the rest is refused",
        ),
    ]
}

fn network_capabilities() -> Vec<Capability> {
    let text = |result: Result<(), NetlinkError>| result.map_err(|error| error.to_string());
    let answers = [
        text(table(Layer::Internet)),
        text(table(Layer::Device)),
        text(group()),
        text(refusals()),
        text(redirect()),
        text(tracking()),
        text(diag::connections().map(drop)),
        text(qdisc::probe_htb()),
        text(forward()),
        text(qdisc::probe_netem()),
    ];
    let named = network_names().into_iter().zip(answers);
    named
        .map(|((name, needed_for, probed_by, fallback), present)| Capability {
            name,
            needed_for,
            present,
            probed_by: probed_by.into(),
            fallback,
        })
        .collect()
}

/// Loopback is the only device of a fresh namespace.
fn table(layer: Layer) -> Result<(), NetlinkError> {
    try_table(layer, TableEffect::Silence)
}

fn group() -> Result<(), NetlinkError> {
    let group = Group { number: 1, depth: 1 };
    let flow = Flow { cgroup: Some("/".into()), ..Flow::default() };
    try_table_of(Layer::Internet, TableEffect::Cut { flow }, Some(&group))
}

fn refusals() -> Result<(), NetlinkError> {
    try_table(Layer::Internet, TableEffect::Refuse { flow: Flow::default(), with: Refusal::Reset })
}

fn redirect() -> Result<(), NetlinkError> {
    try_table(
        Layer::Internet,
        TableEffect::Redirect { peer: SocketAddr::from(([192, 0, 2, 1], 9)), port: 9, mark: 1 },
    )
}

fn tracking() -> Result<(), NetlinkError> {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let tuple = conntrack::Tuple { protocol: Protocol::Udp, from: nobody, to: nobody };
    conntrack::Conntrack::open()?.original(&tuple).map(drop)
}

fn forward() -> Result<(), NetlinkError> {
    let device = ifb::make("deadstick-trial", 1)?;
    let flow = Flow { direction: Direction::Ingress, ..Flow::default() };
    try_table(Layer::Device, TableEffect::Forward { flow, code: 1, device: device.index, said: Vec::new() })
}

fn try_table(layer: Layer, effect: TableEffect) -> Result<(), NetlinkError> {
    try_table_of(layer, effect, None)
}

fn try_table_of(layer: Layer, effect: TableEffect, group: Option<&Group>) -> Result<(), NetlinkError> {
    let spec = TableSpec { name: TRIAL.to_owned(), layer, lease: Duration::from_secs(1), effect };
    let loopback = [Link { index: links::LOOPBACK_INDEX, name: "lo".to_owned() }];
    nft::install(&mut Netlink::open(libc::NETLINK_NETFILTER)?, &spec, &loopback, &[], group)
}
