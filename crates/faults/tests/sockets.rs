//! Connections that are destroyed and ports that are taken, in network namespaces made for it.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use common::{Bench, Pair, WITNESS, eventually, fault};
use deadstick_core::fault::{Direction, Fault, Flow, ResolvedTarget};
use deadstick_core::units::HumanDuration;
use deadstick_faults::network::enter;
use deadstick_faults::{FaultError, Injected, Injector, Undone};

const LEASE: HumanDuration = HumanDuration::secs(60);

fn inside<T: Send>(target: &ResolvedTarget, function: impl FnOnce() -> T + Send) -> T {
    enter(target.network.as_ref().expect("a network"), function).expect("entered")
}

fn connect(target: &ResolvedTarget, to: SocketAddr) -> TcpStream {
    let stream = inside(target, || TcpStream::connect(to)).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    stream
}

fn echoes(stream: &mut TcpStream) -> bool {
    let mut byte = [0; 1];
    stream.write_all(b"x").is_ok() && stream.read_exact(&mut byte).is_ok()
}

/// What a reader of this connection is told, at once or within ten seconds.
fn fate(stream: &mut TcpStream) -> Option<i32> {
    stream.read(&mut [0; 1]).err().and_then(|error| error.raw_os_error())
}

async fn inject(injector: &Injector, fault: Fault, target: &ResolvedTarget) -> Injected {
    injector.inject(fault, target.clone(), LEASE).await.expect("injected")
}

async fn refusal(injector: &Injector, fault: Fault, target: &ResolvedTarget) -> String {
    match injector.inject(fault, target.clone(), LEASE).await {
        Err(FaultError::Refused { what, .. }) => what,
        other => panic!("not refused: {other:?}"),
    }
}

/// A connection that somebody else makes: those of the injecting process are spared.
fn stranger(pair: &mut Pair, port: u16) {
    pair.client.ask(&format!("dial 10.9.0.2:{port}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_others_end_and_ours_are_spared() {
    let (bench, mut pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let target = pair.target();
    let mut ours = connect(&target, WITNESS.into());
    stranger(&mut pair, 7000);
    stranger(&mut pair, 7001);
    let injected = inject(&injector, fault("socket-kill to=10.9.0.2:7000"), &target).await;
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert!(injected.proof.evidence.starts_with("1 destroyed"), "{:?}", injected.proof);
    assert!(echoes(&mut ours), "a connection of the injecting process is spared");
    pair.client.ask("ended 1");
    // A new one does not live long either, until the fault ends; one to the other port does.
    stranger(&mut pair, 7000);
    pair.client.ask("ended 2");
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    stranger(&mut pair, 7000);
    tokio::time::sleep(Duration::from_millis(500)).await;
    pair.client.ask("ended 2");
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_is_connected_a_connection_of_ours_proves_it() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let target = pair.target();
    let mut kept = connect(&target, WITNESS.into());
    let injected = inject(&injector, fault("socket-kill"), &target).await;
    assert!(injected.proof.landed && injected.proof.evidence.contains("one of ours"), "{:?}", injected.proof);
    assert!(echoes(&mut kept), "only the one made for it");
    let silent = ResolvedTarget { witness: None, address: None, ..target };
    let injected = inject(&injector, fault("socket-kill from=10.9.0.77"), &silent).await;
    assert!(!injected.proof.landed, "{:?}", injected.proof);
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_user_and_by_address_of_this_end() {
    let (bench, mut pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let target = pair.target();
    let own = rustix::process::geteuid().as_raw();
    let of = |user| Fault::SocketKill { flow: Flow { user: Some(user), ..Flow::default() } };
    stranger(&mut pair, 7000);
    let other = inject(&injector, of(own + 1), &target).await;
    assert!(!other.proof.landed, "{:?}", other.proof);
    pair.client.ask("ended 0");
    let same = inject(&injector, of(own), &target).await;
    assert!(same.proof.landed, "{:?}", same.proof);
    pair.client.ask("ended 1");
    assert_eq!(injector.undo_faults("next").await, []);
    stranger(&mut pair, 7000);
    let from = inject(&injector, fault("socket-kill from=10.9.0.0/30"), &target).await;
    assert!(from.proof.landed, "{:?}", from.proof);
    pair.client.ask("ended 2");
    let device = Flow { iface: Some("dsa".to_owned()), ..Flow::default() };
    let outwards = Flow { direction: Direction::Egress, ..Flow::default() };
    for (flow, word) in [(device, "device"), (outwards, "direction")] {
        let what = refusal(&injector, Fault::SocketKill { flow }, &target).await;
        assert!(what.contains(word), "{what}");
    }
    assert_eq!(injector.close().await, []);
}

fn listens(target: &ResolvedTarget, at: &str) -> Result<TcpListener, std::io::Error> {
    inside(target, || TcpListener::bind(at))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_stops_servers_on_every_address() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let target = pair.target();
    let injected = inject(&injector, fault("port-take port=18080"), &target).await;
    assert!(injected.proof.landed, "{:?}", injected.proof);
    for at in ["127.0.0.1:18080", "10.9.0.1:18080", "0.0.0.0:18080", "[::1]:18080", "[::]:18080"] {
        let error = listens(&target, at).expect_err(at);
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{at}");
    }
    assert!(listens(&target, "127.0.0.1:18081").is_ok());
    assert!(inside(&target, || UdpSocket::bind("127.0.0.1:18080")).is_ok(), "another protocol");
    let mut caller = connect(&target, ([127, 0, 0, 1], 18080).into());
    assert_eq!(fate(&mut caller), Some(104), "ECONNRESET");
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    assert!(listens(&target, "0.0.0.0:18080").is_ok());
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_and_udp() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let target = pair.target();
    let one = inject(&injector, fault("port-take port=18080 address=127.0.0.1"), &target).await;
    assert!(one.proof.landed, "{:?}", one.proof);
    assert!(listens(&target, "127.0.0.1:18080").is_err() && listens(&target, "10.9.0.1:18080").is_ok());
    let six = inject(&injector, fault("port-take port=18080 address=::1"), &target).await;
    assert!(six.proof.landed, "{:?}", six.proof);
    let udp = inject(&injector, fault("port-take port=5353 protocol=udp"), &target).await;
    assert!(udp.proof.landed, "{:?}", udp.proof);
    assert!(inside(&target, || UdpSocket::bind("10.9.0.1:5353")).is_err());
    let shared = inside(&target, || {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).expect("made");
        socket.set_reuse_address(true).and_then(|()| socket.set_reuse_port(true)).expect("set");
        socket.bind(&SocketAddr::from((IpAddr::from([0, 0, 0, 0]), 5353)).into())
    });
    assert!(shared.is_err(), "nor one that would share it");
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_somebody_has_is_refused_with_his_name() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let target = pair.target();
    let holder = listens(&target, "10.9.0.1:18080").expect("free");
    let what = refusal(&injector, fault("port-take port=18080"), &target).await;
    assert!(what.contains(&format!("process {}", std::process::id())), "{what}");
    let elsewhere = inject(&injector, fault("port-take port=18080 address=127.0.0.1"), &target).await;
    assert!(elsewhere.proof.landed, "{:?}", elsewhere.proof);
    let nowhere =
        injector.inject(fault("port-take port=18080 address=192.0.2.7"), target.clone(), LEASE).await;
    assert!(matches!(nowhere, Err(FaultError::Apply { residue: None, .. })), "{nowhere:?}");
    drop(holder);
    assert_eq!(injector.close().await, []);
}

/// A server that has just been killed leaves its connections behind for a minute; they do not keep the port from us.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_left_behind_does_not_keep_its_port() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let injector = bench.injector().await;
    let target = pair.target();
    let server = listens(&target, "127.0.0.1:18080").expect("free");
    let client = connect(&target, ([127, 0, 0, 1], 18080).into());
    let (accepted, _) = server.accept().expect("accepted");
    drop((accepted, server));
    drop(client);
    let injected = inject(&injector, fault("port-take port=18080 address=127.0.0.1"), &target).await;
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert_eq!(injector.close().await, []);
    eventually("the port is free again", || listens(&target, "127.0.0.1:18080").is_ok()).await;
}
