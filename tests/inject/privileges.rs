//! Least privilege of the program as people run it: as root, with privileges in its file and no other, in a user namespace.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::Host;
use crate::stage::{Link, Victim, ok};
use crate::support::{Ran, signal_pid};

const DAC_OVERRIDE: u64 = 1 << 1;
const KILL: u64 = 1 << 5;
const SETPCAP: u64 = 1 << 8;
const NET_ADMIN: u64 = 1 << 12;
const SYS_ADMIN: u64 = 1 << 21;
const SYS_NICE: u64 = 1 << 23;

fn status(pid: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel says so");
    u64::from_str_radix(line.trim(), 16).expect("hexadecimal digits")
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "never so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A copy of the program, and a state folder, for a user who has no other privileges than those in the file.
fn for_nobody(host: &Host, privileges: u64) -> (PathBuf, PathBuf) {
    let (program, state) = (host.place.path().join("deadstick"), host.place.path().join("nobody"));
    fs::copy(host.place.command(&[]).get_program(), &program).expect("it can be copied");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("ours");
    fs::create_dir_all(&state).expect("it is ours");
    ok(&["chown", "nobody", &state.display().to_string()]);
    if privileges != 0 {
        // As the kernel reads it: version 2 with the effective bit, then what is permitted and what inherited.
        let words = [0x0200_0001_u32, u32::try_from(privileges).expect("low ones"), 0, 0, 0];
        let value: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(&program, "security.capability", &value, flags).expect("root may");
    }
    (program, state)
}

fn as_nobody(program: &Path, state: &Path, before: &[&str], args: &[&str]) -> Ran {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--inh-caps=-all"]);
    command.args(before).arg(program).args(args);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("DEADSTICK_STATE", state);
    Ran::of(&command.current_dir("/").output().expect("setpriv starts"))
}

#[test]
fn who_holds_a_fault_keeps_what_that_takes() {
    let (host, victim, link) = (Host::new(), Victim::idle(), Link::new());
    let pid = victim.pid().to_string();
    for (words, expected) in [
        (&["pause", "--pid", &pid, "--for", "1h", "-v"][..], KILL | DAC_OVERRIDE | SYS_NICE),
        (&["file-lock", "--path", "/etc/hostname", "--for", "1h", "-v"], DAC_OVERRIDE),
    ] {
        let mut running = host.place.start(&host.args(words));
        running.wait_for(" take effect: ", Duration::from_secs(60));
        let printed = running.printed();
        assert!(printed.contains("privileges of this process: CAP_"), "{printed}");
        assert!(printed.contains("privileges of its guardian: CAP_"), "{printed}");
        let expected = (expected | SETPCAP) & status(std::process::id(), "CapPrm:");
        for set in ["CapPrm:", "CapEff:"] {
            assert_eq!(status(running.pid(), set), expected, "{words:?}: {set}");
        }
        assert_eq!(status(running.guardian(), "CapPrm:") & !expected, 0, "{words:?}");
        assert_eq!(status(running.guardian(), "CapBnd:") & SETPCAP, 0, "{words:?}");
        running.signal(Signal::SIGTERM);
        assert_eq!(running.wait(), Some(6), "{words:?}: {}", running.printed());
        host.is_clean(words[0]);
    }
    // In the background, too.
    let ran = host.inject(&["partition", "--netns", &link.near, "--for", "1h", "--detach", "--json"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let owner = host.place.run(&["faults", "--json"]).json()[0]["owner"].as_u64().expect("a pid");
    let kept = status(u32::try_from(owner).expect("a pid"), "CapEff:");
    assert_eq!((kept & (NET_ADMIN | SYS_ADMIN), kept & (KILL | DAC_OVERRIDE)), (NET_ADMIN | SYS_ADMIN, 0));
    assert_eq!(host.place.run(&["restore", "--all"]).code, Some(0));
    host.is_clean("partition");
}

/// A process of root, stopped by a user whose only right to do so is in the program's file: the guardian has it, too.
#[test]
fn privileges_in_the_file_of_the_program_are_enough() {
    let (host, victim) = (Host::new(), Victim::idle());
    // More than the fault needs: what is given up must keep nobody from starting the program again.
    let (program, state) = for_nobody(&host, KILL | NET_ADMIN);
    let pid = victim.pid().to_string();
    let run = |words: &[&str]| as_nobody(&program, &state, &[], &host.args(words));
    let ran = run(&["pause", "--pid", &pid, "--for", "1s"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(victim.runs());
    let ran = run(&["pause", "--pid", &pid, "--for", "1h", "--detach"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert_eq!(victim.state(), Some('T'));
    let listed = as_nobody(&program, &state, &[], &["faults", "--json"]).json();
    let owner = u32::try_from(listed[0]["owner"].as_u64().expect("a pid")).expect("a pid");
    assert_eq!(status(owner, "CapPrm:"), KILL, "what it had of what this fault needs");
    signal_pid(owner, Signal::SIGKILL);
    until("its guardian lets it go on", || victim.runs());
    until("and says so", || {
        as_nobody(&program, &state, &[], &["faults", "--json"]).json() == serde_json::json!([])
    });
}

#[test]
fn in_a_user_namespace_it_works_as_well() {
    let host = Host::new();
    let (program, state) = for_nobody(&host, 0);
    let policy = host.args(&[]).pop().expect("its last word").to_owned();
    let script = format!(
        "sleep 60 & {} inject pause --pid $! --for 1s -v --policy {policy}; code=$?; kill $!; exit $code",
        program.display()
    );
    let shell = Path::new("/bin/sh");
    let ran = as_nobody(shell, &state, &["unshare", "--user", "--map-root-user"], &["-c", &script]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("privileges of this process: CAP_"), "{}", ran.err);
}
