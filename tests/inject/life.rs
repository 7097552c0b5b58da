//! Foreground, background, and every way in which a held fault ends.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::Host;
use crate::stage::{Link, Victim};
use crate::support::{Running, signal_pid};

const LONG: Duration = Duration::from_secs(60);

/// Starts an injection in the foreground and waits until it has landed.
fn held(host: &Host, words: &[&str]) -> Running {
    let mut running = host.place.start(&host.args(words));
    running.wait_for(" take effect: ", LONG);
    running
}

/// Waits until a process goes on.
fn until_it_runs(victim: &Victim) {
    let began = Instant::now();
    while !victim.runs() {
        assert!(began.elapsed() < LONG, "it is {:?}", victim.state());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_person_ends_it_early() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let (host, victim) = (Host::new(), Victim::idle());
        let mut running = held(&host, &["pause", "--pid", &victim.pid().to_string(), "--for", "1h"]);
        assert_eq!(victim.state(), Some('T'));
        running.signal(signal);
        assert_eq!(running.wait(), Some(6), "{signal}:\n{}", running.printed());
        assert!(running.printed().contains(" out: "), "{signal}:\n{}", running.printed());
        assert!(victim.runs(), "{signal}");
        host.is_clean(signal.as_str());
    }
}

#[test]
fn killed_its_guardian_undoes() {
    let (host, victim, link) = (Host::new(), Victim::idle(), Link::new());
    let before = link.snapshot();
    let pid = victim.pid().to_string();
    for words in [
        &["pause", "--pid", &pid, "--for", "1h"][..],
        &["partition", "--netns", &link.near, "--to", "10.0.0.2", "--for", "1h"],
    ] {
        let mut running = held(&host, words);
        running.signal(Signal::SIGKILL);
        running.wait();
        until_it_runs(&victim);
        host.is_clean(words[0]);
        assert_eq!(link.snapshot(), before, "{words:?}");
    }
}

#[test]
fn with_both_killed_the_next_injection_undoes_first() {
    let (host, victim) = (Host::new(), Victim::idle());
    let pid = victim.pid().to_string();
    let mut running = held(&host, &["pause", "--pid", &pid, "--for", "1h"]);
    host.place.kill_guardians();
    running.signal(Signal::SIGKILL);
    running.wait();
    let listed = host.place.run(&["faults"]);
    let unguarded = listed.out.contains("UNGUARDED");
    let ran = host.inject(&["pause", "--pid", &pid, "--for", "3s"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    // Without its guardian the owner gives up at once; killed before it could, it has left something behind.
    assert_eq!(ran.err.contains("it was undone: pause"), unguarded, "{}{}", listed.out, ran.err);
    assert!(victim.runs());
    host.is_clean("after both were killed");
}

#[test]
fn without_its_guardian_it_ends() {
    let (host, victim) = (Host::new(), Victim::idle());
    let mut running = held(&host, &["pause", "--pid", &victim.pid().to_string(), "--for", "1h"]);
    signal_pid(running.guardian(), Signal::SIGKILL);
    assert_eq!(running.wait(), Some(6), "{}", running.printed());
    assert!(running.printed().contains("the guardian died"), "{}", running.printed());
    assert!(victim.runs());
    host.is_clean("without its guardian");
}

/// The one fault in place, as `deadstick faults` has it.
fn only(host: &Host) -> serde_json::Value {
    let listed = host.place.run(&["faults", "--json"]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    listed[0].clone()
}

#[test]
fn in_the_background_it_lasts_until_it_is_ended() {
    let (host, victim) = (Host::new(), Victim::idle());
    let pid = victim.pid().to_string();
    let ran = host.inject(&["pause", "--pid", &pid, "--for", "1h", "--detach"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert_eq!(victim.state(), Some('T'), "it has landed when this returns");
    let fault = only(&host);
    assert_eq!((&fault["kind"], &fault["owned"]), (&"pause".into(), &true.into()), "{fault}");
    let id = fault["id"].as_str().expect("an id");
    let short = &id[id.len() - 6..];
    assert!(ran.out.contains(&format!("deadstick restore {short}")), "{}", ran.out);
    // What living owners hold is not what dead runs have left.
    let restored = host.place.run(&["restore", "--json"]);
    assert_eq!((restored.code, victim.state()), (Some(0), Some('T')), "{}", restored.out);
    assert_eq!(host.place.run(&["restore", "no-such-fault"]).code, Some(2));
    let restored = host.place.run(&["restore", short]);
    assert_eq!(restored.code, Some(0), "{}{}", restored.out, restored.err);
    assert!(victim.runs());
    host.is_clean("after restore");
}

#[test]
fn who_watches_is_told_each_change_until_ctrl_c() {
    let (host, victim) = (Host::new(), Victim::idle());
    let mut watching = host.place.start(&["faults", "--watch", "--json"]);
    let pid = victim.pid().to_string();
    let ran = host.inject(&["pause", "--pid", &pid, "--for", "1h", "--detach"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let changes = |watching: &Running| -> Vec<serde_json::Value> {
        watching.printed().lines().map(|line| serde_json::from_str(line).expect("one value a line")).collect()
    };
    watching.wait_for("\"proved\"", LONG);
    let first = changes(&watching).remove(0);
    assert!(first["change"] == "new" && first["fault"]["kind"] == "pause", "{first}");
    // One who comes later is told what is there.
    let mut later = host.place.start(&["faults", "--watch"]);
    later.wait_for("new: ", LONG);
    assert!(later.printed().contains("pause on process"), "{}", later.printed());
    assert_eq!(host.place.run(&["restore", "--all"]).code, Some(0));
    watching.wait_for("\"gone\"", LONG);
    let last = changes(&watching).pop().expect("some");
    assert!(last["change"] == "gone" && last["fault"]["id"] == first["fault"]["id"], "{last}");
    later.wait_for("gone: ", LONG);
    for one in [&mut watching, &mut later] {
        one.signal(Signal::SIGINT);
        assert_eq!(one.wait(), Some(0), "{}", one.printed());
    }
    host.is_clean("after watching");
}

#[test]
fn in_the_background_its_lease_ends_it() {
    let (host, victim) = (Host::new(), Victim::idle());
    let ran =
        host.inject(&["pause", "--pid", &victim.pid().to_string(), "--for", "2s", "--detach", "--json"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert_eq!(ran.json()["type"], "fault.proved", "{}", ran.out);
    until_it_runs(&victim);
    host.is_clean("after the lease");
}

#[test]
fn in_the_background_killed_its_guardian_undoes() {
    let (host, victim) = (Host::new(), Victim::idle());
    let ran = host.inject(&["pause", "--pid", &victim.pid().to_string(), "--for", "1h", "--detach"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let owner = only(&host)["owner"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a pid");
    signal_pid(owner, Signal::SIGKILL);
    until_it_runs(&victim);
    host.is_clean("after SIGKILL");
}

#[test]
fn restore_all_ends_what_is_held_by_hand() {
    let (host, one, two) = (Host::new(), Victim::idle(), Victim::idle());
    for victim in [&one, &two] {
        let ran = host.inject(&["pause", "--pid", &victim.pid().to_string(), "--for", "1h", "--detach"]);
        assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    }
    let restored = host.place.run(&["restore", "--all", "--json"]);
    assert_eq!(restored.code, Some(0), "{}{}", restored.out, restored.err);
    assert_eq!(restored.json()["undone"].as_array().map(Vec::len), Some(2), "{}", restored.out);
    assert!(one.runs() && two.runs());
    host.is_clean("after restore --all");
}

#[test]
fn two_at_once_on_one_network_do_not_touch_each_other() {
    let (host, link) = (Host::new(), Link::new());
    let before = link.snapshot();
    let words = ["partition", "--netns", &link.near, "--to", "10.0.0.2", "--for", "1h"];
    let mut first = held(&host, &words);
    let with_one = link.snapshot();
    let mut second = held(&host, &words);
    assert_ne!(link.snapshot(), with_one);
    second.signal(Signal::SIGINT);
    assert_eq!(second.wait(), Some(6), "{}", second.printed());
    let strip =
        |text: &str| text.lines().filter(|line| !line.contains("counter")).collect::<Vec<_>>().join("\n");
    let expiring = |text: &str| strip(text).lines().filter(|line| !line.contains("expires")).count();
    assert_eq!(expiring(&link.snapshot()), expiring(&with_one), "the first one is still there");
    first.signal(Signal::SIGINT);
    assert_eq!(first.wait(), Some(6), "{}", first.printed());
    assert_eq!(link.snapshot(), before);
    host.is_clean("after both");
}

#[test]
fn it_is_on_the_timeline_of_the_incident_people_work_on() {
    let (host, victim) = (Host::new(), Victim::idle());
    let id = host.place.run(&["incident", "open", "Something hangs"]).out.trim().to_owned();
    let ran = host.inject(&["pause", "--pid", &victim.pid().to_string(), "--for", "3s"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains(&id), "{}", ran.out);
    let shown = host.place.run(&["timeline", "show", &id]).out;
    for words in ["began fault", "take effect", "its lease is over"] {
        assert!(shown.contains(words), "{words:?} in\n{shown}");
    }
    host.place.run(&["incident", "act", "assume"]);
    let closed = host.place.run(&["incident", "close", "over", "--confirm"]);
    assert_eq!(closed.code, Some(0), "{}{}", closed.out, closed.err);
    let after = host.inject(&["pause", "--pid", &victim.pid().to_string(), "--for", "3s"]);
    assert!(!after.out.contains(&id), "a closed incident takes no more: {}", after.out);
}

#[test]
fn two_at_once_on_one_process_the_second_is_refused() {
    let (host, victim) = (Host::new(), Victim::idle());
    let pid = victim.pid().to_string();
    let mut first = held(&host, &["pause", "--pid", &pid, "--for", "1h"]);
    let second = host.inject(&["pause", "--pid", &pid, "--for", "3s"]);
    assert_eq!(second.code, Some(7), "{}{}", second.out, second.err);
    assert!(second.err.contains("not ours to resume"), "{}", second.err);
    assert_eq!(victim.state(), Some('T'), "the first one still holds it");
    first.signal(Signal::SIGINT);
    assert_eq!(first.wait(), Some(6), "{}", first.printed());
    assert!(victim.runs());
    host.is_clean("after the first");
}

#[test]
fn a_target_that_ends_in_the_middle_leaves_nothing_to_undo() {
    let (host, mut victim) = (Host::new(), Victim::idle());
    let mut running = held(&host, &["pause", "--pid", &victim.pid().to_string(), "--for", "1h"]);
    victim.0.kill().and_then(|()| victim.0.wait()).expect("it is ours");
    running.signal(Signal::SIGINT);
    assert_eq!(running.wait(), Some(6), "{}", running.printed());
    assert!(!running.printed().contains("RESIDUE"), "{}", running.printed());
    host.is_clean("after its target was gone");
}
