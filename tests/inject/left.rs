//! What is seen of a fault, and what is left when somebody else was in its way: its words, and that the command they name
//! works as printed.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::Host;
use crate::stage::{Link, Victim, ok};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_lease_that_is_too_short_says_so() {
    let (host, link) = (Host::new(), Link::new());
    let before = link.snapshot();
    let ran = host.inject(&["partition", "--netns", &link.near, "--to", "10.0.0.2", "--for", "1ms"]);
    assert_eq!(ran.code, Some(4), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("its lease of 1ms was over before it had landed"), "{}", ran.err);
    assert_eq!(link.snapshot(), before);
    host.is_clean("after a lease that was too short");
}

#[test]
fn a_peer_without_a_port_is_asked_before_too() {
    let (host, link) = (Host::new(), Link::new());
    let ran = host.inject(&["partition", "--netns", &link.near, "--to", "10.0.0.2", "--for", "2s"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("refused at once before; now nothing comes back"), "{}", ran.out);
}

#[test]
fn residue_names_the_command_that_removes_it_and_blocks_the_next_one_until_then() {
    let (host, link, victim) = (Host::new(), Link::new(), Victim::idle());
    let tc = |words: &[&str]| ok(&[&["tc", "-n", &link.near, "qdisc"], words].concat());
    tc(&["add", "dev", "dsa", "root", "handle", "6:", "pfifo", "limit", "66"]);
    let before = link.snapshot();
    let words =
        ["rate", "--netns", &link.near, "--iface", "dsa", "--rate", "1MiB/s", "--replace", "--for", "1h"];
    let mut running = host.place.start(&host.args(&words));
    running.wait_for(" take effect: ", LONG);
    // Somebody sets up one of their own in the place of ours.
    tc(&["replace", "dev", "dsa", "root", "handle", "5:", "pfifo"]);
    running.signal(Signal::SIGINT);
    assert_eq!(running.wait(), Some(5), "{}", running.printed());
    let said = running.printed();
    assert_eq!(said.matches("could not take fault").count(), 1, "it is said once:\n{said}");
    let pid = victim.pid().to_string();
    let blocked = host.inject(&["pause", "--pid", &pid, "--for", "3s"]);
    assert_eq!((blocked.code, victim.runs()), (Some(5), true), "{}{}", blocked.out, blocked.err);
    let left = host.place.run(&["faults", "--json"]).json();
    let manual = left[0]["manual"].as_str().expect("a command").to_owned();
    assert!(blocked.err.contains(&manual), "{manual:?} in\n{}", blocked.err);
    ok(&["sh", "-c", &manual]);
    let restored = host.place.run(&["restore"]);
    assert_eq!(restored.code, Some(0), "{}{}", restored.out, restored.err);
    assert_eq!(link.snapshot(), before, "what was there before is back");
    host.is_clean("after restore");
}
