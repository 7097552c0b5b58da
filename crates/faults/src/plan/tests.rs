//! What is planned, and what is refused by name.

use std::net::SocketAddr;

use deadstick_core::fault::{Flow, Peer};
use deadstick_core::identity::{NetworkIdentity, ProcessIdentity};

use super::*;
use crate::means::table::{DISCARD, asked};

const LEASE: HumanDuration = HumanDuration::secs(60);
const WITHOUT_NETEM: HostFacts = HostFacts { netem: false, ..HostFacts::ALL };

/// A fault in words: its kind, then `parameter=value` for each parameter.
fn fault(words: &str) -> Fault {
    let (kind, parameters) = words.split_once(' ').unwrap_or((words, ""));
    let pairs = parameters.split_whitespace().map(|pair| pair.split_once('=').unwrap_or((pair, "true")));
    Fault::read(kind.parse().expect("a kind"), pairs).expect("a fault")
}

fn peer(text: &str) -> Peer {
    text.parse().expect("a peer")
}

fn process() -> ProcessIdentity {
    ProcessIdentity { pid: 4711, start_ticks: 12, boot: "boot".to_owned() }
}

fn host() -> ResolvedTarget {
    ResolvedTarget {
        name: "job".to_owned(),
        process: Some(process()),
        network: Some(NetworkIdentity::of_process(process(), 99)),
        address: Some([10, 0, 0, 4].into()),
        ..ResolvedTarget::default()
    }
}

fn group() -> ResolvedTarget {
    ResolvedTarget { name: "app".to_owned(), cgroup: Some("/app".into()), ..ResolvedTarget::default() }
}

fn folder() -> ResolvedTarget {
    ResolvedTarget {
        name: "scratch".to_owned(),
        path: Some("/mnt/scratch".into()),
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
    let cases = [
        ("kill signal=TERM", host(), "SIGTERM"),
        ("pause", host(), "SIGSTOP"),
        // A host of a lab knows a database besides.
        ("pause", ResolvedTarget { dsn: Some("postgres://db/x".to_owned()), ..host() }, "SIGSTOP"),
        ("cpu-limit cpus=0.1", host(), "0.1 processors"),
        ("cpu-limit cpus=0.1", group(), "control group /app"),
        ("memory-limit memory=64MiB", host(), "64MiB of memory"),
        ("fd-limit files=16", host(), "16 files"),
        ("oom", host(), "oom_score_adj"),
        ("pause", group(), "frozen"),
        ("stress cpu=2 io=1", group(), "2 that compute, 1 that write"),
        ("disk-fill reserve=16MiB", folder(), "16MiB stay available"),
        ("fs-freeze", folder(), "/mnt/scratch"),
        ("file-lock by=fcntl mode=share", folder(), "locked by fcntl (share)"),
        ("half-open to=10.0.0.1:5432", host(), "10.0.0.1:5432"),
        ("vanish", host(), "everything both ways"),
        ("latency delay=50ms jitter=5ms to=10.0.0.1:5432", host(), "50ms ± 5ms"),
        ("rate rate=1MB/s", host(), "ifb device"),
        ("rate rate=1MB/s direction=egress iface=eth0 replace=true", host(), "steps aside"),
        ("loss loss=5%", host(), "drops 5% of the packets"),
        ("partition to=10.0.0.1 direction=ingress", host(), "what it receives"),
        ("lock table=orders mode=share", database.clone(), "orders in SHARE mode"),
        ("lock", file, "/shop.db"),
        ("socket-kill to=10.0.0.1:5432", host(), "to 10.0.0.1:5432"),
        ("port-take port=80 protocol=udp", host(), "udp port 80 on every address"),
        ("dns answer=late delay=3s names=db.internal", host(), "db.internal gets the right answer 3s after"),
        ("dns answer=wrong to=10.0.0.1:53", host(), "192.0.2.1"),
        ("idle-in-transaction", database, "opens a transaction"),
    ];
    for (words, target, expected) in cases {
        let plan = plan(&fault(words), &target, LEASE, &WITHOUT_NETEM).expect("planned");
        let text: String = plan.objects.iter().map(|object| format!("{}\n", object.what)).collect();
        assert!(text.contains(expected), "{words}: {text}");
        assert!(!text.contains("s3cret") && !format!("{:?}", plan.means).contains("s3cret"), "{text}");
        assert!(plan.objects.iter().all(|object| !object.undo.is_empty()), "{words}");
    }
}

#[test]
fn a_plan_depends_on_no_fact_that_it_does_not_ask_for() {
    let cases = [
        "kill signal=TERM",
        "pause",
        "stress cpu=2",
        "lock table=orders",
        "spike url=http://10.0.0.1/ per-second=10",
        "socket-kill to=10.0.0.1:5432",
        "port-take port=80",
        "vanish",
        "half-open to=10.0.0.1:5432",
        "partition to=10.0.0.1",
        "partition to=10.0.0.1 direction=ingress",
        "reject to=10.0.0.1 direction=egress",
        "mtu-blackhole above=1200B to=10.0.0.1",
        "dns answer=nxdomain",
        "flap up=1s down=1s to=10.0.0.1",
        "flap up=1s down=1s while-down=loss=5% to=10.0.0.1",
        "flap up=1s down=1s while-down=delay=50ms to=10.0.0.1 direction=egress",
        "latency delay=50ms to=10.0.0.1:5432",
        "latency delay=50ms to=10.0.0.1:5432 direction=egress",
        "loss loss=5%",
        "loss loss=5% direction=ingress",
        "duplicate duplicate=5% direction=egress",
        "rate rate=1MB/s",
        "rate rate=1MB/s direction=egress",
    ];
    let database = ResolvedTarget { dsn: Some("postgres://db/x".to_owned()), ..ResolvedTarget::default() };
    let group = |words: &str| {
        let mut fault = fault(words);
        fault.flow_mut().map(|flow| flow.cgroup = Some("/app".into())).map(|()| fault)
    };
    let all =
        cases.iter().flat_map(|words| [Some((*words, fault(words))), group(words).map(|one| (*words, one))]);
    for (words, fault) in all.flatten() {
        let target = if words.starts_with("lock") { database.clone() } else { host() };
        let asked = asks(&fault);
        for present in [true, false] {
            // Whatever else is known: nothing, everything, and each of the facts.
            let mut known = HostFacts { relay: true, ..HostFacts::default() };
            asked.iter().for_each(|fact| known.set(*fact, present));
            for netem in [true, false] {
                if asked.contains(&Fact::Netem) {
                    known.set(Fact::Netem, netem);
                }
                let planned = |facts: &HostFacts| format!("{:?}", plan(&fault, &target, LEASE, facts));
                let expected = planned(&known);
                for fact in Fact::ALL.iter().filter(|fact| !asked.contains(fact)) {
                    let mut more = known;
                    more.set(*fact, true);
                    assert_eq!(planned(&more), expected, "{words}: {fact:?} was not asked for");
                }
            }
        }
    }
    // What needs nothing of the network asks nothing of it.
    for words in ["pause", "kill", "oom", "disk-fill reserve=16MiB", "lock table=t", "port-take port=80"] {
        assert!(asks(&fault(words)).is_empty(), "{words}");
    }
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    let nobody = ResolvedTarget { name: "nobody".to_owned(), ..ResolvedTarget::default() };
    assert!(refusal(&fault("pause"), &nobody, &WITHOUT_NETEM).contains("needs a process"));
    for words in ["cpu-limit cpus=1", "memory-limit memory=1MiB", "fd-limit files=16", "oom", "kill"] {
        assert!(refusal(&fault(words), &nobody, &WITHOUT_NETEM).contains("needs a process"), "{words}");
    }
    for words in ["disk-fill reserve=1MiB", "fs-freeze", "file-lock"] {
        assert!(refusal(&fault(words), &nobody, &WITHOUT_NETEM).contains("needs a f"), "{words}");
    }
    assert!(
        refusal(&fault("disk-fill reserve=1KiB"), &folder(), &WITHOUT_NETEM).contains("as good as nothing")
    );
    assert!(
        refusal(&fault("memory-limit memory=1KiB"), &host(), &WITHOUT_NETEM).contains("lets nothing run")
    );
    assert!(refusal(&fault("stress"), &group(), &WITHOUT_NETEM).contains("without any work"));
    assert!(refusal(&fault("vanish"), &nobody, &WITHOUT_NETEM).contains("needs a network"));
    assert!(refusal(&fault("lock mode=share"), &nobody, &WITHOUT_NETEM).contains("needs a database"));
    assert!(refusal(&fault("dns answer=nxdomain"), &nobody, &WITHOUT_NETEM).contains("needs a network"));
    assert!(refusal(&fault("dns answer=nxdomain"), &host(), &HostFacts::default()).contains("redirect"));
    assert!(refusal(&fault("port-take port=0"), &host(), &WITHOUT_NETEM).contains("port 0"));
    let both =
        ResolvedTarget { dsn: Some("postgres://db/x".to_owned()), path: Some("/shop.db".into()), ..nobody };
    assert!(refusal(&fault("lock"), &both, &WITHOUT_NETEM).contains("both"));
    assert!(refusal(&fault("latency delay=5ms"), &host(), &WITHOUT_NETEM).contains("whole link"));
    assert!(refusal(&fault("latency delay=5ms to=10.0.0.1"), &host(), &WITHOUT_NETEM).contains("whole link"));
    assert!(
        refusal(&fault("corrupt corrupt=1%"), &host(), &WITHOUT_NETEM).contains("corrupt=1% needs netem")
    );
    assert!(refusal(&fault("loss loss=1% burst=2"), &host(), &WITHOUT_NETEM).contains("needs netem"));
    assert!(refusal(&fault("rate rate=1KB/s"), &host(), &WITHOUT_NETEM).contains("a rate of 1KB/s"));
    let facts = HostFacts::ALL;
    assert!(refusal(&fault("latency delay=9s jitter=3s"), &host(), &facts).contains("jitter"));
    assert!(
        refusal(&fault("rate rate=1MB/s"), &host(), &HostFacts { htb: false, ..WITHOUT_NETEM })
            .contains("HTB")
    );
    assert!(
        refusal(&fault("rate rate=1MB/s"), &host(), &HostFacts { forward: false, ..WITHOUT_NETEM })
            .contains("received")
    );
    let none = HostFacts::default();
    assert!(refusal(&fault("latency delay=5ms to=10.0.0.1:1"), &host(), &none).contains("relay"));
    assert!(matches!(
        plan(&fault("pause"), &host(), HumanDuration::millis(0), &WITHOUT_NETEM),
        Err(FaultError::Refused { .. })
    ));
}

#[test]
fn a_proof_asks_somebody_the_fault_concerns() {
    let witness: SocketAddr = ([10, 0, 0, 9], 80).into();
    let target = ResolvedTarget { witness: Some(witness), ..host() };
    let other = peer("10.0.0.1");
    let to = |peers: &[Peer]| Flow { to: peers.to_vec(), ..Flow::default() };
    assert_eq!(asked(&to(&[]), &target), Some(witness));
    assert_eq!(asked(&to(&[other, Peer::host(witness.ip())]), &target), Some(witness));
    assert_eq!(asked(&to(&[peer("10.0.0.0/24")]), &target), Some(witness));
    assert_eq!(asked(&to(&[other]), &target), Some(SocketAddr::new(other.address, DISCARD)));
    assert_eq!(asked(&to(&[]), &host()), Some(SocketAddr::from(([10, 0, 0, 5], DISCARD))));
}

#[test]
fn a_proof_asks_nobody_where_its_own_packets_are_not_chosen() {
    let from = |text: &str| Flow { from: vec![peer(text)], ..Flow::default() };
    let group = Flow { cgroup: Some("/app".into()), ..Flow::default() };
    let user = Flow { user: Some(0), ..Flow::default() };
    for flow in [group, user, from("10.0.0.4:5432"), from("10.0.0.77")] {
        assert_eq!(asked(&flow, &host()), None, "{flow:?}");
    }
    assert!(asked(&from("10.0.0.0/24"), &host()).is_some());
}

#[test]
fn a_plain_loss_of_one_user_is_the_same_with_and_without_netem() {
    let mut fault = fault("loss loss=10%");
    fault.flow_mut().expect("it has one").user = Some(7);
    for netem in [false, true] {
        let facts = HostFacts { netem, ..WITHOUT_NETEM };
        let planned = plan(&fault, &host(), LEASE, &facts).expect("planned");
        let what = &planned.objects[0].what;
        assert!(planned.objects.len() == 1 && what.contains("drops 10%"), "netem: {netem}: {what}");
    }
}

#[test]
fn with_netem_a_whole_link_can_be_late() {
    let facts = HostFacts::ALL;
    let plan = plan(&fault("latency delay=20ms"), &host(), LEASE, &facts).expect("planned");
    assert!(plan.objects[0].what.contains("netem"), "{:?}", plan.objects);
}
