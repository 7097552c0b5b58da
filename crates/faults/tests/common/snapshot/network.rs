//! A network: devices, addresses, routes, queueing disciplines with their classes and filters, tables, sockets.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use deadstick_core::identity::NetworkIdentity;
use deadstick_faults::network::enter;

use super::Snapshot;

/// TCP states that do not pass by themselves: established, waiting for an answer, listening.
const LASTING: [&str; 3] = ["01", "02", "0A"];
const LISTENING: &str = "0A";

pub(super) fn look(network: &NetworkIdentity, snapshot: &mut Snapshot) {
    let links =
        by_lines(network, "ip", &["-d", "-o"], "link show\naddress show\nroute show table all\nrule show\n");
    let names: Vec<_> =
        links.lines().take_while(|line| !line.contains(" inet ")).filter_map(device).collect();
    let mut questions = "qdisc show\n".to_owned();
    for name in names {
        questions += &format!("class show dev {name}\nfilter show dev {name}\n");
        questions += &format!("filter show dev {name} ingress\nfilter show dev {name} egress\n");
    }
    snapshot.add("devices, addresses, routes", links);
    // Classes are shown in the order of the kernel's table of them, which changes when it grows.
    let mut control: Vec<_> =
        without_counts(&by_lines(network, "tc", &[], &questions)).lines().map(str::to_owned).collect();
    control.sort();
    snapshot.add("traffic control", control.join("\n"));
    snapshot.add("nftables", without_counts(&by_lines(network, "nft", &["list", "ruleset"], "")));
    snapshot.add("sockets", enter(network, sockets).expect("entered"));
}

fn device(line: &str) -> Option<&str> {
    let name = line.split(": ").nth(1)?;
    name.split('@').next()
}

/// What a program says to questions on its standard input, or to its arguments.
fn by_lines(network: &NetworkIdentity, program: &str, arguments: &[&str], questions: &str) -> String {
    let mut command = Command::new(program);
    command.args(arguments);
    if !questions.is_empty() {
        // Asking for the filters of a device that has no place for them is no error of ours.
        command.args(["-force", "-batch", "-"]);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    // A program started in that network lives there.
    let mut child = enter(network, move || command.spawn()).expect("entered").expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(questions.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success() || !questions.is_empty(), "{program} {arguments:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Without the counts and the times left that the programs print among the rest.
fn without_counts(said: &str) -> String {
    let without = |line: &str| {
        let mut words: Vec<_> = line.split(' ').collect();
        let counts = ["direct_packets_stat", "packets", "bytes", "expires"];
        while let Some(at) = words.iter().position(|word| counts.contains(word)) {
            words.drain(at..at + 2);
        }
        words.join(" ")
    };
    said.lines().map(without).collect::<Vec<_>>().join("\n")
}

/// The sockets of the network that the calling thread is in.
fn sockets() -> String {
    let mut told = Vec::new();
    for (protocol, local, remote, state) in [
        ("tcp", 1, 2, Some(3)),
        ("tcp6", 1, 2, Some(3)),
        ("udp", 1, 2, None),
        ("udp6", 1, 2, None),
        ("raw", 1, 2, None),
        ("packet", 2, 3, None),
        ("netlink", 1, 3, None),
    ] {
        // A kernel without one of them has no such sockets.
        let table = fs::read_to_string(format!("/proc/thread-self/net/{protocol}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            let words: Vec<_> = line.split_whitespace().collect();
            let word = |at: usize| words.get(at).copied().unwrap_or_default();
            let told_of = match state.map(word) {
                Some(state) if !LASTING.contains(&state) => continue,
                // The number of a port that nobody chose says nothing.
                Some(state) if state != LISTENING => format!("{state} to {}", word(remote)),
                _ => format!("at {} {}", word(local), word(remote)),
            };
            told.push(format!("{protocol} {told_of}"));
        }
    }
    told.sort();
    told.join("\n")
}
