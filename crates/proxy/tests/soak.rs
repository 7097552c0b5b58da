//! Random calls and random traffic at once: no call hangs, nothing crashes, nothing grows.
//!
//! A few seconds by default. `DEADSTICK_SOAK_SECONDS=600` for the real thing, which also holds calls to one second;
//! `DEADSTICK_SOAK_SEED` repeats the calls of a run that printed it. Alone in its file, since it counts the process's descriptors.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use deadstick_proxy::dice::Dice;
use deadstick_proxy::{Kind, Server, Settings};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Echoes until the end, whatever happens to the connection.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut buffer = [0; 4_096];
                while let Ok(len @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..len]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn call(api: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(api).expect("the API listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("it takes the request");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    reply
}

fn pick<'a>(dice: &mut Dice, from: &[&'a str]) -> &'a str {
    from[dice.below(from.len())]
}

/// One call, as likely nonsense as not.
fn random_call(dice: &mut Dice, upstream: SocketAddr) -> (&'static str, String, String) {
    let proxy = pick(dice, &["a", "b", "c", "d"]);
    let toxic = pick(dice, &["t", "u", "v"]);
    let numbers = ["-1", "0", "1", "7", "50", "1000", "9223372036854775807"];
    match dice.below(12) {
        0..=2 => {
            let body = format!(r#"{{"name":"{proxy}","listen":"127.0.0.1:0","upstream":"{upstream}"}}"#);
            ("POST", "/proxies".to_owned(), body)
        }
        3..=5 => {
            let kind = pick(dice, Kind::NAMES);
            let attributes: Vec<String> =
                ["latency", "jitter", "rate", "delay", "timeout", "average_size", "size_variation", "bytes"]
                    .map(|name| format!(r#""{name}":{}"#, pick(dice, &numbers)))
                    .into();
            let stream = pick(dice, &["upstream", "downstream", "sideways"]);
            let toxicity = pick(dice, &["0", "0.5", "1"]);
            let body = format!(
                r#"{{"name":"{toxic}","type":"{kind}","stream":"{stream}","toxicity":{toxicity},"attributes":{{{}}}}}"#,
                // The share of corrupt bytes and the rate of a bandwidth go by the same name, and both are read as they come.
                attributes.join(",")
            );
            ("POST", format!("/proxies/{proxy}/toxics"), body)
        }
        6 => ("DELETE", format!("/proxies/{proxy}/toxics/{toxic}"), String::new()),
        7 => {
            let body = format!(
                r#"{{"toxicity":0.3,"attributes":{{"latency":{0},"rate":{0}}}}}"#,
                pick(dice, &numbers)
            );
            ("PATCH", format!("/proxies/{proxy}/toxics/{toxic}"), body)
        }
        8 => {
            let enabled = pick(dice, &["true", "false"]);
            ("POST", format!("/proxies/{proxy}"), format!(r#"{{"enabled":{enabled}}}"#))
        }
        9 => ("GET", "/proxies".to_owned(), String::new()),
        10 => ("DELETE", format!("/proxies/{proxy}"), String::new()),
        _ => ("POST", pick(dice, &["/reset", "/populate", "/nowhere"]).to_owned(), "[".to_owned()),
    }
}

/// Traffic to whatever listens; what becomes of it is the toxics' business.
fn traffic(mut dice: Dice, api: SocketAddr, over: &AtomicBool, bytes: &AtomicU64) {
    while !over.load(Ordering::Relaxed) {
        let listing = call(api, "GET", "/proxies", "");
        let listen = listing.split("\"listen\":\"").skip(1).filter_map(|rest| rest.split('"').next());
        let listen: Vec<SocketAddr> = listen.filter_map(|address| address.parse().ok()).collect();
        if listen.is_empty() {
            thread::sleep(Duration::from_millis(5));
            continue;
        }
        let Ok(mut stream) = TcpStream::connect(listen[dice.below(listen.len())]) else { continue };
        let patience = Some(Duration::from_millis(100));
        stream.set_read_timeout(patience).expect("a socket");
        stream.set_write_timeout(patience).expect("a socket");
        let data = vec![7; 1 + dice.below(100_000)];
        if dice.below(4) == 0 {
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
        }
        let Ok(()) = stream.write_all(&data) else { continue };
        let mut reply = [0; 65_536];
        if let Ok(len) = stream.read(&mut reply) {
            bytes.fetch_add(len as u64, Ordering::Relaxed);
        }
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("proc").count()
}

#[test]
#[expect(clippy::print_stdout, reason = "the seed repeats the run")]
fn random_calls_and_random_traffic() {
    let seconds = number("DEADSTICK_SOAK_SECONDS");
    let hang = Duration::from_secs(if seconds.is_some() { 1 } else { 10 });
    let seed = number("DEADSTICK_SOAK_SEED").unwrap_or_else(Dice::entropy);
    println!("DEADSTICK_SOAK_SEED={seed}");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let settings = Settings { port: 0, seed: Some(seed), ..Settings::default() };
    let server = runtime.block_on(Server::bind(settings)).expect("it binds");
    let api = server.address().expect("bound");
    runtime.spawn(server.run(std::future::pending()));
    let upstream = echo();
    call(api, "GET", "/proxies", "");
    let before = descriptors();

    let (over, bytes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let (over, bytes) = (Arc::clone(&over), Arc::clone(&bytes));
            let dice = Dice::new(seed).number(client);
            thread::spawn(move || traffic(dice, api, &over, &bytes))
        })
        .collect();
    let mut dice = Dice::new(seed).part(b"calls");
    let begin = Instant::now();
    let mut calls = 0_u64;
    while begin.elapsed() < Duration::from_secs(seconds.unwrap_or(3)) {
        let (method, path, body) = random_call(&mut dice, upstream);
        let start = Instant::now();
        let reply = call(api, method, &path, &body);
        assert!(start.elapsed() < hang, "seed {seed}: {method} {path} {body} took {:?}", start.elapsed());
        assert!(reply.starts_with("HTTP/1.1 "), "seed {seed}: {reply}");
        assert!(!reply.starts_with("HTTP/1.1 503"), "seed {seed}: {method} {path} {body}: {reply}");
        calls += 1;
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("a client");
    }
    for proxy in ["a", "b", "c", "d"] {
        call(api, "DELETE", &format!("/proxies/{proxy}"), "");
    }
    let bytes = bytes.load(Ordering::Relaxed);
    println!("{calls} calls, {bytes} bytes came back");
    assert!(calls > 10 && bytes > 0, "seed {seed}: nothing was soaked");
    // A few empty pipes are kept for later; everything else must be gone.
    let patience = Instant::now();
    while descriptors() > before + 40 {
        assert!(
            patience.elapsed() < Duration::from_secs(20),
            "seed {seed}: {} descriptors stay",
            descriptors()
        );
        thread::sleep(Duration::from_millis(50));
    }
}
