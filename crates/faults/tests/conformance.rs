//! One body, two arms: what the injector promises of a process and a network fault, on a recording fake and on the real
//! kernel. The fake arm also says what is never sent.

mod common;
mod fake;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{Bench, Pair, Victim, WITNESS, fault, group, store};
use deadstick_core::fault::ResolvedTarget;
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::units::HumanDuration;
use deadstick_faults::kernel::{Control, Kernel, Linux, Reach};
use deadstick_faults::process::Life;
use deadstick_faults::{FaultError, HostFacts, Injector, Undone};
use fake::{Fake, identity, machine};

const LEASE: HumanDuration = HumanDuration::secs(60);

fn fake_target() -> ResolvedTarget {
    ResolvedTarget {
        name: "client".to_owned(),
        process: Some(identity()),
        network: Some(NetworkIdentity::of_process(identity(), 1)),
        witness: Some(WITNESS.into()),
        ..ResolvedTarget::default()
    }
}

const FACTS: HostFacts = HostFacts { relay: false, ..HostFacts::ALL };

/// The body. Its process is not killed until the end.
async fn conforms(kernel: Arc<dyn Kernel>, target: ResolvedTarget) {
    let bench = Bench::new();
    let injector = Injector::arm_on(bench.settings(), Arc::clone(&kernel), FACTS).await.expect("armed");
    let network = target.network.clone().expect("a network");
    let answers = || kernel.reach(&network, WITNESS.into(), Duration::from_millis(200)).expect("tried");
    let process = target.process.clone().expect("a process");
    for fault in [fault("vanish"), fault("partition"), fault("half-open")] {
        let injected = injector.inject(fault.clone(), target.clone(), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{fault:?}: {:?}", injected.proof);
        let table = format!("deadstick-{}", injected.id);
        assert!(kernel.has_table(&network, &table).expect("asked"), "{fault:?}");
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done), "{fault:?}");
        assert!(!kernel.has_table(&network, &table).expect("asked"), "{fault:?}");
        assert!(matches!(answers(), Reach::Accepted(_)), "{fault:?}");
        let words = &store::faults(&bench.ledger())[&injected.id].words;
        assert_eq!(words, &["applying", "applied", "proved", "undoing", "undone"], "{fault:?}");
    }
    let injected = injector.inject(fault("socket-kill"), target.clone(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    // Two for the same packets, of which the first one goes first.
    let mut slow = Vec::new();
    for words in ["rate rate=10MiB/s", "rate rate=1MiB/s"] {
        let injected = injector.inject(fault(words), target.clone(), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
        slow.push(injected.id);
    }
    for id in slow {
        assert_eq!(injector.undo(&id, "asked").await, Ok(Undone::Done));
        assert!(matches!(answers(), Reach::Accepted(_)));
    }
    let both = [fault("vanish"), fault("pause")];
    for fault in both {
        injector.inject(fault, target.clone(), LEASE).await.expect("injected");
    }
    assert_eq!(injector.undo_faults("abort").await, []);
    assert_eq!(kernel.life(&process).expect("readable"), Life::Running);
    assert!(matches!(answers(), Reach::Accepted(_)));
    let mut later = target.clone();
    later.process.as_mut().expect("a process").start_ticks += 1;
    let refused = injector.inject(fault("kill signal=KILL"), later, LEASE).await;
    assert!(matches!(refused, Err(FaultError::Refused { .. })), "{refused:?}");
    assert_eq!(kernel.life(&process).expect("readable"), Life::Running);
    let injected = injector.inject(fault("kill signal=KILL"), target, LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert_eq!(injector.close().await, []);
}

/// The second body: what is done to a process in a control group.
async fn holds_back(kernel: Arc<dyn Kernel>, target: ResolvedTarget, folder: &Path) {
    let bench = Bench::new();
    let injector = Injector::arm_on(bench.settings(), Arc::clone(&kernel), FACTS).await.expect("armed");
    let process = target.process.clone().expect("a process");
    let frozen = |kernel: &dyn Kernel| {
        let files = ["cgroup.freeze", "freezer.state"];
        files
            .map(|file| kernel.value(folder, file).expect("readable"))
            .into_iter()
            .flatten()
            .collect::<String>()
    };
    let world = |kernel: &dyn Kernel| {
        let home = kernel.home(Control::Cpu, &process).expect("readable");
        (home, kernel.file_limit(&process).expect("readable"), frozen(kernel))
    };
    let before = world(kernel.as_ref());
    let bare = ResolvedTarget { cgroup: None, ..target.clone() };
    for (words, target) in [("pause", &target), ("cpu-limit cpus=0.5", &bare), ("fd-limit files=64", &bare)] {
        let injected = injector.inject(fault(words), target.clone(), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
        assert_ne!(world(kernel.as_ref()), before, "{words}");
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done), "{words}");
        assert_eq!(world(kernel.as_ref()), before, "{words}");
        let words_told = &store::faults(&bench.ledger())[&injected.id].words;
        assert_eq!(words_told, &["applying", "applied", "proved", "undoing", "undone"], "{words}");
    }
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn held_back_on_the_fake() {
    let fake = Fake::default();
    let target = ResolvedTarget { cgroup: Some("home".into()), ..fake_target() };
    holds_back(Arc::new(fake.clone()), target, Path::new(machine::HOME)).await;
    let calls = fake.with(|world| world.calls.clone());
    assert_eq!(calls, ["cgroup.freeze = 1", "cgroup.freeze = 0", "cpu.max = 50000 100000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn held_back_on_the_real_kernel() {
    let hierarchy = group::hierarchies(&["freezer"]).remove(0);
    let group = group::TestGroup::within(&hierarchy, format!("deadstick-conforms-{}", std::process::id()));
    let victim = Victim::new();
    group.take(victim.0.id());
    let target = ResolvedTarget { cgroup: Some(group.path.clone()), ..victim.target() };
    holds_back(Arc::new(Linux), target, &hierarchy.folder(&group.path)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_fake() {
    let fake = Fake::default();
    conforms(Arc::new(fake.clone()), fake_target()).await;
    let calls = fake.with(|world| world.calls.clone());
    assert_eq!(calls.iter().filter(|call| call.starts_with("install")).count(), 8, "{calls:?}");
    assert_eq!(calls.iter().filter(|call| *call == "remove").count(), 8, "{calls:?}");
    for made in
        ["class dsa", "class deadstick-in", "no class dsa", "no class deadstick-in", "no device deadstick-in"]
    {
        assert_eq!(calls.iter().filter(|call| *call == made).count(), 2, "{made}: {calls:?}");
    }
    assert_eq!(fake.with(|world| world.classes.clone()), []);
    let signals: Vec<_> = calls
        .iter()
        .filter(|call| ["Stop", "Continue"].contains(&call.as_str()) || call.starts_with("End"))
        .collect();
    assert_eq!(signals, ["Stop", "Continue", "End(Kill)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_real_kernel() {
    let pair = Pair::new();
    conforms(Arc::new(Linux), pair.target()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_without_effect_is_said_not_to_have_landed() {
    let (bench, fake) = (Bench::new(), Fake::default());
    fake.with(|world| world.inert = true);
    let injector = Injector::arm_on(bench.settings(), Arc::new(fake), FACTS).await.expect("armed");
    for fault in [fault("vanish"), fault("half-open"), fault("socket-kill")] {
        let injected = injector.inject(fault.clone(), fake_target(), LEASE).await.expect("injected");
        assert!(!injected.proof.landed, "{fault:?}: {:?}", injected.proof);
        assert!(store::faults(&bench.ledger())[&injected.id].words.contains(&"not-proved"));
    }
    assert_eq!(injector.close().await, []);
}
