//! Classes that hurt packets, on real links between two network namespaces: as far as any kernel with HTB can show it. What
//! netem does is measured in the virtual machine.

mod common;

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Bench, Pair, fault};
use deadstick_core::fault::ResolvedTarget;
use deadstick_core::ledger::TrafficClass;
use deadstick_core::units::HumanDuration;
use deadstick_faults::kernel::{ClassSpec, KernelError, Linux, Root, Shaping};
use deadstick_faults::network::enter;
use deadstick_faults::{FaultError, HostFacts, Injector, Undone, doctor};

const LEASE: HumanDuration = HumanDuration::secs(60);

fn run(target: &ResolvedTarget, words: &str) -> String {
    let network = target.network.as_ref().expect("a network");
    let words: Vec<_> = words.split(' ').collect();
    // A program started in that network lives there.
    let run = || std::process::Command::new(words[0]).args(&words[1..]).output();
    let output = enter(network, run).expect("entered").expect("it runs");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Every device, qdisc, class and table of a network, without what only counts.
fn state(target: &ResolvedTarget) -> String {
    let asked = ["tc qdisc show", "tc class show dev dsa", "tc filter show dev dsa", "nft list ruleset"];
    let links = run(target, "ip -o link show");
    let names = links.lines().filter_map(|line| line.split(": ").nth(1)).collect::<Vec<_>>().join(" ");
    let all = names + &asked.map(|words| run(target, words)).join("--\n");
    // A count among the options, as the program prints it.
    let mut words: Vec<_> = all.split(' ').collect();
    while let Some(at) = words.iter().position(|word| *word == "direct_packets_stat") {
        words.drain(at..at + 2);
    }
    words.join(" ")
}

/// How long 50 KB of datagrams take: 2 s on a link that takes 25 KB a second, next to nothing on a whole one.
fn is_slow(from: &ResolvedTarget, to: &ResolvedTarget, address: &str) -> bool {
    let network = |target: &ResolvedTarget| target.network.clone().expect("a network");
    let socket = || UdpSocket::bind("0.0.0.0:0");
    let receiver = enter(&network(to), socket).expect("entered").expect("a socket");
    let sender = enter(&network(from), socket).expect("entered").expect("a socket");
    receiver.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    let port = receiver.local_addr().expect("bound").port();
    let began = Instant::now();
    for _ in 0..50 {
        sender.send_to(&[0; 1_000], (address, port)).expect("sent");
    }
    for _ in 0..50 {
        receiver.recv(&mut [0; 2_000]).expect("it comes");
    }
    began.elapsed() >= Duration::from_millis(1_500)
}

/// The server as a target.
fn other(pair: &Pair) -> ResolvedTarget {
    ResolvedTarget {
        network: Some(deadstick_faults::process::network_of(pair.server.pid()).expect("it runs")),
        ..pair.target()
    }
}

/// Injects, looks which way is slow, undoes.
async fn slow(words: &str, slow_out: bool, slow_in: bool) {
    let (bench, pair) = (Bench::new(), Pair::new());
    let (target, server) = (pair.target(), other(&pair));
    let before = state(&target);
    let injector = bench.injector().await;
    let injected = injector.inject(fault(words), target.clone(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
    let found = (is_slow(&target, &server, "10.9.0.2"), is_slow(&server, &target, "10.9.0.1"));
    assert_eq!(found, (slow_out, slow_in), "{words}");
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    assert_eq!(state(&target), before, "{words}");
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_of_what_is_sent() {
    slow("rate rate=25KB/s direction=egress", true, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_of_what_is_received() {
    slow("rate rate=25KB/s direction=ingress", false, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_both_ways_on_one_device() {
    slow("rate rate=25KB/s iface=dsa", true, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_of_one_peer_leaves_the_others() {
    slow("rate rate=25KB/s to=10.9.0.2:7000", false, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_on_one_link_and_each_goes_by_itself() {
    let (bench, other_bench, pair) = (Bench::new(), Bench::new(), Pair::new());
    let (target, server) = (pair.target(), other(&pair));
    let before = state(&target);
    // Two deadsticks.
    let (first, second) = (bench.injector().await, other_bench.injector().await);
    let to_one = first.inject(fault("rate rate=25KB/s to=10.9.0.2:7000"), target.clone(), LEASE);
    let to_another = second.inject(fault("rate rate=30KB/s to=10.9.0.2:7001"), target.clone(), LEASE);
    let (to_one, to_another) = tokio::join!(to_one, to_another);
    let (to_one, to_another) = (to_one.expect("injected"), to_another.expect("injected"));
    assert!(to_one.proof.landed && to_another.proof.landed, "{to_one:?} {to_another:?}");
    let classes = || run(&target, "tc class show dev dsa").lines().count();
    assert_eq!(classes(), 2);
    // A third one, for everything.
    let all = first
        .inject(fault("rate rate=25KB/s direction=egress"), target.clone(), LEASE)
        .await
        .expect("injected");
    assert_eq!(classes(), 3);
    assert!(is_slow(&target, &server, "10.9.0.2"));
    assert_eq!(first.undo(&to_one.id, "asked").await, Ok(Undone::Done));
    assert_eq!(classes(), 2);
    assert_eq!(first.undo(&all.id, "asked").await, Ok(Undone::Done));
    assert_eq!(classes(), 1);
    assert!(run(&target, "tc qdisc show dev dsa").contains("htb dead:"), "the other one's is left");
    assert_eq!(second.undo(&to_another.id, "asked").await, Ok(Undone::Done));
    assert_eq!(state(&target), before);
    assert_eq!(first.close().await, []);
    assert_eq!(second.close().await, []);
}

/// Two that come and go at random moments never see each other's root vanish.
#[tokio::test(flavor = "multi_thread")]
async fn coming_and_going_at_once_is_safe() {
    let pair = Pair::new();
    let target = pair.target();
    let before = state(&target);
    let network = target.network.clone().expect("a network");
    let threads: Vec<_> = (2..6_u16)
        .map(|minor| {
            let network = network.clone();
            std::thread::spawn(move || {
                let id = TrafficClass { minor, mark: minor };
                let impairment = "rate=1MB/s".parse().expect("an impairment");
                let spec = ClassSpec { id, impairment, netem: false, replacing: false };
                for _ in 0..25 {
                    Linux.add_class(&network, "dsa", &spec).expect("added");
                    let shown = Linux.shown(&network, "dsa", &spec).expect("asked");
                    assert!(shown.is_some_and(|shown| shown.as_asked), "{shown:?}");
                    assert!(Linux.remove_class(&network, "dsa", 0xdead, Some(id), &[]).expect("removed"));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    assert_eq!(state(&target), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_that_carries_another_mark_is_left_alone() {
    let pair = Pair::new();
    let target = pair.target();
    let network = target.network.clone().expect("a network");
    let id = TrafficClass { minor: 9, mark: 1 };
    let impairment = "rate=1MB/s".parse().expect("an impairment");
    let spec = ClassSpec { id, impairment, netem: false, replacing: false };
    Linux.add_class(&network, "dsa", &spec).expect("added");
    assert!(Linux.add_class(&network, "dsa", &spec).is_err(), "the number is taken");
    let other = TrafficClass { mark: 2, ..id };
    assert!(!Linux.remove_class(&network, "dsa", 0xdead, Some(other), &[]).expect("looked"));
    assert!(Linux.shown(&network, "dsa", &spec).expect("asked").is_some());
    assert!(Linux.remove_class(&network, "dsa", 0xdead, Some(id), &[]).expect("removed"));
    assert!(!Linux.remove_class(&network, "dsa", 0xdead, Some(id), &[]).expect("gone already"));
    // A device of the same name without the mark.
    run(&target, "ip link add deadstick00000a type ifb");
    assert!(!Linux.remove_device(&network, "deadstick00000a", 7).expect("looked"));
    assert!(Linux.remove_device(&network, "deadstick00000a", 0).expect("removed"));
}

/// A root qdisc of somebody steps aside, and comes back byte for byte.
async fn steps_aside(set_up: &[&str]) {
    let (bench, pair) = (Bench::new(), Pair::new());
    let (target, server) = (pair.target(), other(&pair));
    for words in set_up {
        run(&target, words);
    }
    let before = state(&target);
    let injector = bench.injector().await;
    let words = "rate rate=25KB/s direction=egress";
    let refused = injector.inject(fault(words), target.clone(), LEASE).await;
    assert!(
        matches!(&refused, Err(FaultError::Refused { hint, .. }) if hint.contains("replace")),
        "{refused:?}"
    );
    assert_eq!(state(&target), before);
    let words = format!("{words} replace=true");
    let injected = injector.inject(fault(&words), target.clone(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert!(is_slow(&target, &server, "10.9.0.2"));
    let second = injector.inject(fault(&words), target.clone(), LEASE).await;
    assert!(
        matches!(&second, Err(FaultError::Refused { what, .. }) if what.contains("another fault")),
        "{second:?}"
    );
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    assert_eq!(state(&target), before);
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_bucket_comes_back() {
    steps_aside(&["tc qdisc add dev dsa root handle 5: tbf rate 1gbit burst 100k latency 5ms"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_comes_back() {
    steps_aside(&[
        "tc qdisc add dev dsa root handle 1: htb default 20 r2q 5",
        "tc class add dev dsa parent 1: classid 1:1 htb rate 1gbit burst 15k",
        "tc class add dev dsa parent 1:1 classid 1:10 htb rate 500mbit ceil 1gbit prio 1",
        "tc class add dev dsa parent 1:1 classid 1:20 htb rate 300mbit ceil 1gbit prio 2",
        "tc qdisc add dev dsa parent 1:20 handle 20: pfifo limit 77",
        "tc qdisc add dev dsa parent 1:10 handle 10: tbf rate 100mbit burst 50k latency 7ms",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_captured_stays() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let target = pair.target();
    run(&target, "tc qdisc add dev dsa root handle 1: htb default 1");
    run(&target, "tc class add dev dsa parent 1: classid 1:1 htb rate 1gbit");
    run(&target, "tc filter add dev dsa parent 1: protocol ip u32 match ip dst 10.9.0.2 flowid 1:1");
    let before = state(&target);
    let injector = bench.injector().await;
    let refused = injector.inject(fault("rate rate=1MB/s replace=true"), target.clone(), LEASE).await;
    assert!(
        matches!(&refused, Err(FaultError::Refused { what, .. }) if what.contains("u32 filter")),
        "{refused:?}"
    );
    assert_eq!(state(&target), before);
    assert_eq!(injector.close().await, []);
}

/// Whoever puts a root qdisc back may die at any moment; whoever comes next goes on, and leaves what others set up.
#[tokio::test(flavor = "multi_thread")]
async fn putting_back_goes_on_where_it_was_cut_short() {
    let pair = Pair::new();
    let target = pair.target();
    let network = target.network.clone().expect("a network");
    run(&target, "tc qdisc add dev dsa root handle 1: htb default 20");
    run(&target, "tc class add dev dsa parent 1: classid 1:20 htb rate 300mbit");
    run(&target, "tc qdisc add dev dsa parent 1:20 handle 20: pfifo limit 77");
    let before = state(&target);
    let captured = Linux.capture(&network, "dsa").expect("captured");
    assert_eq!(captured.len(), 3, "{captured:?}");
    let id = TrafficClass { minor: 3, mark: 3 };
    let back = || Linux.remove_class(&network, "dsa", 0xdead, Some(id), &captured);
    assert!(!back().expect("nothing was done"), "it is there");
    run(&target, "tc qdisc del dev dsa parent 1:20 handle 20:");
    assert!(back().expect("the missing part"));
    assert_eq!(state(&target), before);
    run(&target, "tc qdisc del dev dsa root");
    assert!(back().expect("all of it"));
    assert_eq!(state(&target), before);
    run(&target, "tc qdisc replace dev dsa root handle 7: tbf rate 1gbit burst 100k latency 5ms");
    let others = state(&target);
    assert!(matches!(back(), Err(KernelError::ForeignQdisc { .. })));
    assert_eq!(state(&target), others);
    let roots = Linux.shapeable(&network).expect("listed");
    assert!(matches!(&roots[0].root, Root::Foreign { kind, handle: 7 } if kind == "tbf"), "{roots:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_in_half_way_is_taken_out() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let target = pair.target();
    let before = state(&target);
    // A kernel that is said to have netem: where it has not, the root, the class and the ifb device are in before it says no.
    let facts = HostFacts { netem: true, ..doctor::facts() };
    let injector = Injector::arm_on(bench.settings(), Arc::new(Linux), facts).await.expect("armed");
    for words in ["loss loss=50% burst=3 direction=ingress", "duplicate duplicate=50% corrupt=1%"] {
        match injector.inject(fault(words), target.clone(), LEASE).await {
            Ok(injected) => {
                assert!(doctor::facts().netem && injected.proof.landed, "{:?}", injected.proof);
                assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
            }
            Err(FaultError::Apply { why, residue: None }) => {
                assert!(!doctor::facts().netem && why.contains("netem"), "{why}");
            }
            Err(other) => panic!("{other}"),
        }
        assert_eq!(state(&target), before, "{words}");
    }
    assert_eq!(injector.close().await, []);
}

/// Without netem the table itself loses packets: half of 400 is between 140 and 260 but once in a million times.
#[tokio::test(flavor = "multi_thread")]
async fn loss_without_netem() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let (target, server) = (pair.target(), other(&pair));
    let before = state(&target);
    let facts = HostFacts { netem: false, ..doctor::facts() };
    let injector = Injector::arm_on(bench.settings(), Arc::new(Linux), facts).await.expect("armed");
    let bursts = injector.inject(fault("loss loss=50% burst=3"), target.clone(), LEASE).await;
    assert!(matches!(&bursts, Err(FaultError::Refused { what, .. }) if what.contains("netem")), "{bursts:?}");
    let injected = injector
        .inject(fault("loss loss=50% direction=egress"), target.clone(), LEASE)
        .await
        .expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    let lost = 400 - came(&target, &server, 400);
    assert!((140..=260).contains(&lost), "{lost}");
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    assert_eq!(came(&target, &server, 100), 100);
    assert_eq!(state(&target), before);
    assert_eq!(injector.close().await, []);
}

/// How many of so many small datagrams come.
fn came(from: &ResolvedTarget, to: &ResolvedTarget, count: usize) -> usize {
    let network = |target: &ResolvedTarget| target.network.clone().expect("a network");
    let socket = || UdpSocket::bind("0.0.0.0:0");
    let receiver = enter(&network(to), socket).expect("entered").expect("a socket");
    let sender = enter(&network(from), socket).expect("entered").expect("a socket");
    let port = receiver.local_addr().expect("bound").port();
    receiver.set_read_timeout(Some(Duration::from_millis(500))).expect("a limit");
    let mut came = 0;
    for _ in 0..count / 50 {
        for _ in 0..50 {
            sender.send_to(&[0; 8], ("10.9.0.2", port)).expect("sent");
        }
        // Fewer than fill the receiver, each time.
        while receiver.recv(&mut [0; 8]).is_ok() {
            came += 1;
        }
    }
    came
}
