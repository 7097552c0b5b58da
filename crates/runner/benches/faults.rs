//! How long faults take to come and to go: 1, 10 and 100 at once, and after SIGKILL of their owner.
//!
//! `cargo build --release && cargo bench -p deadstick-runner --bench faults`, as root (partitions are made in network
//! namespaces of its own; `pause` alone works as anybody). Prints a table; `--kills N` says how often an owner is killed,
//! 50 times otherwise. The ledger is a real one, in a temporary folder, with every entry synced.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a table for people is what it makes")]

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadstick_core::fault::{Fault, FaultKind, ResolvedTarget};
use deadstick_core::units::HumanDuration;
use deadstick_faults::process::{self, Life};
use deadstick_faults::{Injector, Settings};
use deadstick_runner::ledger::SharedLedger;
use deadstick_timeline::Ledger;

const LEASE: HumanDuration = HumanDuration::secs(60);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    if let (Some(folder), Some(pid)) = (value("--owner"), value("--victim")) {
        return own(std::path::Path::new(folder), pid.parse().expect("a pid"));
    }
    if !program().exists() {
        eprintln!("{} is not there: cargo build --release", program().display());
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!("{:<12} {:>5} {:>16} {:>16}", "fault", "count", "plan to effect", "abort to clean");
    for kind in [FaultKind::Pause, FaultKind::Vanish] {
        if kind == FaultKind::Vanish && !can_make_networks() {
            println!("{kind:<12} needs root");
            continue;
        }
        for count in [1, 10, 100] {
            let (came, went) = runtime.block_on(at_once(kind, count));
            println!("{:<12} {count:>5} {came:>13.1?} {went:>13.1?}", kind.word());
        }
    }
    let kills = value("--kills").and_then(|text| text.parse().ok()).unwrap_or(50);
    let mut times: Vec<Duration> = (0..kills).map(|_| after_kill()).collect();
    times.sort();
    let at =
        |share: usize| times.get((times.len().saturating_sub(1)) * share / 100).copied().unwrap_or_default();
    println!(
        "undone after SIGKILL of the owner, {kills} times: median {:.1?}, p99 {:.1?}, worst {:.1?}",
        at(50),
        at(99),
        at(100)
    );
    ExitCode::SUCCESS
}

/// The deadstick program, beside this one in the release folder.
fn program() -> PathBuf {
    let me = std::env::current_exe().expect("a path");
    me.ancestors().nth(2).expect("target/release/deps/bench").join("deadstick")
}

fn can_make_networks() -> bool {
    Command::new("unshare").args(["-n", "true"]).status().is_ok_and(|status| status.success())
}

/// A process to disturb; ended with the value.
struct Victim(Child);

impl Victim {
    fn new(kind: FaultKind) -> Self {
        let mut command = if kind == FaultKind::Vanish {
            let mut command = Command::new("unshare");
            // A device beside loopback, so that there is a link.
            command.args(["-n", "sh", "-c", "ip link add d0 type veth peer name d1; ip link set d0 up; ip link set d1 up; echo; exec sleep 600"]);
            command
        } else {
            let mut command = Command::new("sh");
            command.args(["-c", "echo; exec sleep 600"]);
            command
        };
        let mut child = command.process_group(0).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut ready = [0];
        std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut ready).expect("it is ready");
        Self(child)
    }

    fn target(&self) -> ResolvedTarget {
        let pid = self.0.id();
        ResolvedTarget {
            name: format!("process {pid}"),
            process: Some(process::of(pid).expect("it runs")),
            network: Some(process::network_of(pid).expect("it runs")),
            ..ResolvedTarget::default()
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().expect("ours");
        self.0.wait().expect("reaped");
    }
}

fn fault(kind: FaultKind) -> Fault {
    Fault::read(kind, []).expect("a fault without parameters")
}

async fn injector(folder: &std::path::Path) -> Injector {
    let ledger = SharedLedger::new(Ledger::create(folder, "bench").expect("a ledger"));
    let settings = Settings {
        program: program(),
        ledger: ledger.path(),
        store: ledger.store(),
        observer: Arc::new(|_| {}),
        relay: None,
        load: None,
        steps: None,
    };
    Injector::arm(settings).await.expect("the guardian starts")
}

/// How long so many faults take to be in place and looked at, and to be out again.
async fn at_once(kind: FaultKind, count: usize) -> (Duration, Duration) {
    let folder = tempfile::tempdir().expect("a folder");
    let victims: Vec<_> = (0..count).map(|_| Victim::new(kind)).collect();
    let injector = injector(folder.path()).await;
    let began = Instant::now();
    let mut all = tokio::task::JoinSet::new();
    for target in victims.iter().map(Victim::target) {
        let injector = injector.clone();
        all.spawn(async move { injector.inject(fault(kind), target, LEASE).await.expect("injected") });
    }
    all.join_all().await;
    let came = began.elapsed();
    let began = Instant::now();
    assert_eq!(injector.undo_faults("abort").await, []);
    let went = began.elapsed();
    assert_eq!(injector.close().await, []);
    (came, went)
}

/// The owner that is killed: says a word when its fault is in place.
fn own(folder: &std::path::Path, pid: u32) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let injector = injector(folder).await;
        let target = ResolvedTarget {
            name: format!("process {pid}"),
            process: Some(process::of(pid).expect("it runs")),
            ..ResolvedTarget::default()
        };
        injector.inject(fault(FaultKind::Pause), target, LEASE).await.expect("injected");
        println!();
        std::future::pending::<()>().await;
    });
    ExitCode::SUCCESS
}

/// From SIGKILL of the owner to the victim going on.
fn after_kill() -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let victim = Victim::new(FaultKind::Pause);
    let identity = process::of(victim.0.id()).expect("it runs");
    let me = std::env::current_exe().expect("a path");
    let mut owner = Command::new(me)
        .args(["--owner", &folder.path().display().to_string(), "--victim", &identity.pid.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut ready = [0];
    std::io::Read::read_exact(owner.stdout.as_mut().expect("piped"), &mut ready).expect("it is in place");
    assert_eq!(process::life(&identity).expect("readable"), Life::Stopped);
    let began = Instant::now();
    owner.kill().expect("ours");
    while process::life(&identity).expect("readable") != Life::Running {
        assert!(began.elapsed() < Duration::from_secs(10), "never undone");
        std::thread::sleep(Duration::from_micros(200));
    }
    let took = began.elapsed();
    owner.wait().expect("reaped");
    // The guardian writes its last entry before the folder goes.
    std::thread::sleep(Duration::from_millis(50));
    took
}
