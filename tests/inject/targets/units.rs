//! `--unit`: services of a systemd that starts them again. A unit that comes back is somebody else: its new process is left
//! alone, but by `kill --every-restart`.

use super::client::Client;
use super::machine::Machine;
use super::packets::Two;
use super::until;
use crate::Host;
use crate::stage::Link;

/// A script that sleeps, and starts other processes all the time.
const IDLE: &str = "while :; do sleep 0.1; done";

/// Whether a unit runs, with another first process than this.
fn runs_anew(machine: &Machine<'_>, unit: &str, old: &str) -> bool {
    machine.property(unit, "SubState") == "running" && machine.property(unit, "MainPID") != old
}

/// Ends the one fault that is in place.
fn end(machine: &Machine<'_>) {
    let ran = machine.deadstick(&["restore", "--all"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert_eq!(machine.deadstick(&["faults", "--json"]).json(), serde_json::json!([]));
}

/// Puts a fault on a unit that stays until it is ended.
fn begin(machine: &Machine<'_>, unit: &str, words: &[&str]) {
    let words = [words, &["--unit", unit, "--for", "1h", "--detach"]].concat();
    let ran = machine.inject(&words);
    assert_eq!(ran.code, Some(0), "{words:?}:\n{}{}", ran.out, ran.err);
}

#[test]
fn packets_and_processes_of_one_unit_of_two() {
    let (host, link) = (Host::new(), Link::new());
    let before = link.snapshot();
    let machine = Machine::new(&host, &link);
    let (hurt, other) = (Client::new(host.place.path(), "hurt"), Client::new(host.place.path(), "other"));
    machine.serve("hurt", &hurt.script, "");
    // Its name has a dot, and is no other kind of unit for that.
    machine.serve("other.app", &other.script, "");
    assert!(hurt.is_heard() && other.is_heard());
    let within = machine.inside();
    let two = Two { host: &host, within: &within, aim: ["--unit", "hurt"], hurt: &hurt, other: &other };
    two.every_kind();
    two.silent_by(&["pause"]);
    Two { aim: ["--unit", "other.app"], hurt: &other, other: &hurt, ..two }.silent("partition");

    for kind in ["partition", "socket-kill", "pause"] {
        let old = machine.property("hurt", "MainPID");
        two.begin(&[kind]);
        machine.run(&["systemctl", "restart", "hurt"]);
        until("it is started again", || runs_anew(&machine, "hurt", &old));
        let ended = hurt.ended();
        assert!(hurt.is_heard() && hurt.ended() == ended, "{kind}: the new process is left alone");
        two.end();
    }
    drop(machine);
    assert_eq!(link.snapshot(), before);
    host.is_clean("at the end");
}

#[test]
fn it_is_killed_once_or_whenever_it_comes_back() {
    let (host, link) = (Host::new(), Link::new());
    let machine = Machine::new(&host, &link);
    machine.serve("app", IDLE, "");
    let old = machine.property("app", "MainPID");
    let ran = machine.inject(&["kill", "--unit", "app", "--for", "1s"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    until("it is started again", || runs_anew(&machine, "app", &old));
    assert_eq!(machine.property("app", "NRestarts"), "1", "once");

    begin(&machine, "app.service", &["kill", "--every-restart"]);
    let restarts = || machine.property("app", "NRestarts").parse::<u32>().expect("a number");
    until("it is killed again and again", || restarts() >= 4);
    end(&machine);
    until("it runs", || runs_anew(&machine, "app", "0"));
    let (stays, count) = (machine.property("app", "MainPID"), restarts());
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!((machine.property("app", "MainPID"), restarts()), (stays, count), "nobody kills it any more");
    drop(machine);
    host.is_clean("at the end");
}

#[test]
fn its_limits_come_back_byte_for_byte() {
    let (host, link) = (Host::new(), Link::new());
    let machine = Machine::new(&host, &link);
    machine.serve("app", IDLE, "CPUWeight=100\nMemoryAccounting=yes\n");
    let cpu = || machine.value("app", &["cpu.max", "cpu.cfs_quota_us"]);
    let memory = || machine.value("app", &["memory.max", "memory.limit_in_bytes"]);
    let before = (cpu(), memory());
    begin(&machine, "app", &["cpu-limit", "--cpus", "0.1"]);
    assert!(["10000 100000", "10000"].contains(&cpu().as_str()), "{}", cpu());
    end(&machine);
    begin(&machine, "app", &["memory-limit", "--memory", "32MiB"]);
    assert_eq!(memory(), (32 << 20).to_string());
    end(&machine);
    assert_eq!((cpu(), memory()), before);

    // Started again while it lasts, the unit has a new group without the limit, and there is nothing to undo.
    begin(&machine, "app", &["cpu-limit", "--cpus", "0.1"]);
    let old = machine.property("app", "MainPID");
    machine.run(&["systemctl", "restart", "app"]);
    until("it is started again", || runs_anew(&machine, "app", &old));
    assert_eq!(cpu(), before.0);
    end(&machine);
    assert_eq!(cpu(), before.0);
    drop(machine);
    host.is_clean("at the end");
}

#[test]
fn without_the_controller_it_is_refused_with_what_switches_it_on() {
    let (host, link) = (Host::new(), Link::new());
    let machine = Machine::new(&host, &link);
    machine.serve("app", IDLE, "");
    let limit = || machine.inject(&["cpu-limit", "--cpus", "0.1", "--unit", "app", "--for", "1s"]);
    let ran = limit();
    // In the older hierarchies its processes are moved instead, which systemd does not look at.
    if ran.code != Some(0) {
        assert_eq!(ran.code, Some(7), "{}{}", ran.out, ran.err);
        assert!(ran.err.contains("systemctl set-property --runtime UNIT CPUWeight=100"), "{}", ran.err);
        machine.run(&["systemctl", "set-property", "--runtime", "app", "CPUWeight=100"]);
        let ran = limit();
        assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    }
    drop(machine);
    host.is_clean("at the end");
}

#[test]
fn it_may_not_open_more_files() {
    let (host, link) = (Host::new(), Link::new());
    let machine = Machine::new(&host, &link);
    machine.serve("app", IDLE, "LimitNOFILE=512\n");
    let limit = || {
        let limits = machine.run(&["cat", &format!("/proc/{}/limits", machine.property("app", "MainPID"))]);
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).map(str::to_owned);
        line.expect("it is listed").split_whitespace().next().unwrap_or_default().to_owned()
    };
    begin(&machine, "app", &["fd-limit", "--files", "64"]);
    assert_eq!(limit(), "64");
    let old = machine.property("app", "MainPID");
    machine.run(&["systemctl", "kill", "--signal=KILL", "app"]);
    until("it is started again", || runs_anew(&machine, "app", &old));
    assert_eq!(limit(), "512", "the new process has its own limit");
    end(&machine);
    begin(&machine, "app", &["fd-limit", "--files", "64"]);
    end(&machine);
    assert_eq!(limit(), "512");
    drop(machine);
    host.is_clean("at the end");
}

#[test]
fn one_that_does_not_run_is_refused_by_name() {
    let (host, link) = (Host::new(), Link::new());
    let machine = Machine::new(&host, &link);
    machine.serve("app", IDLE, "");
    machine.run(&["systemctl", "stop", "app"]);
    for unit in ["app", "app.service", "never-heard-of", "my.app"] {
        let ran = machine.inject(&["pause", "--unit", unit, "--for", "3s"]);
        assert_eq!(ran.code, Some(2), "{unit}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(unit) && ran.err.contains("systemctl status"), "{unit}: {}", ran.err);
    }
    assert!(!host.place.state().join("ledger").exists(), "nothing was begun");
}
