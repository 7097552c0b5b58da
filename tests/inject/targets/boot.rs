//! `deadstick restore --unit`: its file, really installed, takes out at boot what the last one left.

use std::fs;

use super::machine::Machine;
use super::until;
use crate::Host;
use crate::stage::Link;

/// A unit that makes a process with the number that another one had before the boot, and stops it.
fn recycled(host: &Host, pid: u32) -> String {
    let script = format!(
        "echo {} >/proc/sys/kernel/ns_last_pid\nsleep 600 &\ntest $! = {pid} && kill -STOP {pid}\n",
        pid - 1
    );
    let file = host.place.file("recycled.sh", script);
    format!(
        "[Unit]\nBefore=deadstick-restore.service\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
         ExecStart=/bin/sh {file}\n[Install]\nWantedBy=multi-user.target\n"
    )
}

#[test]
fn at_boot_the_unit_that_it_prints_closes_the_ledger_and_signals_nobody() {
    let (host, link) = (Host::new(), Link::new());
    let mut machine = Machine::new(&host, &link);
    let units = host.place.path().join("etc");
    let printed = machine.deadstick(&["restore", "--unit"]);
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    fs::write(units.join("deadstick-restore.service"), &printed.out).expect("ours");
    machine.serve("app", "exec sleep 600", "");
    for words in [&["daemon-reload"][..], &["enable", "deadstick-restore"], &["start", "deadstick-restore"]] {
        machine.run(&[&["systemctl"], words].concat());
    }
    assert_eq!(machine.property("deadstick-restore", "Result"), "success", "with nothing to do");

    let pid = machine.property("app", "MainPID");
    for words in [&["pause", "--pid", &pid][..], &["partition", "--to", "10.0.0.2"]] {
        let ran = machine.inject(&[words, &["--for", "1h", "--detach"]].concat());
        assert_eq!(ran.code, Some(0), "{words:?}: {}{}", ran.out, ran.err);
    }
    let boot = machine.run(&["cat", "/proc/sys/kernel/random/boot_id"]);
    machine.cut_power();
    let ledgers = || fs::read_dir(host.place.state().join("ledger")).into_iter().flatten().flatten().count();
    assert!(ledgers() >= 2, "it lost its power with both in place");

    let pid: u32 = pid.parse().expect("a number");
    fs::write(units.join("recycled.service"), recycled(&host, pid)).expect("ours");
    let wanted = units.join("multi-user.target.wants");
    std::os::unix::fs::symlink("../recycled.service", wanted.join("recycled.service")).expect("ours");
    machine.boot();
    assert_ne!(machine.run(&["cat", "/proc/sys/kernel/random/boot_id"]), boot);
    until("the unit is done", || machine.property("deadstick-restore", "ActiveState") == "inactive");
    assert_eq!(machine.property("deadstick-restore", "Result"), "success");
    assert_ne!(
        machine.property("deadstick-restore", "ExecMainStartTimestampMonotonic"),
        "0",
        "systemd ran it"
    );
    let faults = machine.deadstick(&["faults", "--json"]);
    assert_eq!((faults.code, faults.json()), (Some(0), serde_json::json!([])));
    let state = machine.run(&["cat", &format!("/proc/{pid}/stat")]);
    // Stopped before or after it became what it was to be.
    assert!(state.contains(") T "), "it is somebody else, and still stopped: {state}");
    // And what was refused before the boot is possible after it.
    let ran = machine.inject(&["kill", "--pid", &pid.to_string(), "--for", "1s"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    drop(machine);
    host.is_clean("at the end");
}
