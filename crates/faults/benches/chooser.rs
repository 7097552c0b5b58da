//! What the table that chooses packets costs those it does not choose.
//!
//! `cargo bench -p deadstick-faults --bench chooser`, as root: two network namespaces of its own on one link, and a flow
//! between them that no rule is about, with no table, and with one of 1, 10 and 1,000 targets. Prints throughput and round
//! trips as ratios to no table, medians of rounds taken in turns.

#![expect(clippy::print_stdout, reason = "a table for people is what it makes")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use deadstick_core::fault::{Flow, Peer};
use deadstick_core::identity::NetworkIdentity;
use deadstick_faults::kernel::{Layer, Linux, Networks, TableEffect, TableSpec};
use deadstick_faults::network;

const TARGETS: [usize; 4] = [0, 1, 10, 1_000];
const ROUNDS: usize = 15;
const PINGS: usize = 4_000;
const BYTES: usize = 192 << 20;
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const BULK: u16 = 7001;
const ECHO: u16 = 7002;

fn main() {
    let (near, far) = (Host::new(), Host::new());
    let (near_pid, far_pid) = (near.0.id().to_string(), far.0.id().to_string());
    ip(&near, &["link", "add", "a0", "type", "veth", "peer", "name", "b0", "netns", &far_pid]);
    for (host, device, address) in [(&near, "a0", "10.9.0.1/24"), (&far, "b0", "10.9.0.2/24")] {
        ip(host, &["addr", "add", address, "dev", device]);
        ip(host, &["link", "set", device, "up"]);
    }
    let network = network::network_of(near_pid.parse().expect("a pid")).expect("it is there");
    let peer = network::network_of(far_pid.parse().expect("a pid")).expect("it is there");
    serve(&peer);
    let mut measured: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); TARGETS.len()];
    for _ in 0..ROUNDS {
        for (targets, (throughput, trip)) in TARGETS.iter().zip(&mut measured) {
            let table = (*targets > 0).then(|| Linux.install(&network, &spec(*targets)).expect("installed"));
            throughput.push(megabytes_a_second(&network));
            trip.push(round_trip(&network));
            if let Some(table) = table {
                assert_eq!(table.hits().expect("read"), 0, "no packet of this flow is chosen");
                table.remove().expect("removed");
            }
        }
    }
    let medians: Vec<_> =
        measured.into_iter().map(|(throughput, trip)| (median(throughput), median(trip))).collect();
    println!("{:>8} {:>14} {:>8} {:>14} {:>8}", "targets", "throughput", "ratio", "round trip", "ratio");
    for (targets, (throughput, trip)) in TARGETS.iter().zip(&medians) {
        println!(
            "{targets:>8} {throughput:>9.0} MB/s {:>8.3} {:>11.1} us {:>8.3}",
            throughput / medians[0].0,
            trip,
            trip / medians[0].1
        );
    }
}

/// A process with a network of its own; ended with the value.
struct Host(Child);

impl Host {
    fn new() -> Self {
        let mut child = Command::new("unshare")
            .args(["-n", "sh", "-c", "ip link set lo up; echo; exec sleep 600"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare starts");
        child.stdout.as_mut().expect("piped").read_exact(&mut [0]).expect("root makes a network");
        Self(child)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.0.kill().expect("ours");
        self.0.wait().expect("reaped");
    }
}

fn ip(host: &Host, words: &[&str]) {
    let net = format!("--net=/proc/{}/ns/net", host.0.id());
    let done = Command::new("nsenter").arg(net).arg("ip").args(words).status().expect("nsenter starts");
    assert!(done.success(), "{words:?}");
}

/// Packets to as many addresses as that are dropped; those of the measured flow are to another one.
fn spec(targets: usize) -> TableSpec {
    let first = Ipv4Addr::new(198, 18, 0, 0).to_bits();
    let to = (0..targets).map(|number| Peer {
        address: Ipv4Addr::from_bits(first + u32::try_from(number).expect("small")).into(),
        prefix: None,
        port: Some(5432),
    });
    let flow = Flow { to: to.collect(), ..Flow::default() };
    let layer = Layer::Device;
    TableSpec {
        name: "deadstick-bench".to_owned(),
        layer,
        lease: Duration::from_secs(600),
        effect: TableEffect::Cut { flow },
    }
}

/// A server that swallows, and one that echoes. Their threads end with the process.
fn serve(network: &NetworkIdentity) {
    let listen = |port| {
        network::enter(network, || TcpListener::bind((SERVER, port))).expect("entered").expect("it is free")
    };
    let (bulk, echo) = (listen(BULK), listen(ECHO));
    std::thread::spawn(move || {
        for mut stream in bulk.incoming().flatten() {
            let mut left = BYTES;
            let mut buffer = vec![0; 1 << 20];
            while left > 0 {
                left -= stream.read(&mut buffer).expect("bytes").min(left);
            }
            stream.write_all(b"!").expect("they wait");
        }
    });
    std::thread::spawn(move || {
        for mut stream in echo.incoming().flatten() {
            stream.set_nodelay(true).expect("a socket");
            let mut byte = [0];
            while stream.read_exact(&mut byte).is_ok() {
                stream.write_all(&byte).expect("they wait");
            }
        }
    });
}

fn connect(network: &NetworkIdentity, port: u16) -> TcpStream {
    let to = SocketAddr::from((SERVER, port));
    network::enter(network, || TcpStream::connect(to)).expect("entered").expect("it listens")
}

fn megabytes_a_second(network: &NetworkIdentity) -> f64 {
    let mut stream = connect(network, BULK);
    let chunk = vec![7; 1 << 20];
    let began = Instant::now();
    for _ in 0..BYTES / chunk.len() {
        stream.write_all(&chunk).expect("it reads");
    }
    stream.read_exact(&mut [0]).expect("it has all");
    (BYTES >> 20) as f64 / began.elapsed().as_secs_f64()
}

/// In microseconds, the median of many.
fn round_trip(network: &NetworkIdentity) -> f64 {
    let mut stream = connect(network, ECHO);
    stream.set_nodelay(true).expect("a socket");
    let times = (0..PINGS).map(|_| {
        let began = Instant::now();
        stream.write_all(b"x").and_then(|()| stream.read_exact(&mut [0])).expect("it echoes");
        began.elapsed().as_secs_f64() * 1e6
    });
    median(times.collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
