//! Network faults on real links between two network namespaces.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Bench, Pair, WITNESS, eventually};
use deadstick_core::fault::{Direction, Fault, Peer, ResolvedTarget};
use deadstick_core::units::HumanDuration;
use deadstick_faults::kernel::{Kernel, Linux, Reach};
use deadstick_faults::network::enter;
use deadstick_faults::relay::{RelayFactory, RelayOrder};
use deadstick_faults::{FaultError, Injector, Settings, Undone};

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
    let stream = enter(network, || TcpStream::connect(SocketAddr::from(WITNESS)))
        .expect("entered")
        .expect("connected");
    stream.set_read_timeout(Some(SOON)).expect("a limit");
    stream
}

fn echoes(stream: &mut TcpStream) -> bool {
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
    cuts(Fault::Vanish).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partition_both_ways() {
    cuts(Fault::Partition { from: Vec::new(), direction: Direction::Both }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partition_of_what_is_received() {
    cuts(Fault::Partition {
        from: vec![Peer { address: WITNESS.0.into(), port: None }],
        direction: Direction::Ingress,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partition_of_what_is_sent() {
    cuts(Fault::Partition {
        from: vec![Peer { address: WITNESS.0.into(), port: None }],
        direction: Direction::Egress,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partition_from_one_port_leaves_the_other() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let target = pair.target();
    let from = vec![Peer::from(SocketAddr::from(WITNESS))];
    let injected = injector
        .inject(Fault::Partition { from, direction: Direction::Both }, target.clone(), LEASE)
        .await
        .expect("injected");
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
    let injected =
        injector.inject(Fault::HalfOpen { to: None }, target.clone(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert!(!echoes(&mut old), "silent, and neither ended nor reset");
    let mut new = connect(&target);
    assert!(echoes(&mut new));
    assert_eq!(injector.close().await, []);
    old.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    assert!(echoes(&mut old), "it goes on: what was lost is sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_to_another_peer_leaves_this_one() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let target = pair.target();
    let mut old = connect(&target);
    let to = Some(Peer::from(SocketAddr::from((WITNESS.0, 7001))));
    let injected = injector.inject(Fault::HalfOpen { to }, target, LEASE).await.expect("injected");
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
    let injected = injector.inject(Fault::Vanish, target, LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kernel_ends_the_lease_by_itself() {
    let pair = Pair::new();
    let target = pair.target();
    let spec = deadstick_faults::kernel::TableSpec {
        name: "deadstick-lease".to_owned(),
        layer: deadstick_faults::kernel::Layer::Device,
        lease: Duration::from_millis(500),
        effect: deadstick_faults::kernel::TableEffect::Silence,
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
    let result = injector.inject(Fault::Vanish, target, LEASE).await;
    assert!(matches!(result, Err(FaultError::Apply { residue: None, .. })), "{result:?}");
    assert_eq!(injector.close().await, []);
}

/// The simplest relay there can be: a thread a direction, which sleeps before it passes each piece on.
struct SleepyRelay;

impl RelayFactory for SleepyRelay {
    fn start(&self, order: RelayOrder) -> std::io::Result<Box<dyn Send>> {
        let stop = Stop(Arc::default());
        let flag = Arc::clone(&stop.0);
        std::thread::spawn(move || {
            while !flag.load(Ordering::Acquire) {
                let Ok((inner, _)) = order.listener.accept() else {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                };
                let Ok(outer) = order.dial.connect() else { continue };
                for (mut from, mut to) in
                    [(inner.try_clone(), outer.try_clone()), (outer.try_clone(), inner.try_clone())]
                        .into_iter()
                        .map(|(from, to)| (from.expect("cloned"), to.expect("cloned")))
                {
                    std::thread::spawn(move || {
                        let mut bytes = [0; 4096];
                        while let Ok(count) = from.read(&mut bytes) {
                            std::thread::sleep(order.delay);
                            if count == 0 {
                                return to.shutdown(std::net::Shutdown::Write).is_ok();
                            }
                            if to.write_all(&bytes[..count]).is_err() {
                                return false;
                            }
                        }
                        false
                    });
                }
            }
        });
        Ok(Box::new(stop))
    }
}

/// Ends the relay when it is dropped.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_of_a_peer_goes_through_a_relay() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let settings = Settings { relay: Some(Arc::new(SleepyRelay)), ..bench.settings() };
    let injector = Injector::arm(settings).await.expect("armed");
    let target = pair.target();
    let mut old = connect(&target);
    assert!(echoes(&mut old));
    let fault = Fault::Latency {
        delay: HumanDuration::millis(60),
        jitter: HumanDuration::millis(0),
        to: Some(Peer::from(SocketAddr::from(WITNESS))),
    };
    let injected = injector.inject(fault, target.clone(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert!(!echoes(&mut old), "made again, so that it goes through the relay");
    let mut new = connect(&target);
    let began = Instant::now();
    assert!(echoes(&mut new));
    assert!(began.elapsed() >= Duration::from_millis(120), "late each way");
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    assert!(
        matches!(Linux.farewell(target.network.as_ref().expect("a network"), WITNESS.into(), SOON), Ok(Some(time)) if time < Duration::from_millis(60))
    );
    assert_eq!(injector.close().await, []);
}
