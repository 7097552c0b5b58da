//! One link between two hosts, and packets over it that know their number and when they were sent.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use deadstick_core::fault::ResolvedTarget;
use deadstick_core::identity::NetworkIdentity;
use deadstick_faults::network::enter;
use deadstick_faults::process;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use crate::common::Pair;
use crate::machine;

/// UDP over IPv4 over Ethernet.
pub(crate) const HEADERS: usize = 14 + 20 + 8;
/// Every packet of a train is in a receiver's buffer at once, if need be.
const BUFFER: usize = 256 << 20;
const PORTS: (u16, u16) = (9_001, 9_002);

/// Which way a train of packets goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the target.
    Out,
    /// To the target.
    In,
}

/// Packets sent one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Train {
    pub(crate) way: Way,
    pub(crate) count: usize,
    /// Between two of them, at least.
    pub(crate) gap: Duration,
    /// Bytes of UDP payload.
    pub(crate) size: usize,
    /// After this much of it nothing comes any more.
    pub(crate) silence: Duration,
}

impl Train {
    /// Small packets as fast as they go.
    pub(crate) fn of(count: usize, way: Way) -> Self {
        Self { way, count, gap: Duration::ZERO, size: 64, silence: machine::silence() }
    }
}

/// One packet that came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) number: usize,
    /// Since it was sent.
    pub(crate) after: Duration,
    pub(crate) at: Instant,
}

/// A client, which is the target, and a server.
pub(crate) struct Wire {
    pair: Pair,
    client: UdpSocket,
    server: UdpSocket,
}

impl Wire {
    pub(crate) fn new() -> Self {
        let pair = Pair::new();
        for host in [&pair.client, &pair.server] {
            enter(&network(host.pid()), never_forget_neighbours).expect("entered");
        }
        let client = socket(&network(pair.client.pid()), ([10, 9, 0, 1], PORTS.0));
        let server = socket(&network(pair.server.pid()), ([10, 9, 0, 2], PORTS.1));
        client.connect(server.local_addr().expect("bound")).expect("there is a way");
        server.connect(client.local_addr().expect("bound")).expect("there is a way");
        let wire = Self { pair, client, server };
        // The neighbours know each other, and the code has run once.
        wire.round_trip();
        wire
    }

    pub(crate) fn target(&self) -> ResolvedTarget {
        self.pair.target()
    }

    /// How long a packet takes there and back.
    pub(crate) fn round_trip(&self) -> Duration {
        let mut bytes = [0; 64];
        let began = Instant::now();
        for (from, to) in [(&self.client, &self.server), (&self.server, &self.client)] {
            to.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
            from.send(&bytes).expect("sent");
            to.recv(&mut bytes).expect("it comes: nothing is lost on this link");
        }
        began.elapsed()
    }

    /// Sends a train and hears what comes of it, in the order of arrival.
    pub(crate) fn send(&self, train: Train) -> Vec<Arrival> {
        let (from, to) = match train.way {
            Way::Out => (&self.client, &self.server),
            Way::In => (&self.server, &self.client),
        };
        std::thread::scope(|scope| {
            let listener = scope.spawn(|| listen(to, &train));
            let mut packet = vec![0x5a; train.size];
            let mut sent = Vec::with_capacity(train.count);
            for number in 0..train.count {
                packet[..8].copy_from_slice(&number.to_ne_bytes());
                sent.push(Instant::now());
                from.send(&packet).expect("sent");
                if !train.gap.is_zero() {
                    std::thread::sleep(train.gap);
                }
            }
            let heard = listener.join().expect("it listens to the end");
            let arrival = |(number, at): (usize, Instant)| {
                let after = at.checked_duration_since(sent[number]).expect("sent first");
                Arrival { number, after, at }
            };
            heard.into_iter().map(arrival).collect()
        })
    }

    /// Sends a train from the target and takes it off the other end below any checksum: for each frame that is still known
    /// for one of the train, how many bits of its payload are not what was sent.
    pub(crate) fn frames(&self, train: Train) -> Vec<u32> {
        let server = network(self.pair.server.pid());
        // Every protocol, in the order of the wire.
        let all = Protocol::from(i32::from(u16::from_ne_bytes(3_u16.to_be_bytes())));
        let tap = || Socket::new(Domain::PACKET, Type::RAW, Some(all));
        let tap = enter(&server, tap).expect("entered").expect("the guest's root may");
        setsockopt(&tap, sockopt::RcvBufForce, &BUFFER).expect("the guest's root may");
        tap.set_read_timeout(Some(train.silence)).expect("a limit");
        let payload = vec![0; train.size];
        for _ in 0..train.count {
            self.client.send(&payload).expect("sent");
        }
        let (mut tap, mut frame, mut heard) = (tap, vec![0; 4_096], Vec::new());
        while let Ok(length) = tap.read(&mut frame) {
            if length == HEADERS + train.size {
                let pairs = frame[HEADERS..length].iter().zip(&payload);
                heard.push(pairs.map(|(came, sent)| (came ^ sent).count_ones()).sum());
            }
        }
        // Those that were whole came to the server's socket as well.
        listen(&self.server, &train);
        heard
    }

    /// What the hosts' networks hold that a fault might have left: devices, queueing disciplines, filters, tables.
    pub(crate) fn state(&self) -> String {
        let commands = [
            ["ip", "-brief", "link"].as_slice(),
            &["tc", "qdisc", "show"],
            &["tc", "filter", "show", "dev", "dsa"],
            &["tc", "filter", "show", "dev", "dsa", "ingress"],
            &["nft", "list", "ruleset"],
        ];
        let client = network(self.pair.client.pid());
        let answer = |words: &&[&str]| {
            let run = || std::process::Command::new(words[0]).args(&words[1..]).output();
            let output = enter(&client, run).expect("entered").expect("it runs");
            format!("{}: {}", words.join(" "), String::from_utf8_lossy(&output.stdout))
        };
        commands.iter().map(answer).collect()
    }

    /// The queueing disciplines of the target's end but the roots, which count.
    pub(crate) fn queues(&self) -> String {
        let run = || std::process::Command::new("tc").args(["qdisc", "show"]).output();
        let output = enter(&network(self.pair.client.pid()), run).expect("entered").expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout);
        said.lines().filter(|line| !line.contains(" root ")).map(|line| format!("{line}\n")).collect()
    }

    /// Has the traffic control program do something to the target's end.
    pub(crate) fn by_tc(&self, words: &str) {
        let tc = || std::process::Command::new("tc").args(words.split(' ')).status();
        let ended = enter(&network(self.pair.client.pid()), tc).expect("entered").expect("tc runs");
        assert!(ended.success(), "{words}");
    }

    /// The link is what it was without a fault: prompt, whole and in order, both ways.
    pub(crate) fn is_whole(&self) {
        machine::takes(Duration::ZERO, (0..machine::MANY).map(|_| self.round_trip()));
        for way in [Way::Out, Way::In] {
            let heard = self.send(Train { gap: Duration::from_millis(1), ..Train::of(100, way) });
            let numbers: Vec<_> = heard.iter().map(|one| one.number).collect();
            assert_eq!(numbers, (0..100).collect::<Vec<_>>(), "{way:?}");
        }
    }
}

/// Packets that wait until a neighbour is found again, over a link that is late, are late for another reason.
fn never_forget_neighbours() {
    let devices = std::fs::read_dir("/proc/sys/net/ipv4/neigh").expect("IPv4 has neighbours");
    for device in devices {
        let file = device.expect("readable").path().join("base_reachable_time_ms");
        std::fs::write(file, "1000000000").expect("the guest's root may");
    }
}

fn network(pid: u32) -> NetworkIdentity {
    process::network_of(pid).expect("it runs")
}

fn socket(network: &NetworkIdentity, end: ([u8; 4], u16)) -> UdpSocket {
    let socket = enter(network, || UdpSocket::bind(SocketAddr::from(end)))
        .expect("entered")
        .expect("the port is free");
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).expect("the guest's root may");
    socket
}

/// Numbers of the packets that come, and when, until it is quiet.
fn listen(socket: &UdpSocket, train: &Train) -> Vec<(usize, Instant)> {
    let (mut heard, mut bytes) = (Vec::new(), vec![0; train.size + 1]);
    socket.set_read_timeout(Some(train.silence)).expect("a limit");
    loop {
        match socket.recv(&mut bytes) {
            Ok(length) => {
                let at = Instant::now();
                assert_eq!(length, train.size, "nothing else talks here");
                let number = bytes[..8].try_into().map(usize::from_ne_bytes).expect("eight bytes");
                heard.push((number, at));
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return heard;
            }
            Err(error) => panic!("{error}"),
        }
    }
}
