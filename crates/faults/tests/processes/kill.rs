//! Signals, once and whenever somebody comes back.

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
async fn a_signal_put_off_for_a_moment_lands_and_one_put_off_for_good_does_not() {
    let bench = Bench::new();
    let injector = bench.injector().await;
    let blocking = |seconds: &str| {
        let python = format!(
            "import signal as s, time as t\ns.pthread_sigmask(s.SIG_BLOCK, [s.SIGTERM])\nprint('ready', flush=True)\n\
             t.sleep({seconds})\ns.pthread_sigmask(s.SIG_UNBLOCK, [s.SIGTERM])\nt.sleep(60)"
        );
        shell(&format!("exec python3 -c \"{python}\""))
    };
    let inject = |victim: &Victim| injector.inject(fault("kill signal=TERM"), victim.target(), LEASE);
    let proof = inject(&blocking("1")).await.expect("injected").proof;
    assert!(proof.landed && proof.evidence.contains("gone"), "{proof:?}");
    let proof = inject(&blocking("60")).await.expect("injected").proof;
    assert!(!proof.landed && proof.evidence.contains("off"), "{proof:?}");
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
    deadstick_faults::kernel::Processes::signal(&deadstick_faults::kernel::Linux, &last, kill).expect("ours");
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
