//! Every example of `deadstick inject KIND --help` works as printed, on a host that has what it names.
//!
//! Only names are substituted: the network, the process, the server and the folder that the example means are made for the
//! test, and the lease is cut short so that its end is seen, too.

use std::io::{Read, Write};

use deadstick_core::fault::{FaultKind, catalogue};

use crate::Host;
use crate::stage::{Link, Victim};
use crate::support::Ran;

/// How long a fault is held here, in seconds.
const LEASE: u32 = 3;
/// How long where the machine is so busy that the lease was over before the effect could be shown.
const LONGEST: u32 = 48;

/// An example with the names of this host, as the arguments of the program.
pub(crate) fn words(kind: &str, names: &[(&str, &str)]) -> Vec<String> {
    let kind: FaultKind = kind.parse().expect("a kind");
    let mut words: Vec<String> = catalogue::of(kind).example.split_whitespace().map(str::to_owned).collect();
    for word in &mut words {
        if let Some((_, own)) = names.iter().find(|(name, _)| word == name) {
            (*own).clone_into(word);
        }
    }
    held_for(&mut words, LEASE);
    words
}

fn held_for(words: &mut [String], seconds: u32) {
    let lease = words.iter().position(|word| word == "--for").expect("every example has an end");
    words[lease + 1] = format!("{seconds}s");
}

/// Runs an example to the end of its lease, within another program if that is needed; it lands and comes out again.
pub(crate) fn lands(host: &Host, within: &[String], words: &[String]) -> Ran {
    let (mut words, mut lease) = (words.to_vec(), LEASE);
    let ran = loop {
        held_for(&mut words, lease);
        let ran = host.run_within(within, &host.args(&words.iter().map(String::as_str).collect::<Vec<_>>()));
        let too_short =
            ran.code == Some(4) && ran.err.contains("had not landed when it was taken out: its lease");
        if !too_short || lease >= LONGEST {
            break ran;
        }
        lease *= 2;
    };
    assert_eq!(ran.code, Some(0), "{words:?}:\n{}{}", ran.out, ran.err);
    assert!(ran.out.contains(" take effect: "), "{words:?}:\n{}", ran.out);
    assert!(ran.out.contains(" out: its lease is over"), "{words:?}:\n{}", ran.out);
    host.is_clean(&words[0]);
    ran
}

/// An example about a network: lands, and leaves the network as it was.
fn network(kind: &str) {
    let (host, link) = (Host::new(), Link::new());
    let before = link.snapshot();
    let words = words(kind, &[("a", &link.near)]);
    // One that names no network means the machine it runs on: here, the machine at the near end.
    let within = if words.iter().any(|word| word == "--netns") { Vec::new() } else { link.inside() };
    lands(&host, &within, &words);
    assert_eq!(link.snapshot(), before, "{kind}");
    let mut stream = link.connect();
    stream.write_all(b"x").and_then(|()| stream.read_exact(&mut [0])).expect("the link is whole again");
}

macro_rules! networks {
    ($($name:ident: $kind:literal),+ $(,)?) => { $(#[test] fn $name() { network($kind); })+ };
}

networks! {
    latency: "latency",
    partition: "partition",
    half_open: "half-open",
    vanish: "vanish",
    reject: "reject",
    flap: "flap",
    mtu_blackhole: "mtu-blackhole",
    rate: "rate",
    dns: "dns",
}

/// Kinds that need netem: they land where the kernel has it, and are refused by its name where it has not.
fn netem(kind: &str) {
    let host = Host::new();
    let doctor = host.place.run(&["doctor", "--json"]).json();
    let all = doctor.as_array().expect("a list");
    if all.iter().any(|one| one["capability"] == "netem" && one["present"] == true) {
        return network(kind);
    }
    let link = Link::new();
    let before = link.snapshot();
    let words = words(kind, &[("a", &link.near)]);
    let ran = host.inject(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(ran.code, Some(7), "{words:?}:\n{}{}", ran.out, ran.err);
    assert!(ran.err.contains("netem"), "{words:?}:\n{}", ran.err);
    assert_eq!(link.snapshot(), before, "{kind}");
}

macro_rules! netems {
    ($($name:ident: $kind:literal),+ $(,)?) => { $(#[test] fn $name() { netem($kind); })+ };
}

netems! {
    loss: "loss",
    duplicate: "duplicate",
    corrupt: "corrupt",
    reorder: "reorder",
}

#[test]
fn socket_kill() {
    let (host, link) = (Host::new(), Link::new());
    let before = link.snapshot();
    let mut stream = link.connect();
    lands(&host, &[], &words("socket-kill", &[("a", &link.near)]));
    let end = stream.write_all(b"x").and_then(|()| stream.read_exact(&mut [0]));
    assert_eq!(end.map_err(|error| error.kind()), Err(std::io::ErrorKind::ConnectionAborted));
    assert_eq!(link.snapshot(), before);
    link.connect();
}

#[test]
fn port_take() {
    let (host, port) = (Host::new(), crate::server::free_port());
    lands(&host, &[], &words("port-take", &[("18080", &port.to_string())]));
    std::net::TcpListener::bind(("127.0.0.1", port)).expect("it is free again");
}

/// An example about a process, which is as it was afterwards.
fn process(kind: &str, victim: &Victim) -> Host {
    let host = Host::new();
    let before = victim.snapshot();
    lands(&host, &[], &words(kind, &[("4711", &victim.pid().to_string())]));
    assert_eq!(victim.snapshot(), before, "{kind}");
    host
}

#[test]
fn pause() {
    let victim = Victim::idle();
    process("pause", &victim);
    assert!(victim.runs());
}

#[test]
fn kill() {
    let (host, victim) = (Host::new(), Victim::idle());
    lands(&host, &[], &words("kill", &[("4711", &victim.pid().to_string())]));
    assert_eq!(victim.state(), Some('Z'));
}

#[test]
fn cpu_limit() {
    process("cpu-limit", &Victim::shell("while :; do :; done"));
}

#[test]
fn memory_limit() {
    process("memory-limit", &Victim::idle());
}

#[test]
fn fd_limit() {
    process("fd-limit", &Victim::idle());
}

#[test]
fn oom() {
    let (host, victim) =
        (Host::new(), Victim::shell("x=$(head -c 4000000 /dev/zero | tr '\\0' x); while :; do y=$x$x; done"));
    lands(&host, &[], &words("oom", &[("4711", &victim.pid().to_string())]));
    assert_eq!(victim.state(), Some('Z'));
}

#[test]
fn stress() {
    lands(&Host::new(), &[], &words("stress", &[]));
}
