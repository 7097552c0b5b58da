//! Classes that hurt packets, on real links between two network namespaces: as far as any kernel with HTB can show it. What
//! netem does is measured in the virtual machine.

mod common;

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Bench, Chatter, Pair, fault};
use deadstick_core::fault::{Direction, Fault, Flow, ResolvedTarget};
use deadstick_core::units::HumanDuration;
use deadstick_faults::kernel::{Imposition, KernelError, Layer, Linux, Root, Shaping};
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
    // Classes are shown in the order of the kernel's table of them, which changes when it grows.
    let sorted = |words: &str| {
        let mut lines: Vec<_> = run(target, words).lines().map(str::to_owned).collect();
        if words.starts_with("tc class") {
            lines.sort();
        }
        lines.join("\n")
    };
    let all = names + &asked.map(sorted).join("--\n");
    // Counts among the options, and times left, as the programs print them.
    let counts = ["direct_packets_stat", "packets", "bytes", "expires"];
    let mut words: Vec<_> = all.split(' ').collect();
    while let Some(at) = words.iter().position(|word| counts.contains(word)) {
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
    // Each has a class that keeps its rate, and one that carries its packets.
    let classes = || run(&target, "tc class show dev dsa").lines().count();
    assert_eq!(classes(), 4);
    // A third one, for everything: it shares packets with each of them, and with no two.
    let all = first
        .inject(fault("rate rate=25KB/s direction=egress"), target.clone(), LEASE)
        .await
        .expect("injected");
    assert_eq!(classes(), 8);
    assert!(is_slow(&target, &server, "10.9.0.2"));
    assert_eq!(first.undo(&to_one.id, "asked").await, Ok(Undone::Done));
    assert!(is_slow(&target, &server, "10.9.0.2"));
    assert_eq!(first.undo(&all.id, "asked").await, Ok(Undone::Done));
    assert_eq!(classes(), 2);
    assert!(run(&target, "tc qdisc show dev dsa").contains("htb dead:"), "the other one's is left");
    assert_eq!(second.undo(&to_another.id, "asked").await, Ok(Undone::Done));
    assert_eq!(state(&target), before);
    assert_eq!(first.close().await, []);
    assert_eq!(second.close().await, []);
}

/// Both limits hold for packets that two faults are for, whichever came first and whichever goes first.
#[tokio::test(flavor = "multi_thread")]
async fn two_rates_for_the_same_packets() {
    let (bench, other_bench, pair) = (Bench::new(), Bench::new(), Pair::new());
    let (target, server) = (pair.target(), other(&pair));
    let before = state(&target);
    let (first, second) = (bench.injector().await, other_bench.injector().await);
    let (wide, narrow) = ("rate rate=400KB/s", "rate rate=25KB/s to=10.9.0.0/24");
    for (words, others) in [(wide, narrow), (narrow, wide)] {
        for first_goes_first in [true, false] {
            let one = first.inject(fault(words), target.clone(), LEASE).await.expect("injected");
            let other = second.inject(fault(others), target.clone(), LEASE).await.expect("injected");
            assert!(one.proof.landed && other.proof.landed, "{one:?} {other:?}");
            assert!(is_slow(&target, &server, "10.9.0.2") && is_slow(&server, &target, "10.9.0.1"));
            let left = if first_goes_first { others } else { words };
            if first_goes_first {
                assert_eq!(first.undo(&one.id, "asked").await, Ok(Undone::Done));
            } else {
                assert_eq!(second.undo(&other.id, "asked").await, Ok(Undone::Done));
            }
            assert_eq!(is_slow(&target, &server, "10.9.0.2"), left == narrow, "{left}");
            assert_eq!(is_slow(&server, &target, "10.9.0.1"), left == narrow, "{left}");
            if first_goes_first {
                assert_eq!(second.undo(&other.id, "asked").await, Ok(Undone::Done));
            } else {
                assert_eq!(first.undo(&one.id, "asked").await, Ok(Undone::Done));
            }
            assert_eq!(state(&target), before);
        }
    }
    assert_eq!(first.close().await, []);
    assert_eq!(second.close().await, []);
}

/// One rate is one total, for what it alone chooses and what others choose as well: 25 KB/s for two streams at once, of
/// which the other fault is for one.
#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_one_total_whoever_else_is_there() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let (target, server) = (pair.target(), other(&pair));
    let injector = bench.injector().await;
    for words in ["rate rate=25KB/s direction=egress", "rate rate=1MB/s to=10.9.0.2:9555 direction=egress"] {
        let injected = injector.inject(fault(words), target.clone(), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
    }
    let network = |target: &ResolvedTarget| target.network.clone().expect("a network");
    let sockets = ["0.0.0.0:9555", "0.0.0.0:9556"].map(|address| {
        enter(&network(&server), || UdpSocket::bind(address)).expect("entered").expect("a socket")
    });
    let sender =
        enter(&network(&target), || UdpSocket::bind("0.0.0.0:0")).expect("entered").expect("a socket");
    let began = Instant::now();
    for _ in 0..30 {
        for port in [9_555, 9_556] {
            sender.send_to(&[0; 1_000], ("10.9.0.2", port)).expect("sent");
        }
    }
    for _ in 0..30 {
        for socket in &sockets {
            socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
            socket.recv(&mut [0; 2_000]).expect("it comes");
        }
    }
    // 60 KB, of which a limit each would let through 30 KB in half the time.
    assert!(began.elapsed() >= Duration::from_millis(1_900), "{:?}", began.elapsed());
    assert_eq!(injector.close().await, []);
}

/// A user's packets are chosen where no device is known yet; those of an address at the device. Both suffer, whoever was first.
#[tokio::test(flavor = "multi_thread")]
async fn packets_of_a_user_and_to_an_address() {
    let pair = Pair::new();
    let (target, server) = (pair.target(), other(&pair));
    let before = state(&target);
    let by_user = |rate: &str| match fault(&format!("rate rate={rate} direction=egress")) {
        Fault::Rate(mut impaired) => {
            impaired.flow.user = Some(0);
            Fault::Rate(impaired)
        }
        other => panic!("{other:?}"),
    };
    let to_all = |rate: &str| fault(&format!("rate rate={rate} direction=egress"));
    for (one, other) in [
        (by_user("400KB/s"), to_all("25KB/s")),
        (to_all("400KB/s"), by_user("25KB/s")),
        (by_user("25KB/s"), to_all("400KB/s")),
        (to_all("25KB/s"), by_user("400KB/s")),
        (by_user("25KB/s"), by_user("400KB/s")),
    ] {
        let bench = Bench::new();
        let injector = bench.injector().await;
        let chatter = Chatter::of(&target);
        for fault in [&one, &other] {
            let injected = injector.inject(fault.clone(), target.clone(), LEASE).await.expect("injected");
            assert!(injected.proof.landed, "{fault:?}: {:?}", injected.proof);
        }
        drop(chatter);
        assert!(is_slow(&target, &server, "10.9.0.2"), "{one:?} {other:?}");
        assert_eq!(injector.close().await, []);
        assert_eq!(state(&target), before);
    }
}

/// Where the kernel has no netem a table loses packets: those that it leaves are slow.
#[tokio::test(flavor = "multi_thread")]
async fn a_rate_and_a_loss_without_netem() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let (target, server) = (pair.target(), other(&pair));
    let before = state(&target);
    // The neighbours know each other: who has to be looked for may be lost as well.
    assert_eq!(came(&target, &server, 50, 500), 50);
    let facts = HostFacts { netem: false, ..doctor::facts() };
    let injector = Injector::arm_on(bench.settings(), Arc::new(Linux), facts).await.expect("armed");
    for words in ["loss loss=50% direction=egress", "rate rate=25KB/s direction=egress"] {
        let injected = injector.inject(fault(words), target.clone(), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
    }
    let began = Instant::now();
    let came = came(&target, &server, 400, 500);
    // 542 bytes each with all headers; past the first ones.
    let least = Duration::from_secs_f64(
        f64::from(u32::try_from(came).expect("few").saturating_sub(20)) * 542.0 / 25_000.0,
    );
    assert!((140..=260).contains(&came) && began.elapsed() >= least, "{came} in {:?}", began.elapsed());
    assert_eq!(injector.close().await, []);
    assert_eq!(state(&target), before);
}

/// More faults for the same packets than classes can be made for are refused before anything is touched, by name.
#[tokio::test(flavor = "multi_thread")]
async fn a_seventh_for_the_same_packets_is_refused() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let target = pair.target();
    let injector = bench.injector().await;
    let mut last = None;
    for _ in 0..6 {
        last =
            Some(injector.inject(fault("rate rate=10MB/s"), target.clone(), LEASE).await.expect("injected"));
    }
    let last = last.expect("six");
    assert!(last.proof.landed, "{last:?}");
    let now = state(&target);
    let refused = injector.inject(fault("rate rate=10MB/s"), target.clone(), LEASE).await;
    assert!(
        matches!(&refused, Err(FaultError::Refused { what, hint }) if what.contains(&last.id) && hint.contains("one fault")),
        "{refused:?}"
    );
    assert_eq!(state(&target), now);
    assert_eq!(injector.undo(&last.id, "asked").await, Ok(Undone::Done));
    injector.inject(fault("rate rate=10MB/s"), target.clone(), LEASE).await.expect("there is room again");
    assert_eq!(injector.close().await, []);
}

/// What is sent suffers this, by a fault of this number.
fn imposition(number: u32, words: &str) -> Imposition {
    Imposition {
        name: format!("deadstick-{number:036}"),
        layer: Layer::Device,
        lease: LEASE.0,
        flow: Flow { direction: Direction::Egress, ..Flow::default() },
        impairment: words.parse().expect("an impairment"),
        mark: Imposition::mark_of(number.into()),
        devices: vec![("dsa".to_owned(), false)],
    }
}

/// Those that come and go at random moments for the same packets never see each other's root vanish, nor a class of theirs
/// missing.
#[tokio::test(flavor = "multi_thread")]
async fn coming_and_going_at_once_is_safe() {
    let pair = Pair::new();
    let target = pair.target();
    let before = state(&target);
    let network = target.network.clone().expect("a network");
    let threads: Vec<_> = (2..6_u32)
        .map(|number| {
            let network = network.clone();
            std::thread::spawn(move || {
                let one = imposition(number, "rate=1MB/s");
                for _ in 0..25 {
                    let tables = Linux.impose(&network, &one).expect("imposed");
                    let shown = Linux.shown(&network, &one).expect("asked");
                    assert!(shown.is_some_and(|shown| shown.as_asked), "{shown:?}");
                    drop(tables);
                    assert!(
                        Linux.remove_classes(&network, "dsa", 0xdead, Some(one.mark), &[]).expect("removed")
                    );
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
    let one = imposition(9, "rate=1MB/s");
    let remove = |mark| Linux.remove_classes(&network, "dsa", 0xdead, Some(mark), &[]).expect("looked");
    let tables = Linux.impose(&network, &one).expect("imposed");
    assert!(!remove(one.mark ^ 1), "another one's");
    assert!(Linux.shown(&network, &one).expect("asked").is_some_and(|shown| shown.as_asked));
    drop(tables);
    assert!(remove(one.mark));
    assert!(!remove(one.mark), "gone already");
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
    let back = || Linux.remove_classes(&network, "dsa", 0xdead, Some(3), &captured);
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
    assert_eq!(came(&target, &server, 50, 8), 50);
    let facts = HostFacts { netem: false, ..doctor::facts() };
    let injector = Injector::arm_on(bench.settings(), Arc::new(Linux), facts).await.expect("armed");
    let bursts = injector.inject(fault("loss loss=50% burst=3"), target.clone(), LEASE).await;
    assert!(matches!(&bursts, Err(FaultError::Refused { what, .. }) if what.contains("netem")), "{bursts:?}");
    let injected = injector
        .inject(fault("loss loss=50% direction=egress"), target.clone(), LEASE)
        .await
        .expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    let lost = 400 - came(&target, &server, 400, 8);
    assert!((140..=260).contains(&lost), "{lost}");
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    assert_eq!(came(&target, &server, 100, 8), 100);
    assert_eq!(state(&target), before);
    assert_eq!(injector.close().await, []);
}

/// How many of so many datagrams of this size come.
fn came(from: &ResolvedTarget, to: &ResolvedTarget, count: usize, size: usize) -> usize {
    let network = |target: &ResolvedTarget| target.network.clone().expect("a network");
    let socket = || UdpSocket::bind("0.0.0.0:0");
    let receiver = enter(&network(to), socket).expect("entered").expect("a socket");
    let sender = enter(&network(from), socket).expect("entered").expect("a socket");
    let port = receiver.local_addr().expect("bound").port();
    receiver.set_read_timeout(Some(Duration::from_millis(500))).expect("a limit");
    let mut came = 0;
    for _ in 0..count / 50 {
        for _ in 0..50 {
            sender.send_to(&vec![0; size], ("10.9.0.2", port)).expect("sent");
        }
        // Fewer than fill the receiver, each time.
        while receiver.recv(&mut [0; 2_000]).is_ok() {
            came += 1;
        }
    }
    came
}
