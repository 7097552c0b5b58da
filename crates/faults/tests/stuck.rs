//! Calls of the kernel that do not come back: a file system in a file on another one that takes no writes. Freezing the
//! inner one writes to the outer one, and waits there for as long as it likes.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::matrix::{World, owner};
use common::scratch::Scratch;
use common::{Bench, Victim, eventually, fault, store};
use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::ledger::FaultState;
use deadstick_core::units::HumanDuration;
use deadstick_faults::kernel::{Linux, Storage};
use deadstick_faults::process::{Life, is_alive, life, of};
use deadstick_faults::{FaultError, FaultEvent};

const LEASE: HumanDuration = HumanDuration::secs(60);

/// The inner file system; the outer one thaws with the value, whatever became of the test.
struct Nested {
    path: PathBuf,
    outer: Scratch,
    _folder: tempfile::TempDir,
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().expect(program);
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Nested {
    fn new() -> Self {
        let outer = Scratch::new();
        let folder = tempfile::Builder::new().prefix("deadstick-nested-").tempdir().expect("a folder");
        let (image, path) = (outer.path.join("image"), folder.path().to_owned());
        fs::File::create(&image).and_then(|file| file.set_len(16 << 20)).expect("an image");
        let text = |path: &Path| path.to_str().expect("plain").to_owned();
        run("mkfs.ext4", &["-q", "-F", &text(&image)]);
        run("mount", &["-o", "loop", &text(&image), &text(&path)]);
        Self { path, outer, _folder: folder }
    }

    /// From here on whoever writes the inner one out waits.
    fn hang(&self) {
        fs::write(self.path.join("dirty"), vec![1; 1 << 20]).expect("it takes writes");
        assert!(Linux.freeze(&self.outer.path).expect("it can freeze"), "nobody else has");
    }

    fn answer(&self) {
        Linux.thaw(&self.outer.path).expect("it can thaw");
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        self.answer();
        run("umount", &["--lazy", self.path.to_str().expect("plain")]);
    }
}

impl World for Nested {
    fn fault(&self) -> Fault {
        fault("fs-freeze")
    }
    fn target(&self) -> ResolvedTarget {
        ResolvedTarget {
            name: "nested".to_owned(),
            path: Some(self.path.clone()),
            ..ResolvedTarget::default()
        }
    }
    fn works(&self) -> bool {
        let was_free = Linux.freeze(&self.path).expect("it can freeze");
        if was_free {
            Linux.thaw(&self.path).expect("it can thaw");
        }
        was_free
    }
}

/// Whether a thread of a process waits in the kernel and takes no signal.
fn waits(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    stats.into_iter().any(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('D')))
}

/// Whether a thread of a process is in the call that freezes, and so waits for the outer one.
fn freezes(pid: u32) -> bool {
    let order = format!("{:#x}", libc::_IOWR::<libc::c_int>(u32::from(b'X'), 119));
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let calls = threads.filter_map(|thread| fs::read_to_string(thread.path().join("syscall")).ok());
    calls.into_iter().any(|call| call.contains(&order))
}

fn states(ledger: &Path) -> Vec<FaultState> {
    store::faults(ledger).values().map(|fault| fault.state).collect()
}

/// A runtime whose threads begin in the namespaces of this one.
fn run_in(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(test);
}

#[test]
fn an_abort_does_not_wait_for_a_call_that_does_not_come_back_and_undoes_what_it_does_later() {
    let (nested, bench, other, victim) = (Nested::new(), Bench::new(), Bench::new(), Victim::new());
    run_in(async {
        let (injector, beside) = (bench.injector().await, other.injector().await);
        let paused = victim.target().process.expect("a process");
        injector.inject(fault("pause"), victim.target(), LEASE).await.expect("injected");
        nested.hang();
        let injecting = {
            let (injector, target) = (injector.clone(), nested.target());
            tokio::spawn(async move { injector.inject(fault("fs-freeze"), target, LEASE).await })
        };
        eventually("it is in the call", || freezes(std::process::id())).await;
        let aborting = {
            let injector = injector.clone();
            tokio::spawn(async move { injector.undo_faults("abort").await })
        };
        // What is not stuck is out at once, and others can go on.
        eventually("the other one is out", || life(&paused).expect("readable") == Life::Running).await;
        beside.inject(fault("pause"), victim.target(), LEASE).await.expect("injected");
        assert_eq!(beside.close().await, []);
        let residue = aborting.await.expect("it ends");
        assert_eq!(residue.len(), 1, "{residue:?}");
        assert!(residue[0].why.contains("has not come back"), "{residue:?}");
        assert!(residue[0].manual.contains("deadstick restore"), "{residue:?}");
        let injected = injecting.await.expect("it ends, too");
        assert!(matches!(injected, Err(FaultError::Apply { residue: Some(_), .. })), "{injected:?}");
        assert!(states(&bench.ledger()).contains(&FaultState::Residue));
        assert!(freezes(std::process::id()), "the call is still there");
        nested.answer();
        eventually("what the call did is undone", || {
            states(&bench.ledger()).iter().all(|state| *state == FaultState::Undone)
        })
        .await;
        assert!(nested.works());
        assert!(matches!(bench.told().last(), Some(FaultEvent::Undone { .. })), "{:?}", bench.told());
        assert_eq!(injector.close().await, []);
    });
}

#[test]
fn an_owner_that_closes_leaves_a_stuck_call_to_the_guardian() {
    let (nested, bench) = (Nested::new(), Bench::new());
    nested.hang();
    let mut owner = owner(&bench.ledger(), &nested, "1s", "Nowhere");
    let said = owner.hear().expect("it says who its guardian is");
    let guardian = said.strip_prefix("guardian ").and_then(|pid| pid.parse().ok()).expect("a pid");
    let guardian = of(guardian).expect("it runs");
    // It gives up at the end of the lease, says so, and cannot end before its call has.
    while owner.hear().is_some_and(|line| !line.starts_with("residue")) {}
    assert!(freezes(owner.child.id()));
    assert!(states(&bench.ledger()).contains(&FaultState::Residue));
    run_in(async {
        assert!(is_alive(&guardian), "it waits for the owner");
        nested.answer();
        eventually("the guardian has ended", || !is_alive(&guardian)).await;
        assert!(states(&bench.ledger()).iter().all(|state| *state == FaultState::Undone));
        eventually("it is as before", || nested.works()).await;
    });
    owner.child.wait().expect("reaped");
}

#[test]
fn an_owner_killed_in_a_call_that_does_not_come_back_is_noticed_and_waited_for() {
    let (nested, bench) = (Nested::new(), Bench::new());
    nested.hang();
    let mut owner = owner(&bench.ledger(), &nested, "60s", "Nowhere");
    let said = owner.hear().expect("it says who its guardian is");
    let guardian = said.strip_prefix("guardian ").and_then(|pid| pid.parse().ok()).expect("a pid");
    let guardian = of(guardian).expect("it runs");
    let pid = owner.child.id();
    run_in(async {
        eventually("it is in the call", || freezes(pid)).await;
        // It takes effect with the end of the call.
        owner.child.kill().expect("ours");
        eventually("the guardian has seen it", || states(&bench.ledger()).contains(&FaultState::Residue))
            .await;
        assert!(is_alive(&guardian), "it waits for the owner");
        nested.answer();
        eventually("the guardian has ended", || !is_alive(&guardian)).await;
        assert!(states(&bench.ledger()).iter().all(|state| *state == FaultState::Undone));
        assert!(nested.works());
    });
    owner.child.wait().expect("reaped");
}

/// Somebody else has frozen it: the process that tries whether it takes writes waits, and nothing is disturbed yet.
#[test]
fn what_is_only_prepared_is_given_up_at_once() {
    let (nested, bench) = (Nested::new(), Bench::new());
    run_in(async {
        let injector = bench.injector().await;
        assert!(Linux.freeze(&nested.path).expect("it can freeze"), "nobody else has");
        let injecting = {
            let (injector, target) = (injector.clone(), nested.target());
            tokio::spawn(async move { injector.inject(fault("fs-freeze"), target, LEASE).await })
        };
        let own = std::process::id();
        let children = move || {
            let text = fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
            let threads = fs::read_dir(format!("/proc/{own}/task")).into_iter().flatten().flatten();
            let rest = threads.filter_map(|one| fs::read_to_string(one.path().join("children")).ok());
            text.into_iter().chain(rest).collect::<Vec<_>>().join(" ")
        };
        eventually("its holder waits", || {
            children().split_whitespace().any(|pid| waits(pid.parse().expect("a pid")))
        })
        .await;
        assert_eq!(injector.undo_all("abort").await, []);
        let result = tokio::time::timeout(std::time::Duration::from_secs(5), injecting).await;
        let result = result.expect("before the holder is given up on").expect("it ends");
        assert!(matches!(result, Err(FaultError::Aborted)), "{result:?}");
        assert!(!nested.works(), "what somebody else froze stays so");
        Linux.thaw(&nested.path).expect("it can thaw");
        assert_eq!(injector.close().await, []);
        assert_eq!(states(&bench.ledger()), []);
    });
}
