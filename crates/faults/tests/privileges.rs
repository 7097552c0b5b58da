//! What processes of ours keep of their privileges, read from the kernel while real faults are in place, and that undos
//! work with it also on what belongs to others.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use common::matrix::{Before, Killed, one, owner};
use common::scratch::Scratch;
use common::worlds::links::plain;
use common::worlds::processes::alone;
use common::worlds::same::Same;
use common::{Bench, Pair, Victim, fault, store};
use deadstick_core::fault::{ResolvedTarget, catalogue};
use deadstick_core::ledger::{Undo, any_undo};
use deadstick_core::privilege::Privilege;
use deadstick_core::units::HumanDuration;
use deadstick_faults::privileges::{self, Heirs};
use deadstick_faults::process::Life;
use deadstick_faults::{FaultStep, Undone, process};

const LEASE: HumanDuration = HumanDuration::secs(60);
/// Who owns nothing.
const NOBODY: u32 = 65_534;

/// A line of a process's or thread's status, in hexadecimal digits.
fn mask(status: &str, name: &str) -> u64 {
    let text = fs::read_to_string(status).unwrap_or_else(|error| panic!("{status}: {error}"));
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel says so");
    u64::from_str_radix(line.trim(), 16).expect("hexadecimal digits")
}

/// The kernel's numbers, written down here once more: the table under test must not be what it is compared with.
fn bits<'a>(all: impl IntoIterator<Item = &'a Privilege>) -> u64 {
    let number = |one: &Privilege| match one {
        Privilege::Chown => 0,
        Privilege::DacOverride => 1,
        Privilege::DacReadSearch => 2,
        Privilege::Fowner => 3,
        Privilege::Kill => 5,
        Privilege::SetUid => 7,
        Privilege::NetBindService => 10,
        Privilege::NetAdmin => 12,
        Privilege::NetRaw => 13,
        Privilege::SysPtrace => 19,
        Privilege::SysAdmin => 21,
        Privilege::SysNice => 23,
        Privilege::SysResource => 24,
    };
    all.into_iter().fold(0, |mask, one| mask | 1 << number(one))
}

/// A process keeps exactly this in its main thread, no more in any other, and can gain nothing.
fn keeps(pid: u32, expected: u64, who: &str) {
    keeps_below(pid, expected, expected, who);
}

/// The same of one that was started with less than its own bound.
fn keeps_below(pid: u32, expected: u64, bound: u64, who: &str) {
    let own = mask("/proc/self/status", "CapEff:");
    assert_ne!(own & bits(&[Privilege::NetAdmin]), 0, "this test needs root");
    let status = format!("/proc/{pid}/status");
    for set in ["CapEff:", "CapPrm:"] {
        assert_eq!(mask(&status, set), expected & own, "{who}: {set}");
    }
    assert_eq!(mask(&status, "CapBnd:"), bound & own, "{who}");
    for set in ["CapInh:", "CapAmb:"] {
        assert_eq!(mask(&status, set), 0, "{who}: {set}");
    }
    assert_eq!(mask(&status, "NoNewPrivs:"), 1, "{who}");
    for thread in fs::read_dir(format!("/proc/{pid}/task")).expect("readable").flatten() {
        let status = thread.path().join("status").display().to_string();
        assert_eq!(mask(&status, "CapEff:") & !expected, 0, "{who}: {status}");
    }
}

/// The holder of the one fault in a ledger.
fn holder(ledger: &Path) -> u32 {
    fn of(undo: &Undo) -> Option<u32> {
        match undo {
            Undo::EndHolder { process, .. } => Some(process.pid),
            Undo::All { steps } => steps.iter().find_map(of),
            _ => None,
        }
    }
    let faults = store::faults(ledger);
    faults
        .values()
        .filter(|fault| fault.state.is_open())
        .find_map(|fault| of(&fault.intent.undo))
        .expect("one")
}

async fn holds_with(words: &str, target: ResolvedTarget, expected: &[Privilege]) {
    let bench = Bench::new();
    let injector = bench.injector().await;
    let guardian = injector.guardian().expect("it runs").pid;
    let injected = injector.inject(fault(words), target, LEASE).await.expect(words);
    assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
    keeps(guardian, bits(&any_undo()), &format!("{words}: the guardian"));
    let holder = holder(&bench.ledger());
    keeps(holder, bits(expected), &format!("{words}: the holder"));
    let children = fs::read_to_string(format!("/proc/{holder}/task/{holder}/children")).expect("readable");
    for child in children.split_whitespace() {
        assert_eq!(mask(&format!("/proc/{child}/status"), "CapPrm:"), 0, "{words}: what the holder started");
    }
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done), "{words}");
    assert_eq!(injector.close().await, []);
}

fn database(folder: &Path) -> ResolvedTarget {
    let path = folder.join("shop.db");
    rusqlite::Connection::open(&path)
        .and_then(|file| file.execute_batch("pragma journal_mode = wal; create table orders (id integer)"))
        .expect("a database");
    ResolvedTarget { name: "file".to_owned(), path: Some(path), ..ResolvedTarget::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn holders_of_what_is_root_s_keep_nothing() {
    let folder = tempfile::Builder::new().prefix("deadstick-faults-").tempdir().expect("a folder");
    let path = folder.path().join("app.lock");
    fs::write(&path, "").expect("a file");
    let file = ResolvedTarget { name: "file".to_owned(), path: Some(path), ..ResolvedTarget::default() };
    let host = ResolvedTarget { name: "host".to_owned(), ..ResolvedTarget::default() };
    let pair = Pair::new();
    holds_with("file-lock", file, &[]).await;
    holds_with("lock mode=share", database(folder.path()), &[]).await;
    // It entered another network and took a port for which a privilege is needed.
    holds_with("port-take port=80", pair.target(), &[]).await;
    holds_with("stress cpu=1", host, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_of_what_is_somebody_else_s_keeps_what_it_takes_to_leave_it_theirs() {
    let folder = tempfile::Builder::new().prefix("deadstick-faults-").tempdir().expect("a folder");
    let target = database(folder.path());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("ours");
    let all = || fs::read_dir(folder.path()).expect("readable").flatten().map(|entry| entry.path());
    for path in all().chain([folder.path().to_owned()]) {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("given away");
    }
    holds_with("lock mode=share", target, &[Privilege::DacOverride, Privilege::Chown]).await;
    for path in all() {
        let owner = std::os::linux::fs::MetadataExt::st_uid(&fs::metadata(&path).expect("there"));
        assert_eq!(owner, NOBODY, "{}", path.display());
    }
}

#[test]
fn who_fills_a_file_system_keeps_nothing() {
    let scratch = Scratch::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(holds_with("disk-fill reserve=4MiB", scratch.target(), &[]));
}

/// The owner of a single fault has given up what its kind does not need before the guardian starts.
#[test]
fn an_owner_of_one_fault_and_its_guardian_keep_what_that_fault_needs() {
    let setpcap = 1 << 8;
    for (world, undo) in [
        (alone("pause"), &[Privilege::Kill, Privilege::DacOverride, Privilege::SysNice][..]),
        (plain("vanish"), &[Privilege::NetAdmin, Privilege::SysAdmin, Privilege::SysPtrace]),
    ] {
        let world = world.expect("it needs no server");
        let bench = Bench::new();
        let mut owner = owner(&bench.ledger(), world.as_ref(), "60s", "Examined");
        let said = owner.hear().expect("it says who its guardian is");
        let guardian = said.strip_prefix("guardian ").and_then(|pid| pid.parse().ok()).expect("a pid");
        while owner.hear().is_some_and(|line| !line.starts_with("at ")) {}
        let kind = world.fault().kind();
        let own = mask("/proc/self/status", "CapEff:");
        let status = format!("/proc/{}/status", owner.child.id());
        let expected = (bits(catalogue::of(kind).privileges) | setpcap) & own;
        assert_eq!(mask(&status, "CapPrm:"), expected, "{kind}");
        assert_eq!(mask(&status, "NoNewPrivs:"), 1, "{kind}");
        keeps_below(guardian, bits(undo), bits(&any_undo()), &format!("{kind}: the guardian"));
        assert!(owner.tell("go"));
        while let Some(line) = owner.hear() {
            assert!(!line.starts_with("residue") || line == "residue 0", "{kind}: {line}");
        }
        owner.child.wait().expect("reaped");
        assert!(world.works(), "{kind}");
    }
}

/// With what it has kept, a guardian undoes what was done to others, too.
#[tokio::test]
async fn a_process_of_somebody_else_goes_on_after_any_kill() {
    let mut command = Command::new("sleep");
    let child = command.arg("600").uid(NOBODY).gid(NOBODY).spawn().expect("sleep starts");
    let victim = Victim::of(child);
    let (target, idle) = (victim.target(), victim.target().process.expect("a process"));
    let world = Same::new("pause", target, victim, move || {
        process::life(&idle).is_ok_and(|now| now == Life::Running)
    });
    let before = Before::of(&world).await;
    for killed in [Killed::Owner, Killed::Guardian, Killed::Both] {
        one(&world, &before, FaultStep::Examined, killed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guardian_removes_a_folder_in_which_others_wrote() {
    let bench = Bench::new();
    let path = bench.folder.path().join("lab");
    let injector = bench.injector().await;
    let data = path.join("data");
    fs::create_dir_all(&data).expect("a folder");
    fs::write(data.join("base"), "rows").expect("a file");
    fs::write(path.join(deadstick_faults::MARK_FILE), "ours").expect("a file");
    for (path, mode) in [(data.join("base"), 0o600), (data.clone(), 0o700)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
        chown(&path, Some(NOBODY), Some(NOBODY)).expect("given away");
    }
    let undo = Undo::RemoveFolder { path: path.clone(), mark: "ours".to_owned() };
    injector.register("the lab's folder", undo, LEASE).await.expect("registered");
    let guardian = injector.guardian().expect("it runs");
    // The last owner goes without a word: from here on it is the guardian's.
    drop(injector);
    common::eventually("it is gone", || !path.exists()).await;
    common::eventually("the guardian has ended", || !process::is_alive(&guardian)).await;
}

/// Where the kernel does not let a set be narrowed, the rest is, and it is said.
#[test]
fn what_the_kernel_refuses_is_said_and_stops_nothing() {
    let wanted = [Privilege::NetAdmin].into();
    let work = || {
        // Without the privilege to narrow the bounding set.
        drop(privileges::keep(&wanted, Heirs::Anybody));
        let first = privileges::keep(&BTreeSet::new(), Heirs::Nobody);
        (first, privileges::keep(&BTreeSet::new(), Heirs::Nobody))
    };
    let (first, second) = std::thread::scope(|scope| scope.spawn(work).join().expect("it ends"));
    assert_eq!(first.privileges, BTreeSet::new());
    assert_eq!(first.refused.len(), 1, "{first}");
    assert!(first.to_string().starts_with("none (the bounding set stays: "), "{first}");
    assert_eq!(second.refused, Vec::<String>::new(), "who has nothing lacks nothing");
}

/// A thread that gives up everything has nothing, and the one that started it has what it had.
#[test]
fn what_a_thread_gives_up_is_its_own() {
    let before = privileges::held();
    assert!(!before.is_empty(), "this test needs root");
    let wanted = [Privilege::NetAdmin].into();
    let (kept, none) = std::thread::scope(|scope| {
        let work = || {
            let kept = privileges::keep(&wanted, Heirs::Nobody);
            privileges::keep_none();
            (kept, privileges::held())
        };
        scope.spawn(work).join().expect("it ends")
    });
    assert_eq!((kept.privileges, kept.refused), (wanted, Vec::new()));
    assert_eq!(none, BTreeSet::new());
    assert_eq!(privileges::held(), before);
    let folder = tempfile::Builder::new().prefix("deadstick-faults-").tempdir().expect("a folder");
    assert!(privileges::may_write_without(&folder.path().join("new")));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("ours");
    chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("given away");
    assert!(!privileges::may_write_without(&folder.path().join("new")));
    assert_eq!(privileges::held(), before);
}
