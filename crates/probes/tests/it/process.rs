//! Process probes against real children.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use deadstick_core::identity::ProcessIdentity;
use deadstick_core::probe::Answer::{Satisfied, Unknown, Unsatisfied};
use deadstick_core::probe::{Observation, Probe, ProcessProbe, ProcessState};
use deadstick_core::units::{HumanDuration, Name};
use deadstick_probes::{Context, Prober};
use rustix::process::{Pid, Signal, kill_process};

/// A child that is killed and reaped whatever the test does.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().expect("sleep"))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("a child of ours");
    }

    fn identity(&self) -> ProcessIdentity {
        let pid = self.0.id();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a stat line");
        let start = stat.rsplit(')').next().and_then(|s| s.split_whitespace().nth(19)).expect("field 22");
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot id");
        ProcessIdentity { pid, start_ticks: start.parse().expect("a number"), boot: boot.trim().to_owned() }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait()) {
            assert!(std::thread::panicking(), "the child stays: {error}");
        }
    }
}

fn job() -> Name {
    "job".parse().expect("a name")
}

async fn ask(pid: Option<u32>, lab: Option<Name>, context: &Context) -> Observation {
    let expect = ProcessState::Running;
    let probe = ProcessProbe { pid, lab, expect, timeout: HumanDuration::secs(2) };
    Prober::new().expect("a client").ask(&Probe::Process(probe), context).await
}

/// Signals take effect a moment later than they are sent.
async fn becomes(state: &str, pid: Option<u32>, lab: Option<Name>, context: &Context) {
    let begun = Instant::now();
    loop {
        let seen = ask(pid, lab.clone(), context).await;
        if seen.value.as_deref() == Some(state) {
            assert_eq!(seen.answer, if state == "running" { Satisfied } else { Unsatisfied }, "{seen:?}");
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "not {state}: {seen:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn signals_show_and_zombies_are_gone() {
    let mut child = Sleeper::start();
    let pid = Some(child.0.id());
    let context = Context { processes: BTreeMap::from([(job(), Some(child.identity()))]) };
    for (signal, state) in [
        (Signal::CONT, "running"),
        (Signal::STOP, "paused"),
        (Signal::CONT, "running"),
        (Signal::KILL, "gone"),
    ] {
        child.signal(signal);
        becomes(state, pid, None, &context).await;
        becomes(state, None, Some(job()), &context).await;
    }
    // Dead, but not reaped so far: that was a zombie. Now it is nothing.
    child.0.wait().expect("a child of ours");
    becomes("gone", pid, None, &context).await;
    becomes("gone", None, Some(job()), &context).await;
}

#[tokio::test]
async fn another_bearer_of_the_number_is_not_the_process() {
    let child = Sleeper::start();
    let mine = child.identity();
    let later = ProcessIdentity { start_ticks: mine.start_ticks + 1, ..mine.clone() };
    let rebooted = ProcessIdentity { boot: "another".to_owned(), ..mine };
    for identity in [later, rebooted] {
        let context = Context { processes: BTreeMap::from([(job(), Some(identity))]) };
        becomes("gone", None, Some(job()), &context).await;
    }
}

#[tokio::test]
async fn a_probe_that_names_nobody_is_unknown() {
    let context = Context::default();
    for (pid, lab) in [(None, None), (None, Some(job())), (Some(1), Some(job()))] {
        let seen = ask(pid, lab.clone(), &context).await;
        assert_eq!(seen.answer, Unknown, "{pid:?} {lab:?}: {seen:?}");
    }
}

/// A control group of version 2 made for the test; removed after its process has left.
struct Group(PathBuf);

impl Group {
    fn make() -> std::io::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let root = mounts
            .lines()
            .find(|line| line.contains(" - cgroup2 "))
            .and_then(|line| line.split(' ').nth(4))
            .ok_or_else(|| std::io::Error::other("no control groups of version 2 are mounted"))?;
        let folder = PathBuf::from(root).join(format!("deadstick-probe-test-{}", std::process::id()));
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).expect("a group of ours");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel lets go of a killed process a moment later than its parent sees.
        let gone = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            fs::remove_dir(&self.0).is_ok()
        });
        assert!(gone || std::thread::panicking(), "{} stays", self.0.display());
    }
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
async fn the_freezer_counts_as_paused() {
    let group = match Group::make() {
        Ok(group) => group,
        Err(error) => {
            assert!(!crate::support::required(), "CI must be able to freeze: {error}");
            eprintln!("skipped: no control group can be made here ({error})");
            return;
        }
    };
    let child = Sleeper::start();
    let pid = Some(child.0.id());
    group.write("cgroup.procs", &child.0.id().to_string());
    let context = Context::default();
    becomes("running", pid, None, &context).await;
    group.write("cgroup.freeze", "1");
    becomes("paused", pid, None, &context).await;
    group.write("cgroup.freeze", "0");
    becomes("running", pid, None, &context).await;
    drop(child);
}
