//! What is done to storage: a file system that is full, one that takes no writes, a file that is locked.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use common::scratch::Scratch;
use common::{Bench, fault};
use deadstick_core::fault::ResolvedTarget;
use deadstick_core::units::HumanDuration;
use deadstick_faults::kernel::{Linux, Storage};
use deadstick_faults::{FaultError, Undone};
use nix::fcntl::{FcntlArg, fcntl};

const LEASE: HumanDuration = HumanDuration::secs(60);
const MIB: u64 = 1 << 20;

/// A runtime whose threads begin in the namespaces of this one.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(test);
}

fn available(path: &Path) -> u64 {
    Linux.space(path).expect("readable").available
}

fn is_frozen(path: &Path) -> bool {
    let frozen = !Linux.freeze(path).expect("it can freeze");
    if !frozen {
        Linux.thaw(path).expect("it can thaw");
    }
    frozen
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).expect("readable").flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != "lost+found")
        .collect()
}

fn refused<T: std::fmt::Debug>(result: Result<T, FaultError>) -> String {
    match result {
        Err(FaultError::Refused { what, .. }) => what,
        other => panic!("not refused: {other:?}"),
    }
}

fn file(path: &Path) -> ResolvedTarget {
    ResolvedTarget { name: "file".to_owned(), path: Some(path.to_owned()), ..ResolvedTarget::default() }
}

#[test]
fn a_disk_is_full_up_to_its_reserve_and_comes_back() {
    let (scratch, bench) = (Scratch::new(), Bench::new());
    run(async {
        let before = available(&scratch.path);
        assert!(before > 30 * MIB, "{before}");
        let injector = bench.injector().await;
        let injected = injector
            .inject(fault("disk-fill reserve=4MiB"), scratch.target(), LEASE)
            .await
            .expect("injected");
        assert!(injected.proof.landed, "{:?}", injected.proof);
        let now = available(&scratch.path);
        assert!((3 * MIB..=5 * MIB).contains(&now), "{now}");
        assert_eq!(names(&scratch.path), Vec::<String>::new(), "the file has no name");
        // What stays free can be used, and what does not cannot.
        fs::write(scratch.path.join("small"), vec![1; 1 << 20]).expect("there is a reserve");
        let why = refused(injector.inject(fault("disk-fill reserve=8MiB"), scratch.target(), LEASE).await);
        assert!(why.contains("already"), "{why}");
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        fs::remove_file(scratch.path.join("small")).expect("it was ours");
        let after = available(&scratch.path);
        assert!(after + MIB > before, "{before} before, {after} after");
        assert_eq!(injector.close().await, []);
    });
}

#[test]
fn nothing_is_no_reserve() {
    let (scratch, bench) = (Scratch::new(), Bench::new());
    run(async {
        let injector = bench.injector().await;
        let why = refused(injector.inject(fault("disk-fill reserve=0"), scratch.target(), LEASE).await);
        assert!(why.contains("nothing"), "{why}");
        let missing = file(&scratch.path.join("missing"));
        let why = refused(injector.inject(fault("disk-fill reserve=4MiB"), missing, LEASE).await);
        assert!(why.contains("no folder"), "{why}");
        assert_eq!(injector.close().await, []);
    });
}

#[test]
fn a_frozen_file_system_holds_writers_up_and_thaws() {
    let (scratch, bench) = (Scratch::new(), Bench::new());
    run(async {
        let injector = bench.injector().await;
        let injected = injector.inject(fault("fs-freeze"), scratch.target(), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{:?}", injected.proof);
        assert!(is_frozen(&scratch.path));
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        assert!(!is_frozen(&scratch.path));
        fs::write(scratch.path.join("after"), "written").expect("writers go on");
        assert_eq!(injector.close().await, []);
    });
}

#[test]
fn what_everybody_writes_to_is_never_frozen() {
    let (scratch, bench) = (Scratch::new(), Bench::new());
    run(async {
        let injector = bench.injector().await;
        for path in [Path::new("/"), Path::new("/proc"), bench.folder.path(), &std::env::temp_dir()] {
            let why = refused(injector.inject(fault("fs-freeze"), file(path), LEASE).await);
            assert!(why.contains("the file system of"), "{}: {why}", path.display());
        }
        let missing = scratch.path.join("no").join("such");
        let why = refused(injector.inject(fault("fs-freeze"), file(&missing), LEASE).await);
        assert!(why.contains("there is no"), "{why}");
        assert_eq!(injector.close().await, []);
    });
}

#[test]
fn a_file_system_that_goes_meanwhile_needs_no_thaw() {
    let (scratch, bench) = (Scratch::new(), Bench::new());
    run(async {
        let injector = bench.injector().await;
        let injected = injector.inject(fault("fs-freeze"), scratch.target(), LEASE).await.expect("injected");
        Linux.thaw(&scratch.path).expect("thawed by hand");
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::AlreadyGone));
        assert!(!is_frozen(&scratch.path));
        assert_eq!(injector.close().await, []);
    });
}

/// Whether somebody else gets the lock.
fn gets(path: &Path, by: &str, share: bool) -> bool {
    let file =
        File::options().read(true).write(true).custom_flags(libc::O_CLOEXEC).open(path).expect("it opens");
    match (by, share) {
        ("flock", true) => file.try_lock_shared().is_ok(),
        ("flock", false) => file.try_lock().is_ok(),
        _ => {
            let kind = if share { libc::F_RDLCK } else { libc::F_WRLCK };
            let whole = libc::flock {
                l_type: kind as libc::c_short,
                l_whence: libc::SEEK_SET as libc::c_short,
                l_start: 0,
                l_len: 0,
                l_pid: 0,
            };
            // As programs lock that know nothing of newer calls.
            fcntl(&file, FcntlArg::F_SETLK(&whole)).is_ok()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_locked_by_either_call_and_in_either_mode() {
    let bench = Bench::new();
    let path = bench.folder.path().join("app.lock");
    fs::write(&path, "").expect("a file");
    let injector = bench.injector().await;
    for by in ["flock", "fcntl"] {
        for mode in ["share", "exclusive"] {
            let words = format!("file-lock by={by} mode={mode}");
            let injected = injector.inject(fault(&words), file(&path), LEASE).await.expect("injected");
            assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
            assert!(!gets(&path, by, false), "{words}");
            assert_eq!(gets(&path, by, true), mode == "share", "{words}");
            assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done), "{words}");
            assert!(gets(&path, by, false), "{words}");
        }
    }
    let missing = injector.inject(fault("file-lock"), file(&path.with_extension("missing")), LEASE).await;
    assert!(refused(missing).contains("No such file"));
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_somebody_else_has_locked_is_waited_for_and_given_up() {
    let bench = Bench::new();
    let path = bench.folder.path().join("app.lock");
    fs::write(&path, "").expect("a file");
    let theirs = File::open(&path).expect("it opens");
    theirs.lock().expect("nobody has it");
    let injector = bench.injector().await;
    let result = injector.inject(fault("file-lock"), file(&path), HumanDuration::millis(1_500)).await;
    assert!(
        matches!(result, Err(FaultError::Apply { residue: None, .. } | FaultError::Aborted)),
        "{result:?}"
    );
    drop(theirs);
    assert!(gets(&path, "flock", false));
    assert_eq!(injector.close().await, []);
}
