//! The measurements. Clients are plain blocking threads, the same for every way.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// One way from client to server.
pub(crate) struct Way {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) api: Option<SocketAddr>,
    pub(crate) pid: Option<u32>,
}

/// What can be measured by itself.
pub(crate) const PARTS: [&str; 5] = ["throughput", "echo", "connections", "idle", "toxics"];

/// How much is measured.
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) span: Duration,
    pub(crate) idle: usize,
    /// Only the part of that name.
    pub(crate) only: Option<String>,
}

impl Plan {
    /// Whether that one of [`PARTS`] is measured.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }
}

/// One row: what was measured, and per way the values of all rounds.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) ways: Vec<(String, Vec<f64>)>,
}

/// Throughput, round trips and connections of all ways.
pub(crate) fn compare(ways: &[Way], plan: &Plan) -> Vec<Row> {
    let mut rows: Vec<Row> = [
        ("throughput, 1 connection", "MB/s"),
        ("throughput, 16 connections", "MB/s"),
        ("echo 64 B, median", "µs"),
        ("echo 64 B, p99", "µs"),
        ("connections", "/s"),
    ]
    .map(|(what, unit)| Row {
        what,
        unit,
        ways: ways.iter().map(|way| (way.name.clone(), Vec::new())).collect(),
    })
    .into();
    for _ in 0..plan.rounds {
        for (index, way) in ways.iter().enumerate() {
            let mut put = |row: usize, value| rows[row].ways[index].1.push(value);
            if plan.wants("throughput") {
                put(0, throughput(way.address, 1, plan.span));
                put(1, throughput(way.address, 16, plan.span));
            }
            if plan.wants("echo") {
                let trips = round_trips(way.address, plan.span);
                put(2, percentile(&trips, 0.5) * 1e6);
                put(3, percentile(&trips, 0.99) * 1e6);
            }
            if plan.wants("connections") {
                put(4, connections(way.address, plan.span));
            }
        }
    }
    rows.retain(|row| row.ways.iter().all(|(_, values)| !values.is_empty()));
    rows
}

fn open(address: SocketAddr, kind: u8) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    stream.write_all(&[kind]).expect("open");
    stream
}

/// MB (10^6 bytes) a second over all connections.
fn throughput(address: SocketAddr, connections: usize, span: Duration) -> f64 {
    let threads: Vec<_> = (0..connections)
        .map(|_| {
            thread::spawn(move || {
                let mut stream = open(address, b'D');
                let mut buffer = vec![0; 256 * 1024];
                // The start of a connection is not what is asked for.
                let warm = Instant::now();
                while warm.elapsed() < span / 10 {
                    assert!(stream.read(&mut buffer).expect("data") > 0, "the server closed");
                }
                let start = Instant::now();
                let mut bytes = 0;
                while start.elapsed() < span {
                    bytes += stream.read(&mut buffer).expect("data");
                }
                bytes as f64 / start.elapsed().as_secs_f64() / 1e6
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().expect("a rate")).sum()
}

/// Sorted times of round trips, in seconds.
fn round_trips(address: SocketAddr, span: Duration) -> Vec<f64> {
    let mut stream = open(address, b'E');
    let mut buffer = [7; 64];
    let mut times = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < span {
        let start = Instant::now();
        stream.write_all(&buffer).expect("open");
        stream.read_exact(&mut buffer).expect("an echo");
        times.push(start.elapsed().as_secs_f64());
    }
    times.drain(..times.len().min(100) / 2);
    times.sort_by(f64::total_cmp);
    times
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

/// Connections opened, used for one byte and closed, one after the other.
fn connections(address: SocketAddr, span: Duration) -> f64 {
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < span {
        let mut stream = open(address, b'1');
        stream.read_exact(&mut [0]).expect("a byte");
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

/// Resident memory in MB before and with many idle connections, per way whose process is known.
pub(crate) fn idle(ways: &[Way], plan: &Plan) -> Vec<(String, f64, f64, usize)> {
    let mut results = Vec::new();
    for way in ways {
        let Some(pid) = way.pid else { continue };
        let before = resident(pid);
        let open: Vec<TcpStream> = (0..plan.idle)
            .map(|_| {
                let mut stream = open(way.address, b'I');
                stream.read_exact(&mut [0]).expect("it reaches the server");
                stream
            })
            .collect();
        thread::sleep(Duration::from_secs(1));
        results.push((way.name.clone(), before, resident(pid), open.len()));
        drop(open);
        thread::sleep(Duration::from_secs(1));
    }
    results
}

fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    let kib: f64 = line.split_whitespace().nth(1).expect("a value").parse().expect("a number");
    kib * 1024.0 / 1e6
}

/// One line: what was set, what was measured.
pub(crate) struct Accuracy {
    pub(crate) set: String,
    pub(crate) got: String,
}

/// How exactly deadstick does what its toxics are told.
pub(crate) fn accuracy(direct: &Way, proxy: &Way, precise: &Way, plan: &Plan) -> Vec<Accuracy> {
    let mut lines = Vec::new();
    for latency in [1_u32, 5, 50] {
        for (way, mode) in [(proxy, ""), (precise, ", -precise")] {
            let Some(api) = way.api else { continue };
            let bare = percentile(&round_trips(way.address, plan.span), 0.5) * 1e3;
            add(api, &format!(r#"{{"name":"t","type":"latency","attributes":{{"latency":{latency}}}}}"#));
            let trips = round_trips(way.address, plan.span);
            remove(api);
            let error = |share| percentile(&trips, share) * 1e3 - f64::from(latency);
            lines.push(Accuracy {
                set: format!("latency {latency} ms{mode}"),
                got: format!(
                    "median {:+.3} ms, p99 {:+.3} ms over what was set; {bare:.3} ms without",
                    error(0.5),
                    error(0.99)
                ),
            });
        }
    }
    let Some(api) = proxy.api else { return lines };
    for rate in [100_u32, 1_000, 100_000] {
        add(api, &format!(r#"{{"name":"t","type":"bandwidth","attributes":{{"rate":{rate}}}}}"#));
        let got = throughput(proxy.address, 1, plan.span.max(Duration::from_secs(3)));
        remove(api);
        let set = f64::from(rate) / 1e3;
        lines.push(Accuracy {
            set: format!("bandwidth {set} MB/s"),
            got: format!("{got:.3} MB/s ({:+.2} %)", (got / set - 1.0) * 100.0),
        });
    }
    add(api, r#"{"name":"t","type":"latency"}"#);
    let mut ratios: Vec<f64> = (0..plan.rounds)
        .map(|_| throughput(proxy.address, 1, plan.span) / throughput(direct.address, 1, plan.span))
        .collect();
    remove(api);
    ratios.sort_by(f64::total_cmp);
    lines.push(Accuracy {
        set: "latency 0 ms".to_owned(),
        got: format!("throughput {:.2} of direct", percentile(&ratios, 0.5)),
    });
    lines
}

fn add(api: SocketAddr, toxic: &str) {
    call(api, "POST", "/proxies/bench/toxics", toxic);
}

fn remove(api: SocketAddr) {
    call(api, "DELETE", "/proxies/bench/toxics/t", "");
}

fn call(api: SocketAddr, method: &str, path: &str, body: &str) {
    let mut stream = TcpStream::connect(api).expect("the API");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("open");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    assert!(reply.starts_with("HTTP/1.1 20"), "{reply}");
}
