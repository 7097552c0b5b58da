//! Classes that hurt packets, on real links between two network namespaces: as far as any kernel with HTB can show it. What
//! netem does is measured in the virtual machine.

mod classes;
#[path = "../common/mod.rs"]
mod common;
mod lossy;
mod roots;
mod shares;
mod ways;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use common::{Pair, run_in};
use deadstick_core::fault::ResolvedTarget;
use deadstick_core::units::HumanDuration;
use deadstick_faults::network::enter;

const LEASE: HumanDuration = HumanDuration::secs(60);

fn run(target: &ResolvedTarget, words: &str) -> String {
    run_in(target.network.as_ref().expect("a network"), words)
}

/// Every device, qdisc, class and table of a network, without what only counts.
fn state(target: &ResolvedTarget) -> String {
    let asked = ["tc qdisc show", "tc class show dev dsa", "tc filter show dev dsa", "nft list ruleset"];
    let links = run(target, "ip -o link show");
    let names = links.lines().filter_map(|line| line.split(": ").nth(1)).collect::<Vec<_>>().join(" ");
    // Classes are shown in the order of the kernel's table of them, which changes when it grows.
    let sorted = |words: &str| {
        let mut lines: Vec<_> = run(target, words).lines().map(str::to_owned).collect();
        if words.starts_with("tc class") {
            lines.sort();
        }
        lines.join("\n")
    };
    let all = names + &asked.map(sorted).join("--\n");
    // Counts among the options, and times left, as the programs print them.
    let counts = ["direct_packets_stat", "packets", "bytes", "expires"];
    let mut words: Vec<_> = all.split(' ').collect();
    while let Some(at) = words.iter().position(|word| counts.contains(word)) {
        words.drain(at..at + 2);
    }
    words.join(" ")
}

/// How long 50 KB of datagrams take: 2 s on a link that takes 25 KB a second, next to nothing on a whole one.
fn is_slow(from: &ResolvedTarget, to: &ResolvedTarget, address: &str) -> bool {
    let network = |target: &ResolvedTarget| target.network.clone().expect("a network");
    let socket = || UdpSocket::bind("0.0.0.0:0");
    let receiver = enter(&network(to), socket).expect("entered").expect("a socket");
    let sender = enter(&network(from), socket).expect("entered").expect("a socket");
    receiver.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    let port = receiver.local_addr().expect("bound").port();
    let began = Instant::now();
    for _ in 0..50 {
        sender.send_to(&[0; 1_000], (address, port)).expect("sent");
    }
    for _ in 0..50 {
        receiver.recv(&mut [0; 2_000]).expect("it comes");
    }
    began.elapsed() >= Duration::from_millis(1_500)
}

/// The server as a target.
fn other(pair: &Pair) -> ResolvedTarget {
    ResolvedTarget {
        network: Some(deadstick_faults::process::network_of(pair.server.pid()).expect("it runs")),
        ..pair.target()
    }
}
