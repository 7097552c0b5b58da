//! What is planned, and what is refused by name.

use deadstick_core::fault::{Direction, Signal};

use super::*;

const LEASE: HumanDuration = HumanDuration::secs(60);
const ALL: HostFacts = HostFacts { device_hooks: true, redirect: true, netem: false, relay: true };

fn process() -> ProcessIdentity {
    ProcessIdentity { pid: 4711, start_ticks: 12, boot: "boot".to_owned() }
}

fn host() -> ResolvedTarget {
    ResolvedTarget {
        name: "job".to_owned(),
        process: Some(process()),
        network: Some(NetworkIdentity { holder: process(), inode: 99 }),
        address: Some([10, 0, 0, 4].into()),
        ..ResolvedTarget::default()
    }
}

fn refusal(fault: &Fault, target: &ResolvedTarget, facts: &HostFacts) -> String {
    match plan(fault, target, LEASE, facts) {
        Err(FaultError::Refused { what, .. }) => what,
        other => format!("not refused: {other:?}"),
    }
}

#[test]
fn every_kind_names_what_it_touches_and_how_that_is_undone() {
    let database =
        ResolvedTarget { dsn: Some("postgres://ann:s3cret@db/x".to_owned()), ..ResolvedTarget::default() };
    let file = ResolvedTarget { path: Some("/shop.db".into()), ..ResolvedTarget::default() };
    let peer = Peer { address: [10, 0, 0, 1].into(), port: Some(5432) };
    let (delay, jitter) = (HumanDuration::millis(50), HumanDuration::millis(5));
    let cases = [
        (Fault::Kill { signal: Signal::Term }, host(), "SIGTERM"),
        (Fault::Pause, host(), "SIGSTOP"),
        (Fault::HalfOpen { to: Some(peer) }, host(), "10.0.0.1:5432"),
        (Fault::Vanish, host(), "everything both ways"),
        (Fault::Latency { delay, jitter, to: Some(peer) }, host(), "50ms ± 5ms"),
        (Fault::Partition { from: vec![peer], direction: Direction::Ingress }, host(), "what it receives"),
        (
            Fault::Lock { table: Some("orders".to_owned()), mode: LockMode::Share },
            database.clone(),
            "orders in SHARE mode",
        ),
        (Fault::Lock { table: None, mode: LockMode::Exclusive }, file, "/shop.db"),
        (Fault::IdleInTransaction { table: None }, database, "opens a transaction"),
    ];
    for (fault, target, expected) in cases {
        let plan = plan(&fault, &target, LEASE, &ALL).expect("planned");
        let text: String = plan.objects.iter().map(|object| format!("{}\n", object.what)).collect();
        assert!(text.contains(expected), "{fault:?}: {text}");
        assert!(!text.contains("s3cret"), "{text}");
        assert!(plan.objects.iter().all(|object| !object.undo.is_empty()), "{fault:?}");
    }
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    let nobody = ResolvedTarget { name: "nobody".to_owned(), ..ResolvedTarget::default() };
    assert!(refusal(&Fault::Pause, &nobody, &ALL).contains("needs a process"));
    assert!(refusal(&Fault::Vanish, &nobody, &ALL).contains("needs a network"));
    let lock = |table: Option<&str>| Fault::Lock { table: table.map(str::to_owned), mode: LockMode::Share };
    assert!(refusal(&lock(None), &nobody, &ALL).contains("needs a database"));
    let both =
        ResolvedTarget { dsn: Some("postgres://db/x".to_owned()), path: Some("/shop.db".into()), ..nobody };
    assert!(refusal(&lock(None), &both, &ALL).contains("both"));
    let latency =
        |to| Fault::Latency { delay: HumanDuration::millis(5), jitter: HumanDuration::millis(0), to };
    let peer = Peer { address: [10, 0, 0, 1].into(), port: Some(1) };
    assert!(refusal(&latency(None), &host(), &ALL).contains("whole link"));
    assert!(refusal(&latency(Some(Peer { port: None, ..peer })), &host(), &ALL).contains("whole link"));
    assert!(refusal(&latency(Some(peer)), &host(), &HostFacts::default()).contains("relay"));
    assert!(matches!(
        plan(&Fault::Pause, &host(), HumanDuration::millis(0), &ALL),
        Err(FaultError::Refused { .. })
    ));
}

#[test]
fn a_proof_asks_somebody_the_fault_concerns() {
    let witness: SocketAddr = ([10, 0, 0, 9], 80).into();
    let target = ResolvedTarget { witness: Some(witness), ..host() };
    let peer = Peer { address: [10, 0, 0, 1].into(), port: None };
    assert_eq!(asked(&[], &target), Some(witness));
    assert_eq!(asked(&[peer, Peer { address: witness.ip(), port: None }], &target), Some(witness));
    assert_eq!(asked(&[peer], &target), Some(SocketAddr::new(peer.address, DISCARD)));
    assert_eq!(asked(&[], &host()), Some(SocketAddr::from(([10, 0, 0, 5], DISCARD))));
}

#[test]
fn with_netem_a_whole_link_can_be_late() {
    let fault =
        Fault::Latency { delay: HumanDuration::millis(20), jitter: HumanDuration::millis(0), to: None };
    let facts = HostFacts { netem: true, ..HostFacts::default() };
    let plan = plan(&fault, &host(), LEASE, &facts).expect("planned");
    assert!(plan.objects[0].what.contains("netem"), "{:?}", plan.objects);
}
