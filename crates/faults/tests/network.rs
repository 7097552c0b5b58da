//! Network faults on real links between two network namespaces.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::stand_ins::SleepyRelay;
use common::{Bench, Pair, WITNESS, eventually, fault, run_in};
use deadstick_core::fault::{Fault, Flow, Peer, ResolvedTarget};
use deadstick_core::ledger::FaultState;
use deadstick_core::units::HumanDuration;
use deadstick_faults::kernel::{Layer, Linux, Networks, Reach, Shaping, TableEffect, TableSpec};
use deadstick_faults::network::enter;
use deadstick_faults::{FaultError, HostFacts, Injector, Settings, Undone, doctor};

const LEASE: HumanDuration = HumanDuration::secs(60);
const SOON: Duration = Duration::from_millis(300);

fn reach(target: &ResolvedTarget, port: u16) -> Reach {
    let network = target.network.as_ref().expect("a network");
    Linux.reach(network, SocketAddr::from((WITNESS.0, port)), SOON).expect("it can be tried")
}

fn passes(target: &ResolvedTarget, port: u16) -> bool {
    matches!(reach(target, port), Reach::Accepted(_))
}

fn connect(target: &ResolvedTarget) -> TcpStream {
    let network = target.network.as_ref().expect("a network");
    enter(network, || TcpStream::connect(SocketAddr::from(WITNESS))).expect("entered").expect("connected")
}

/// Waits for the answer of somebody who has to be woken first.
fn echoes(stream: &mut TcpStream) -> bool {
    echoes_within(stream, Duration::from_secs(30))
}

fn echoes_within(stream: &mut TcpStream, patience: Duration) -> bool {
    stream.set_read_timeout(Some(patience)).expect("a limit");
    let mut byte = [0; 1];
    stream.write_all(b"x").is_ok() && stream.read_exact(&mut byte).is_ok()
}

/// In place and proved, then undone, and the link as it was.
async fn cuts(fault: Fault) {
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let target = pair.target();
    assert!(passes(&target, 7000));
    let injected = injector.inject(fault, target.clone(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert_eq!(reach(&target, 7000), Reach::Silent);
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    assert!(passes(&target, 7000));
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn vanish() {
    cuts(fault("vanish")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partition_both_ways() {
    cuts(fault("partition")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partition_of_what_is_received() {
    cuts(fault("partition to=10.9.0.2 direction=ingress")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partition_of_what_is_sent() {
    cuts(fault("partition to=10.9.0.2 direction=egress")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partition_from_one_port_leaves_the_other() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let target = pair.target();
    let injected =
        injector.inject(fault("partition to=10.9.0.2:7000"), target.clone(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert_eq!(reach(&target, 7000), Reach::Silent);
    assert!(passes(&target, 7001));
    assert_eq!(injector.close().await, []);
    assert!(passes(&target, 7000));
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_silences_what_is_established_and_lets_new_ones_pass() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let target = pair.target();
    let mut old = connect(&target);
    assert!(echoes(&mut old));
    let injected = injector.inject(fault("half-open"), target.clone(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert!(!echoes_within(&mut old, SOON), "silent, and neither ended nor reset");
    let mut new = connect(&target);
    assert!(echoes(&mut new));
    assert_eq!(injector.close().await, []);
    assert!(echoes(&mut old), "it goes on: what was lost is sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_to_another_peer_leaves_this_one() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let target = pair.target();
    let mut old = connect(&target);
    let injected =
        injector.inject(fault("half-open to=10.9.0.2:7001"), target, LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert!(echoes(&mut old));
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_witness_the_dropped_packets_are_the_proof() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let mut target = pair.target();
    target.witness = None;
    let injected = injector.inject(fault("vanish"), target, LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kernel_ends_the_lease_by_itself() {
    let pair = Pair::new();
    let target = pair.target();
    let spec = TableSpec {
        name: "deadstick-lease".to_owned(),
        layer: Layer::Device,
        lease: Duration::from_millis(500),
        effect: TableEffect::Silence,
    };
    let table = Linux.install(target.network.as_ref().expect("a network"), &spec).expect("installed");
    assert_eq!(reach(&target, 7000), Reach::Silent);
    assert!(table.hits().expect("counted") > 0);
    // Nobody undoes it: the element times out, and the rules match nothing any more.
    eventually("the link is back", || passes(&target, 7000)).await;
    assert!(Linux.has_table(target.network.as_ref().expect("a network"), "deadstick-lease").expect("asked"));
    table.remove().expect("removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_without_a_link_is_an_error_and_leaves_nothing() {
    let bench = Bench::new();
    let host = common::Host::new();
    let injector = bench.injector().await;
    let target = ResolvedTarget {
        name: "alone".to_owned(),
        network: Some(deadstick_faults::process::network_of(host.pid()).expect("it runs")),
        ..ResolvedTarget::default()
    };
    let result = injector.inject(fault("vanish"), target, LEASE).await;
    assert!(matches!(result, Err(FaultError::Apply { residue: None, .. })), "{result:?}");
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_of_a_peer_goes_through_a_relay() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let settings = Settings { relay: Some(Arc::new(SleepyRelay)), ..bench.settings() };
    // As on a kernel without netem, whatever this one has.
    let facts = HostFacts { netem: false, relay: true, ..doctor::facts() };
    let injector = Injector::arm_on(settings, Arc::new(Linux), facts).await.expect("armed");
    let target = pair.target();
    let mut old = connect(&target);
    assert!(echoes(&mut old));
    let fault = fault("latency delay=60ms to=10.9.0.2:7000");
    let injected = injector.inject(fault, target.clone(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert!(!echoes(&mut old), "made again, so that it goes through the relay");
    let mut new = connect(&target);
    let began = Instant::now();
    assert!(echoes(&mut new));
    assert!(began.elapsed() >= Duration::from_millis(120), "late each way");
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    let network = target.network.as_ref().expect("a network");
    // A peer that is woken late looks like one behind the relay; it is not woken late each time.
    eventually("nothing makes it late any more", || {
        matches!(Linux.farewell(network, WITNESS.into(), SOON), Ok(Some(time)) if time < Duration::from_millis(60))
    })
    .await;
    assert_eq!(injector.close().await, []);
}

fn tc(target: &ResolvedTarget, words: &str) -> String {
    run_in(target.network.as_ref().expect("a network"), &format!("tc {words}"))
}

fn late() -> Fault {
    fault("latency delay=50ms")
}

async fn with_netem(bench: &Bench) -> Injector {
    let facts = HostFacts { netem: true, ..doctor::facts() };
    Injector::arm_on(bench.settings(), Arc::new(Linux), facts).await.expect("armed")
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_of_a_link_lands_or_is_taken_back_half_way() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = with_netem(&bench).await;
    let target = pair.target();
    let before = tc(&target, "qdisc show dev dsa");
    match injector.inject(late(), target.clone(), LEASE).await {
        Ok(injected) => {
            assert!(doctor::facts().netem && injected.proof.landed, "{:?}", injected.proof);
            assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        }
        // The root was in before the kernel refused what it does not have.
        Err(FaultError::Apply { why, residue: None }) => {
            assert!(!doctor::facts().netem && why.contains("netem"), "{why}");
        }
        Err(other) => panic!("{other}"),
    }
    assert_eq!(tc(&target, "qdisc show dev dsa"), before);
    assert!(common::store::faults(&bench.ledger()).values().all(|fault| fault.state == FaultState::Undone));
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_qdisc_of_somebody_else_is_refused_and_stays() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = with_netem(&bench).await;
    let target = pair.target();
    tc(&target, "qdisc add dev dsa root handle 5: tbf rate 1gbit burst 100k latency 5ms");
    let before = tc(&target, "qdisc show dev dsa");
    assert!(before.contains("tbf 5:"), "{before}");
    let refused = injector.inject(late(), target.clone(), LEASE).await;
    assert!(matches!(&refused, Err(FaultError::Refused { what, .. }) if what.contains("tbf")), "{refused:?}");
    assert_eq!(tc(&target, "qdisc show dev dsa"), before);
    assert!(
        !Linux
            .remove_classes(target.network.as_ref().expect("a network"), "dsa", 0xdead, None, &[])
            .expect("looked")
    );
    assert_eq!(tc(&target, "qdisc show dev dsa"), before);
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_sends_chosen_packets_to_the_class_and_no_others() {
    let pair = Pair::new();
    let target = pair.target();
    let network = target.network.clone().expect("a network");
    tc(&target, "qdisc add dev dsa root handle dead: htb");
    tc(&target, "class add dev dsa parent dead: classid dead:1 htb rate 1gbit");
    let sent = || tc(&target, "-s class show dev dsa").contains("Sent 0 bytes 0 pkt");
    assert!(passes(&target, 7000) && sent(), "nothing is chosen");
    let effect = TableEffect::Classify {
        flow: Flow::with(Peer::from(SocketAddr::from((WITNESS.0, 7001)))),
        code: 1,
        said: Vec::new(),
    };
    let spec = TableSpec { name: "deadstick-class".to_owned(), layer: Layer::Device, lease: LEASE.0, effect };
    let table = Linux.install(&network, &spec).expect("installed");
    assert!(passes(&target, 7000) && sent(), "another port is not chosen");
    assert!(passes(&target, 7001) && !sent(), "this one is");
    table.remove().expect("removed");
    assert!(Linux.remove_classes(&network, "dsa", 0xdead, None, &[]).expect("removed"));
    assert!(!Linux.remove_classes(&network, "dsa", 0xdead, None, &[]).expect("gone already"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_peers_fit() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let others = (0..1_000_u32).map(|number| Peer {
        address: std::net::Ipv4Addr::from_bits(0xc633_6400 + number).into(),
        prefix: None,
        port: Some(80),
    });
    let to = others.chain([Peer::from(SocketAddr::from(WITNESS))]).collect();
    let flow = Flow { to, ..Flow::default() };
    let target = pair.target();
    let injected = injector
        .inject(Fault::Partition { members: Vec::new(), shape: None, flow }, target, LEASE)
        .await
        .expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_found_again_when_the_process_that_stood_for_it_has_ended() {
    let mut pair = Pair::new();
    let target = pair.target();
    let network = target.network.clone().expect("a network");
    tc(&target, "qdisc add dev dsa root handle dead: htb");
    let sleep = || std::process::Command::new("sleep").arg("600").spawn();
    let other = common::Victim::of(enter(&network, sleep).expect("entered").expect("it starts"));
    pair.client.0.kill();
    assert!(
        Linux
            .install(
                &network,
                &TableSpec {
                    name: "deadstick-late".to_owned(),
                    layer: Layer::Device,
                    lease: LEASE.0,
                    effect: TableEffect::Silence,
                }
            )
            .is_err(),
        "nothing new goes to a network whose identity is gone"
    );
    assert!(Linux.remove_classes(&network, "dsa", 0xdead, None, &[]).expect("found"));
    drop(other);
    assert!(Linux.has_table(&network, "deadstick-late").is_err(), "gone with its last process");
}
