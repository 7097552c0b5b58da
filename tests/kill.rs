//! Ctrl-C, TERM and KILL at any moment of a drill, of its guardian, and of both: nothing stays.

mod support;

use std::time::Duration;

use nix::sys::signal::Signal;
use support::{Place, Running, processes, signal_pid};

/// Moments in a drill's life, by what has been printed just before.
const MOMENTS: [&str; 8] = [
    "incident ",
    "lab: filling",
    "phase gate",
    "phase baseline",
    "phase run",
    "began fault",
    "take effect",
    "phase revert",
];

const LONG: Duration = Duration::from_secs(60);
/// After KILL the guardian is done in milliseconds, and a folder full of a database on a busy machine in seconds.
const PROMPT: Duration = Duration::from_secs(10);

fn lesson(place: &Place) -> Running {
    place.start(&["drill", "first-lesson", "--headless"])
}

fn nothing_is_left(place: &Place, patience: Duration, when: &str) {
    assert_eq!(place.residue_after(patience), Vec::<String>::new(), "{when}");
}

#[test]
fn asked_to_stop_it_undoes_and_says_so() {
    for (signal, moment) in
        [(Signal::SIGINT, "take effect"), (Signal::SIGTERM, "phase baseline"), (Signal::SIGHUP, "phase gate")]
    {
        let place = Place::new();
        let mut drill = lesson(&place);
        drill.wait_for(moment, LONG);
        drill.signal(signal);
        assert_eq!(drill.wait(), Some(6), "{signal} at {moment}:\n{}", drill.printed());
        nothing_is_left(&place, Duration::ZERO, &format!("{signal} at {moment}"));
    }
}

/// Neither the drill nor its guardian can load a module, set the clock, end the machine or become somebody else.
#[test]
fn neither_it_nor_its_guardian_can_do_more_than_its_faults_need() {
    let privileges = |pid: u32, name: &str| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel says so");
        u64::from_str_radix(line.trim(), 16).expect("hexadecimal digits")
    };
    let needless = [7, 13, 16, 17, 22, 25].iter().fold(0, |all, number| all | 1_u64 << number);
    let undos = (1 << 5 | 1 << 12) & privileges(std::process::id(), "CapPrm:");
    let place = Place::new();
    let mut drill = lesson(&place);
    drill.wait_for("phase gate", LONG);
    for pid in [drill.pid(), drill.guardian()] {
        let kept = privileges(pid, "CapPrm:");
        assert_eq!((kept & needless, kept & undos), (0, undos), "{kept:x}");
    }
    assert_eq!(privileges(drill.guardian(), "CapBnd:") & needless, 0);
    drill.signal(Signal::SIGTERM);
    assert_eq!(drill.wait(), Some(6), "{}", drill.printed());
    nothing_is_left(&place, PROMPT, "afterwards");
}

#[test]
fn killed_its_guardian_undoes_within_a_second() {
    for moment in MOMENTS {
        let place = Place::new();
        let mut drill = lesson(&place);
        drill.wait_for(moment, LONG);
        drill.signal(Signal::SIGKILL);
        drill.wait();
        nothing_is_left(&place, PROMPT, moment);
        let faults = place.run(&["faults", "--json"]);
        assert_eq!(faults.json(), serde_json::json!([]), "{moment}: {}", faults.out);
        // It has no verdict, and is no secret any more.
        let exported = place.run(&["timeline", "export", "--format", "jsonl"]);
        assert_eq!((exported.code, exported.err.as_str()), (Some(0), ""), "{moment}");
    }
}

#[test]
fn without_its_guardian_it_stops_at_once() {
    for moment in ["phase baseline", "take effect"] {
        let place = Place::new();
        let mut drill = lesson(&place);
        drill.wait_for(moment, LONG);
        signal_pid(drill.guardian(), Signal::SIGKILL);
        assert_eq!(drill.wait(), Some(6), "{moment}:\n{}", drill.printed());
        nothing_is_left(&place, PROMPT, moment);
    }
}

#[test]
fn with_both_killed_the_next_start_undoes() {
    for moment in MOMENTS {
        let place = Place::new();
        let mut drill = lesson(&place);
        drill.wait_for(moment, LONG);
        // The guardian first: it must not see its owner die. Early on there may be none, or one that is just starting.
        place.kill_guardians();
        drill.signal(Signal::SIGKILL);
        drill.wait();
        place.kill_guardians();
        let restored = place.run(&["restore", "--json"]);
        assert_eq!(restored.code, Some(0), "{moment}: {}{}", restored.out, restored.err);
        nothing_is_left(&place, PROMPT, moment);
        let faults = place.run(&["faults", "--json"]);
        assert_eq!(faults.json(), serde_json::json!([]), "{moment}");
    }
}

#[test]
fn a_lab_in_namespaces_goes_with_its_owner() {
    for moment in ["phase prepare", "lab: filling", "phase gate", "began fault", "take effect"] {
        let place = Place::new();
        let mut drill = place.start(&["drill", "leaky-abstractions", "--headless"]);
        drill.wait_for(moment, LONG);
        drill.signal(Signal::SIGKILL);
        drill.wait();
        nothing_is_left(&place, PROMPT * 2, moment);
    }
}

#[test]
fn a_lab_that_dies_ends_the_drill() {
    let place = Place::new();
    let mut drill = lesson(&place);
    drill.wait_for("phase baseline", LONG);
    let ours = format!("{}/", place.tmp().display());
    let supervisor = processes()
        .into_iter()
        .find(|(_, words)| words.contains(" lab-process supervis") && words.contains(&ours))
        .expect("a lab has a supervisor");
    signal_pid(supervisor.0, Signal::SIGKILL);
    assert_eq!(drill.wait(), Some(6), "{}", drill.printed());
    assert!(drill.printed().contains("aborted: the lab has ended"), "{}", drill.printed());
    nothing_is_left(&place, Duration::ZERO, "the supervisor was killed");
}
