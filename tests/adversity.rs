//! Faults on a host that is failing itself: a disk that does not sync, a disk that is full, a clock that is set back.
//!
//! The calls are made to fail by a small library that is loaded before the system's own; the disk that is full is a real
//! one, in a mount namespace of its own.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use deadstick_core::identity::ProcessStat;
use support::{Place, Running};

/// Fails one call of `fsync` or `fdatasync`, the one whose number is asked for, and every one after it; sets the wall clock
/// back by an hour once a file is there. Guardians are spared: they stand for a second machine's worth of luck.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_int calls;

static int spared(void) {
    static int known = -1;
    if (known < 0) {
        char line[4096] = {0};
        FILE *file = fopen("/proc/self/cmdline", "r");
        size_t length = file ? fread(line, 1, sizeof line - 1, file) : 0;
        if (file) fclose(file);
        for (size_t at = 0; at < length; at++) if (!line[at]) line[at] = ' ';
        known = strstr(line, " guardian ") != NULL;
    }
    return known;
}

static int fails(void) {
    const char *from = getenv("FAIL_SYNC_FROM");
    if (!from || spared()) return 0;
    return atomic_fetch_add(&calls, 1) + 1 >= atoi(from);
}

int fsync(int fd) {
    if (fails()) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd) {
    if (fails()) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = ((int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime"))(clock, time);
    const char *back = getenv("CLOCK_BACK_WHEN");
    if (result == 0 && clock == CLOCK_REALTIME && back && access(back, F_OK) == 0) time->tv_sec -= 3600;
    return result;
}
"#;

/// The library, built in a place.
fn shim(place: &Place) -> PathBuf {
    let source = place.file("shim.c", SHIM);
    let library = place.path().join("shim.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, Path::new(&source)])
        .arg("-ldl")
        .status();
    assert!(built.expect("cc starts").success());
    library
}

/// A process to disturb; ended with the value.
struct Victim(Child);

impl Victim {
    fn new() -> Self {
        Self(Command::new("sleep").arg("600").spawn().expect("it starts"))
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    fn is_stopped(&self) -> bool {
        let line = fs::read(format!("/proc/{}/stat", self.0.id())).expect("it is there");
        ProcessStat::parse(&line).expect("a stat line").is_stopped()
    }

    fn goes_on_within(&self, patience: Duration) -> bool {
        let began = Instant::now();
        while self.is_stopped() {
            if began.elapsed() > patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().expect("ours");
        self.0.wait().expect("reaped");
    }
}

const SOON: Duration = Duration::from_secs(20);

fn pause(place: &Place, victim: &Victim, lease: &str) -> Command {
    let policy = place.file("policy.toml", "allow-all = true\n");
    place.command(&["inject", "pause", "--pid", &victim.pid(), "--for", lease, "--policy", &policy])
}

#[test]
fn a_disk_that_does_not_sync_injects_nothing_or_takes_it_out() {
    let mut landed = 0;
    let mut refused = 0;
    for from in 1.. {
        let (place, victim) = (Place::new(), Victim::new());
        let library = shim(&place);
        let mut command = pause(&place, &victim, "2s");
        let ran = command.env("LD_PRELOAD", &library).env("FAIL_SYNC_FROM", from.to_string()).output();
        let ran = support::Ran::of(&ran.expect("it starts"));
        assert!(victim.goes_on_within(SOON), "call {from}: it stands still\n{}{}", ran.out, ran.err);
        if ran.code == Some(0) {
            assert_eq!(ran.err, "", "call {from}");
            break;
        }
        assert!(matches!(ran.code, Some(1 | 4 | 5)), "call {from}: {:?}\n{}{}", ran.code, ran.out, ran.err);
        assert!(ran.err.contains("Input/output error"), "call {from}: {}", ran.err);
        if ran.out.contains("in place") {
            landed += 1;
        } else {
            refused += 1;
        }
        // The disk is well again: nothing is left, or it is found and closed.
        let restored = place.run(&["restore"]);
        assert_eq!(restored.code, Some(0), "call {from}: {}{}", restored.out, restored.err);
        assert_eq!(place.run(&["faults"]).out.trim(), "nothing is injected", "call {from}");
        assert_eq!(place.residue_after(SOON), Vec::<String>::new(), "call {from}");
        assert!(from < 40, "a pause has fewer entries than that");
    }
    assert!(refused > 0 && landed > 0, "both sides of the effect were met: {refused} before, {landed} after");
}

#[test]
fn a_clock_set_back_by_an_hour_ends_no_lease_later() {
    let (place, victim) = (Place::new(), Victim::new());
    let back = place.path().join("back");
    let mut command = pause(&place, &victim, "2s");
    command.env("LD_PRELOAD", shim(&place)).env("CLOCK_BACK_WHEN", &back);
    let mut running = Running::of(command);
    running.wait_for("take effect", SOON);
    assert!(victim.is_stopped());
    fs::write(&back, "").expect("ours");
    assert_eq!(running.wait(), Some(0), "{}", running.printed());
    assert!(victim.goes_on_within(Duration::ZERO));
    assert_eq!(place.residue_after(SOON), Vec::<String>::new());
}

/// Runs `deadstick inject pause` with its state on a file system of 64 KiB; `fill` says when that is filled up.
fn on_a_full_disk(place: &Place, victim: &Victim, fill: &str) -> (Option<i32>, String) {
    let state = place.state();
    fs::create_dir_all(&state).expect("ours");
    let policy = place.file("policy.toml", "allow-all = true\n");
    let program = env!("CARGO_BIN_EXE_deadstick");
    let full = format!("head -c 1000000 /dev/zero > {state}/filler 2>/dev/null", state = state.display());
    let (before, during) = if fill == "before" { (full.as_str(), "") } else { ("", full.as_str()) };
    let script = format!(
        "mount -t tmpfs -o size=64k tmpfs {state} || exit 99
         {before}
         {program} inject pause --pid {pid} --for 2s --policy {policy} > {out} 2>&1 & own=$!
         while kill -0 $own 2>/dev/null && ! grep -q -e 'take effect' {out}; do sleep 0.05; done
         {during}
         wait $own; code=$?
         rm -f {state}/filler
         {program} restore >> {out} 2>&1 || exit 98
         {program} faults >> {out} 2>&1
         exit $code",
        state = state.display(),
        pid = victim.pid(),
        out = place.path().join("out").display(),
    );
    let mut command = place.command(&[]);
    let environment: Vec<_> =
        command.get_envs().map(|(key, value)| (key.to_owned(), value.map(ToOwned::to_owned))).collect();
    let mut shell = Command::new("unshare");
    shell.args(["-m", "sh", "-c", &script]).env_clear();
    for (key, value) in environment {
        if let Some(value) = value {
            shell.env(key, value);
        }
    }
    command = shell;
    let status = command.status().expect("it starts");
    (status.code(), fs::read_to_string(place.path().join("out")).expect("written"))
}

#[test]
fn a_full_disk_injects_nothing() {
    let (place, victim) = (Place::new(), Victim::new());
    let (code, said) = on_a_full_disk(&place, &victim, "before");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("No space left on device") && said.contains("nothing is injected"), "{said}");
    assert!(!victim.is_stopped(), "{said}");
}

#[test]
fn a_disk_that_fills_up_meanwhile_keeps_nothing_in_place() {
    let (place, victim) = (Place::new(), Victim::new());
    let (code, said) = on_a_full_disk(&place, &victim, "meanwhile");
    // It is out. Where the ledger could not be told (a file system gives whole pages, so it may have had room for a line),
    // that is residue until it can.
    assert!(matches!(code, Some(0 | 5)), "{code:?}: {said}");
    assert!(code == Some(0) || said.contains("No space left on device"), "{said}");
    assert!(victim.goes_on_within(Duration::ZERO), "{said}");
    assert!(said.trim_end().ends_with("nothing is injected"), "{said}");
}
