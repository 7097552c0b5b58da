//! Little time, little memory, few files.

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
    // One that is moved into a group of ours would have no less there than it has here.
    let why = refused(injector.inject(fault("cpu-limit cpus=0.9"), victim.target(), LEASE).await);
    assert!(why.contains("or less already"), "{why}");
    let elsewhere = Victim::new();
    let why = refused(injector.inject(fault("cpu-limit cpus=4096"), elsewhere.target(), LEASE).await);
    assert!(why.contains("that this machine has"), "{why}");
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
        let text = std::fs::read_to_string(format!("/proc/{}/schedstat", victim.0.id())).expect("readable");
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
    let injected =
        injector.inject(fault("memory-limit memory=64MiB"), victim.target(), LEASE).await.expect("injected");
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
        "echo $$ > {}; x=$(head -c 20000000 /dev/zero | tr '\\0' x); echo ready; while :; do sleep 0.1; done",
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

#[tokio::test(flavor = "multi_thread")]
async fn who_ends_in_the_middle_leaves_no_group() {
    let (bench, victim) = (Bench::new(), Victim::new());
    let injector = bench.injector().await;
    let injected =
        injector.inject(fault("cpu-limit cpus=0.1"), victim.target(), LEASE).await.expect("injected");
    drop(victim);
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    for hierarchy in hierarchies(&["cpu"]) {
        assert_eq!(find_folder(&hierarchy.mount, &injected.id), None);
    }
    assert_eq!(injector.close().await, []);
}
