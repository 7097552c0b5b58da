//! Busy workers.

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
