//! What is done to processes: signals, standing still, little time, little memory, few files, none at all.

mod common;

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::group::{TestGroup, hierarchies};
use common::{Bench, Victim, eventually, fault};
use deadstick_core::fault::{ResolvedTarget, Target};
use deadstick_core::identity::ProcessIdentity;
use deadstick_core::units::HumanDuration;
use deadstick_faults::process::{self, Life, life};
use deadstick_faults::{FaultError, Undone};

const LEASE: HumanDuration = HumanDuration::secs(60);

/// A shell that does this after it said that it is ready.
fn shell(script: &str) -> Victim {
    let mut child = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("sh starts");
    let mut ready = [0; 6];
    child.stdout.as_mut().expect("piped").read_exact(&mut ready).expect("it says so");
    assert_eq!(&ready, b"ready\n");
    Victim(child)
}

fn busy() -> Victim {
    shell("echo ready; while :; do :; done")
}

fn identity(victim: &Victim) -> ProcessIdentity {
    process::of(victim.0.id()).expect("it runs")
}

fn lives(process: &ProcessIdentity) -> Life {
    life(process).expect("readable")
}

fn target_of(victims: &[&Victim]) -> ResolvedTarget {
    let mut processes = victims.iter().map(|victim| identity(victim));
    ResolvedTarget {
        name: "victims".to_owned(),
        process: processes.next(),
        others: processes.collect(),
        ..ResolvedTarget::default()
    }
}

fn grouped(group: &TestGroup, victims: &[&Victim]) -> ResolvedTarget {
    for victim in victims {
        group.take(victim.0.id());
    }
    ResolvedTarget { cgroup: Some(group.path.clone()), ..target_of(victims) }
}

fn name(what: &str) -> String {
    format!("deadstick-test-{what}-{}", std::process::id())
}

fn refused<T: std::fmt::Debug>(result: Result<T, FaultError>) -> String {
    match result {
        Err(FaultError::Refused { what, .. }) => what,
        other => panic!("not refused: {other:?}"),
    }
}

mod kill {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn every_process_of_the_target_is_hit() {
        let (bench, one, two) = (Bench::new(), Victim::new(), Victim::new());
        let target = target_of(&[&one, &two]);
        let injector = bench.injector().await;
        let all: Vec<_> = target.processes().cloned().collect();
        let injected = injector.inject(fault("kill signal=TERM"), target, LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{:?}", injected.proof);
        assert!(all.iter().all(|process| lives(process) == Life::Gone));
        assert_eq!(injector.close().await, []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_signal_that_informs_is_proved_by_its_handler() {
        let bench = Bench::new();
        let caught = shell("trap 'echo heard' USR1; echo ready; while :; do sleep 0.1; done");
        let ignored = shell("trap '' USR1; echo ready; while :; do sleep 0.1; done");
        let injector = bench.injector().await;
        let inject = |victim: &Victim| injector.inject(fault("kill signal=USR1"), victim.target(), LEASE);
        let proof = inject(&caught).await.expect("injected").proof;
        assert!(proof.landed && proof.evidence.contains("handler"), "{proof:?}");
        let proof = inject(&ignored).await.expect("injected").proof;
        assert!(!proof.landed && proof.evidence.contains("ignores"), "{proof:?}");
        // Without a handler the same signal ends the process.
        let proof = inject(&Victim::new()).await.expect("injected").proof;
        assert!(proof.landed && proof.evidence.contains("gone"), "{proof:?}");
        assert_eq!(injector.close().await, []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_comes_back_is_hit_again_until_the_fault_ends() {
        let bench = Bench::new();
        let pattern = format!("sleep 6{}.5", std::process::id());
        // A supervisor: whatever ends is started again. The pattern is not in its own command line.
        let supervisor =
            shell(&format!("s=sl; echo ready; while :; do ${{s}}eep 6{}.5; done", std::process::id()));
        let found = Target::Process(format!("^{pattern}$"));
        let bearer = || deadstick_faults::find::again(&found).expect("found").into_iter().next();
        eventually("the first one runs", || bearer().is_some()).await;
        let first = bearer().expect("it runs");
        let injector = bench.injector().await;
        let target = ResolvedTarget {
            name: pattern.clone(),
            process: Some(first.clone()),
            found_by: Some(found.clone()),
            ..ResolvedTarget::default()
        };
        let injected = injector.inject(fault("kill every-restart"), target, LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{:?}", injected.proof);
        eventually("a second one", || bearer().is_some_and(|second| second != first)).await;
        let second = bearer();
        if let Some(second) = second {
            eventually("the second one is gone", || lives(&second) == Life::Gone).await;
        }
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        eventually("one comes back", || bearer().is_some()).await;
        let last = bearer().expect("it runs");
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(lives(&last), Life::Running, "nobody is hit any more");
        drop(supervisor);
        let kill = deadstick_faults::kernel::Sent::End(deadstick_core::fault::Signal::Kill);
        deadstick_faults::kernel::Processes::signal(&deadstick_faults::kernel::Linux, &last, kill)
            .expect("ours");
        assert_eq!(injector.close().await, []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_bare_pid_cannot_be_found_again() {
        let (bench, victim) = (Bench::new(), Victim::new());
        let injector = bench.injector().await;
        let target = ResolvedTarget { found_by: Some(Target::Pid(victim.0.id())), ..victim.target() };
        let why = refused(injector.inject(fault("kill every-restart"), target, LEASE).await);
        assert!(why.contains("found again"), "{why}");
        assert_eq!(lives(&identity(&victim)), Life::Running);
        assert_eq!(injector.close().await, []);
    }
}

mod pause {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_stopped_before_stays_stopped() {
        let (bench, running, stopped) = (Bench::new(), Victim::new(), Victim::new());
        let (free, held) = (identity(&running), identity(&stopped));
        use deadstick_faults::kernel::{Linux, Processes, Sent};
        Linux.signal(&held, Sent::Stop).expect("ours");
        eventually("it is stopped", || lives(&held) == Life::Stopped).await;
        let injector = bench.injector().await;
        let target = target_of(&[&running, &stopped]);
        let injected = injector.inject(fault("pause"), target, LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{:?}", injected.proof);
        assert_eq!(lives(&free), Life::Stopped);
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        assert_eq!((lives(&free), lives(&held)), (Life::Running, Life::Stopped));
        assert_eq!(injector.close().await, []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn children_born_meanwhile_stand_still_and_go_on_with_the_rest() {
        let bench = Bench::new();
        let family = shell("echo ready; while :; do sleep 0.01; done");
        let injector = bench.injector().await;
        let target = ResolvedTarget { found_by: Some(Target::Process("sh".to_owned())), ..family.target() };
        for _ in 0..10 {
            let injected = injector.inject(fault("pause"), target.clone(), LEASE).await.expect("injected");
            assert!(injected.proof.landed, "{:?}", injected.proof);
            assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
            let all = deadstick_faults::find::offspring(&[identity(&family)]).expect("found");
            assert!(all.iter().all(|child| lives(child) != Life::Stopped));
        }
        assert_eq!(injector.close().await, []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_group_is_frozen_with_whoever_joins_it() {
        for hierarchy in hierarchies(&["freezer"]) {
            let (bench, one, two) = (Bench::new(), busy(), Victim::new());
            let group = TestGroup::within(&hierarchy, name("freeze"));
            let target = grouped(&group, &[&one]);
            let injector = bench.injector().await;
            let injected = injector.inject(fault("pause"), target.clone(), LEASE).await.expect("injected");
            assert!(injected.proof.landed, "{:?}", injected.proof);
            group.take(two.0.id());
            // A second pause finds it frozen, and says whose business that is.
            let why = refused(injector.inject(fault("pause"), target, LEASE).await);
            assert!(why.contains("frozen already"), "{why}");
            let used =
                || std::fs::read_to_string(format!("/proc/{}/schedstat", one.0.id())).expect("readable");
            let before = used();
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(used(), before, "a frozen process computes nothing");
            assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
            eventually("it goes on", || used() != before).await;
            assert_eq!(injector.close().await, []);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_group_that_is_removed_meanwhile_needs_no_thaw() {
        let bench = Bench::new();
        let hierarchy = hierarchies(&["freezer"]).remove(0);
        let (victim, group) = (Victim::new(), TestGroup::within(&hierarchy, name("gone")));
        let target = grouped(&group, &[&victim]);
        let injector = bench.injector().await;
        let injected = injector.inject(fault("pause"), target, LEASE).await.expect("injected");
        if hierarchy.version == 1 {
            group.write("freezer.state", "THAWED");
        }
        drop(victim);
        drop(group);
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::AlreadyGone));
        assert_eq!(injector.close().await, []);
    }
}

mod limits {
    use super::*;

    const FILES: [&str; 6] = [
        "cpu.max",
        "cpu.cfs_quota_us",
        "cpu.cfs_period_us",
        "memory.max",
        "memory.limit_in_bytes",
        "memory.memsw.limit_in_bytes",
    ];

    fn values(group: &TestGroup) -> Vec<String> {
        FILES
            .into_iter()
            .filter(|file| group.has(file))
            .map(|file| format!("{file} {}", group.read(file)))
            .collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_groups_own_values_come_back_byte_for_byte() {
        let (bench, victim) = (Bench::new(), busy());
        let group = TestGroup::new(name("own"), &["cpu", "memory"]);
        let target = grouped(&group, &[&victim]);
        // Somebody's own limits, which are neither ours nor the default.
        if group.has("cpu.max") {
            group.write("cpu.max", "150000 200000");
        } else {
            group.write("cpu.cfs_period_us", "200000");
            group.write("cpu.cfs_quota_us", "150000");
        }
        let before = values(&group);
        let injector = bench.injector().await;
        for words in ["cpu-limit cpus=0.1", "memory-limit memory=64MiB", "cpu-limit cpus=0.005"] {
            let injected = injector.inject(fault(words), target.clone(), LEASE).await.expect("injected");
            assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
            assert_ne!(values(&group), before, "{words}");
            assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done), "{words}");
            assert_eq!(values(&group), before, "{words}");
        }
        let why = refused(injector.inject(fault("cpu-limit cpus=0.9"), target.clone(), LEASE).await);
        assert!(why.contains("or less already"), "{why}");
        assert_eq!(injector.close().await, []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_value_that_somebody_set_meanwhile_is_theirs() {
        let (bench, victim) = (Bench::new(), Victim::new());
        let group = TestGroup::new(name("theirs"), &["memory"]);
        let file = if group.has("memory.max") { "memory.max" } else { "memory.limit_in_bytes" };
        let target = grouped(&group, &[&victim]);
        let injector = bench.injector().await;
        let injected =
            injector.inject(fault("memory-limit memory=64MiB"), target, LEASE).await.expect("injected");
        group.write(file, "33554432");
        injector.undo(&injected.id, "asked").await.expect("undone");
        assert_eq!(group.read(file), "33554432");
        assert_eq!(injector.close().await, []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_busy_process_gets_no_more_than_asked() {
        let (bench, victim) = (Bench::new(), busy());
        let injector = bench.injector().await;
        let homes = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("readable");
        let before = homes(victim.0.id());
        let injected =
            injector.inject(fault("cpu-limit cpus=0.1"), victim.target(), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{:?}", injected.proof);
        assert!(homes(victim.0.id()).contains(&injected.id), "{}", homes(victim.0.id()));
        let used = || {
            let text =
                std::fs::read_to_string(format!("/proc/{}/schedstat", victim.0.id())).expect("readable");
            text.split(' ').next().and_then(|word| word.parse::<u64>().ok()).expect("nanoseconds")
        };
        let (began, start) = (std::time::Instant::now(), used());
        tokio::time::sleep(Duration::from_secs(1)).await;
        let share = (used() - start) as f64 / began.elapsed().as_nanos() as f64;
        // A tenth, and a period's worth at either end.
        assert!(share < 0.2, "it got {share} of a processor");
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        assert_eq!(homes(victim.0.id()), before);
        assert_eq!(injector.close().await, []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn children_forked_meanwhile_come_home_too() {
        let bench = Bench::new();
        let victim = shell("echo ready; while :; do sleep 0.02; done");
        let injector = bench.injector().await;
        let injected = injector
            .inject(fault("memory-limit memory=64MiB"), victim.target(), LEASE)
            .await
            .expect("injected");
        assert!(injected.proof.landed, "{:?}", injected.proof);
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        for hierarchy in hierarchies(&["memory"]) {
            let left = find_folder(&hierarchy.mount, &injected.id);
            assert_eq!(left, None);
        }
        assert_eq!(lives(&identity(&victim)), Life::Running);
        assert_eq!(injector.close().await, []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn memory_in_use_is_not_asked_back() {
        let bench = Bench::new();
        let group = TestGroup::new(name("used"), &["memory"]);
        // Joins first, so that what it takes is counted there.
        let folder = group.folders().remove(0);
        let script = format!(
            "echo $$ > {}; x=$(head -c 20000000 /dev/zero | tr '\\0' x); echo ready; while :; do sleep 1; done",
            folder.join("cgroup.procs").display()
        );
        let victim = shell(&script);
        let target = grouped(&group, &[&victim]);
        let injector = bench.injector().await;
        let why = refused(injector.inject(fault("memory-limit memory=4MiB"), target, LEASE).await);
        assert!(why.contains("in use"), "{why}");
        assert_eq!(lives(&identity(&victim)), Life::Running);
        assert_eq!(injector.close().await, []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_group_with_deadstick_in_it_is_refused() {
        let (bench, victim) = (Bench::new(), Victim::new());
        let injector = bench.injector().await;
        let target = ResolvedTarget { cgroup: Some("/".into()), ..victim.target() };
        for words in ["cpu-limit cpus=0.1", "memory-limit memory=64MiB", "pause"] {
            let why = refused(injector.inject(fault(words), target.clone(), LEASE).await);
            assert!(why.contains("in it"), "{words}: {why}");
        }
        assert_eq!(injector.close().await, []);
    }

    fn find_folder(folder: &Path, id: &str) -> Option<std::path::PathBuf> {
        let below = std::fs::read_dir(folder).ok()?.flatten().filter(|entry| entry.path().is_dir());
        below.map(|entry| entry.path()).find_map(|path| {
            if path.to_string_lossy().contains(id) { Some(path) } else { find_folder(&path, id) }
        })
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn files_beyond_the_limit_cannot_be_opened() {
        let bench = Bench::new();
        let victim = shell("echo ready; while :; do sleep 0.02 </dev/null 2>/dev/null || echo full; done");
        let limit = || {
            let text = std::fs::read_to_string(format!("/proc/{}/limits", victim.0.id())).expect("readable");
            text.lines().find(|line| line.starts_with("Max open files")).expect("a line").to_owned()
        };
        let before = limit();
        let injector = bench.injector().await;
        let injected =
            injector.inject(fault("fd-limit files=3"), victim.target(), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{:?}", injected.proof);
        assert_ne!(limit(), before);
        let why = refused(injector.inject(fault("fd-limit files=16"), victim.target(), LEASE).await);
        assert!(why.contains("only 3"), "{why}");
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        assert_eq!(limit(), before);
        // One that ends meanwhile needs no undo.
        let short = Victim::new();
        let injected =
            injector.inject(fault("fd-limit files=16"), short.target(), LEASE).await.expect("injected");
        drop(short);
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::AlreadyGone));
        assert_eq!(injector.close().await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kernel_ends_an_idle_process_for_lack_of_memory() {
    let (bench, one, two) = (Bench::new(), Victim::new(), Victim::new());
    let injector = bench.injector().await;
    let target = target_of(&[&one, &two]);
    let all: Vec<_> = target.processes().cloned().collect();
    let injected = injector.inject(fault("oom"), target, LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert!(all.iter().all(|process| lives(process) == Life::Gone));
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    for hierarchy in hierarchies(&["memory"]) {
        assert!(!hierarchy.mount.join(format!("deadstick-{}", injected.id)).exists());
    }
    assert_eq!(injector.close().await, []);
}

mod stress {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn workers_run_in_the_group_and_end() {
        let bench = Bench::new();
        let group = TestGroup::new(name("stress"), &["cpu", "memory"]);
        let target = ResolvedTarget {
            name: "group".to_owned(),
            cgroup: Some(group.path.clone()),
            ..ResolvedTarget::default()
        };
        let injector = bench.injector().await;
        let injected = injector
            .inject(fault("stress cpu=1 memory=16MiB io=1"), target, LEASE)
            .await
            .expect("injected; it needs the package stress-ng");
        assert!(injected.proof.landed, "{:?}", injected.proof);
        assert!(group.members().len() > 3, "{:?}", group.members());
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        eventually("every worker is gone", || group.members().is_empty()).await;
        assert_eq!(injector.close().await, []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn no_work_is_refused() {
        let bench = Bench::new();
        let injector = bench.injector().await;
        let host = ResolvedTarget { name: "this machine".to_owned(), ..ResolvedTarget::default() };
        let why = refused(injector.inject(fault("stress"), host, LEASE).await);
        assert!(why.contains("without any work"), "{why}");
        assert_eq!(injector.close().await, []);
    }
}
