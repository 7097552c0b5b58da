//! Where the original hangs, crashes, leaks or rolls the dice again, this does not. Each test fails on the original's behaviour.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use crate::common::{Api, black_hole, connect, counted, echo, eventually, exchange, server};
use deadstick_proxy::{LimitData, Noop, Proxy, Settings, Stream, Toxic};

/// A server that sends without end to whoever connects.
fn fountain() -> SocketAddr {
    server(|mut stream| {
        let data = counted(100_000);
        while stream.write_all(&data).is_ok() {}
    })
}

#[test]
fn a_client_that_never_reads_does_not_freeze_the_api() {
    let api = Api::start();
    let address = api.proxy("p", fountain());
    let stuck = connect(address);
    // Until every buffer on the way is full.
    thread::sleep(Duration::from_millis(300));
    api.ok("POST", "/proxies/p/toxics", r#"{"type":"latency","attributes":{"latency":5}}"#);
    api.ok("POST", "/proxies/p/toxics/latency_downstream", r#"{"attributes":{"latency":6}}"#);
    api.ok("GET", "/proxies", "");
    api.ok("DELETE", "/proxies/p/toxics/latency_downstream", "");
    let mut other = connect(address);
    let mut some = vec![0; 1_000_000];
    other.read_exact(&mut some).expect("other clients are served");
    api.ok("POST", "/reset", "");
    api.ok("POST", "/proxies/p", r#"{"enabled":false}"#);
    drop(stuck);
}

#[test]
fn a_hanging_dial_blocks_no_call() {
    let (hole, _fill, _socket) = black_hole();
    let api = Api::start();
    let address = api.proxy("p", hole);
    let _waiting: Vec<_> = (0..3).map(|_| connect(address)).collect();
    api.ok("POST", "/proxies/p", r#"{"enabled":false}"#);
    api.ok("POST", "/proxies/p", r#"{"enabled":true}"#);
    api.ok("DELETE", "/proxies/p", "");
}

#[test]
fn no_attribute_crashes_the_server() {
    let api = Api::start();
    let address = api.proxy("p", echo());
    let toxics = [
        r#"{"type":"slicer"}"#,
        r#"{"type":"slicer","attributes":{"average_size":10,"size_variation":1000}}"#,
        r#"{"type":"slicer","attributes":{"average_size":10,"size_variation":-5}}"#,
        r#"{"type":"slicer","attributes":{"average_size":-9223372036854775808,"size_variation":9223372036854775807,"delay":-1}}"#,
        r#"{"type":"latency","attributes":{"latency":-9223372036854775808,"jitter":-9223372036854775808}}"#,
        r#"{"type":"latency","attributes":{"latency":9223372036854775807,"jitter":9223372036854775807}}"#,
        r#"{"type":"bandwidth","attributes":{"rate":-1}}"#,
        r#"{"type":"bandwidth","attributes":{"rate":9223372036854775807}}"#,
        r#"{"type":"slow_close","attributes":{"delay":9223372036854775807}}"#,
        r#"{"type":"timeout","attributes":{"timeout":-9223372036854775808}}"#,
        r#"{"type":"timeout","attributes":{"timeout":9223372036854775807}}"#,
        r#"{"type":"reset_peer","attributes":{"timeout":9223372036854775807}}"#,
        r#"{"type":"limit_data","attributes":{"bytes":-1}}"#,
        r#"{"type":"limit_data","attributes":{"bytes":9223372036854775807}}"#,
        r#"{"type":"packet_loss","attributes":{"loss_rate":-1e300,"correlation":1e300}}"#,
        r#"{"type":"noop","toxicity":-1}"#,
    ];
    for stream in ["upstream", "downstream"] {
        for toxic in toxics {
            let toxic = toxic.replacen('{', &format!("{{\"name\":\"t\",\"stream\":\"{stream}\","), 1);
            api.ok("POST", "/proxies/p/toxics", &toxic);
            let mut stream = connect(address);
            stream.write_all(&counted(50_000)).expect("accepted");
            stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
            // What comes back depends on the toxic; that the server lives does not.
            let _any = stream.read(&mut [0; 1_000]);
            api.ok("DELETE", "/proxies/p/toxics/t", "");
        }
    }
    assert_eq!(exchange(&mut connect(address), b"alive"), b"alive");
}

/// Which of `count` fresh connections are hit by a toxic that swallows everything.
fn hits(address: SocketAddr, count: usize) -> (Vec<bool>, Vec<std::net::TcpStream>) {
    let mut streams: Vec<_> = (0..count)
        .map(|_| {
            let mut stream = connect(address);
            stream.write_all(b"x").expect("open");
            // Connections are numbered as they are accepted.
            thread::sleep(Duration::from_millis(2));
            stream
        })
        .collect();
    let hits = streams.iter_mut().map(silent).collect();
    (hits, streams)
}

fn silent(stream: &mut std::net::TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
    stream.read(&mut [0; 1]).is_err()
}

#[test]
fn toxicity_is_decided_once_per_connection() {
    let api = Api::start();
    let address = api.proxy("p", echo());
    api.ok("POST", "/proxies/p/toxics", r#"{"type":"bandwidth","name":"t","toxicity":0.5}"#);
    let (first, mut streams) = hits(address, 30);
    assert!(first.contains(&true) && first.contains(&false));
    api.ok("POST", "/proxies/p/toxics/t", r#"{"attributes":{"rate":0},"toxicity":0.5}"#);
    api.ok("POST", "/proxies/p/toxics", r#"{"type":"noop"}"#);
    for stream in &mut streams {
        stream.write_all(b"y").expect("open");
    }
    let again: Vec<bool> = streams.iter_mut().map(silent).collect();
    assert_eq!(first, again);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let api = Api::with(Settings { seed: Some(seed), ..Default::default() });
        let address = api.proxy("p", echo());
        api.ok("POST", "/proxies/p/toxics", r#"{"type":"timeout","toxicity":0.5}"#);
        hits(address, 30).0
    };
    assert_eq!(run(42), run(42));
    assert_ne!(run(42), run(43));
}

#[test]
fn a_failed_update_changes_nothing() {
    let api = Api::start();
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = holder.local_addr().expect("bound").to_string();
    let address = api.proxy("p", echo());
    let mut stream = connect(address);
    exchange(&mut stream, b"before");
    let before = api.call("GET", "/proxies/p", "").body;
    for listen in [taken.as_str(), "nohost", "127.0.0.1:99999", "203.0.113.1:1"] {
        let body = format!(r#"{{"listen":"{listen}","upstream":"other:1"}}"#);
        assert_eq!(api.call("POST", "/proxies/p", &body).status, 500, "{listen}");
        assert_eq!(api.call("POST", "/proxies/p", r#"{"upstream":1}"#).status, 400);
        assert_eq!(api.call("GET", "/proxies/p", "").body, before);
    }
    // An address whose port is its own but whose host is not to be had: its listener had to make room, and came back.
    let own = format!(r#"{{"listen":"203.0.113.1:{}"}}"#, address.port());
    assert_eq!(api.call("POST", "/proxies/p", &own).status, 500);
    assert_eq!(exchange(&mut stream, b"after"), b"after");
    assert_eq!(exchange(&mut connect(address), b"new"), b"new");
    // From one address to every address, on the same port: the old listener is in the way of the new one.
    let wide = api.ok("POST", "/proxies/p", &format!(r#"{{"listen":":{}"}}"#, address.port()));
    assert_eq!(wide["listen"], format!("[::]:{}", address.port()));
    assert_eq!(exchange(&mut connect(address), b"new"), b"new");
}

#[test]
fn disable_and_delete_free_the_port_by_the_time_they_reply() {
    let api = Api::start();
    let address = api.proxy("p", echo());
    let mut stream = connect(address);
    exchange(&mut stream, b"x");
    for _ in 0..20 {
        api.ok("POST", "/proxies/p", r#"{"enabled":false}"#);
        assert!(std::net::TcpStream::connect(address).is_err(), "still listening");
        api.ok("POST", "/proxies/p", r#"{"enabled":true}"#);
        exchange(&mut connect(address), b"x");
    }
    api.ok("DELETE", "/proxies/p", "");
    let body = serde_json::json!({"name": "p", "listen": address.to_string(), "upstream": "u:1"});
    api.ok("POST", "/proxies", &body.to_string());
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("proc").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaks_on_cut_connections() {
    let proxy = Proxy::start(fountain().to_string()).await.expect("a port");
    let address = proxy.address().expect("it listens");
    tokio::task::spawn_blocking(move || connect(address).read_exact(&mut [0; 1_000_000]))
        .await
        .expect("the client")
        .expect("data");
    eventually("the first has gone", || proxy.connections() == 0);
    let before = descriptors();
    proxy.add_toxic(Toxic::new(LimitData { bytes: 1_000 }, Stream::Downstream)).expect("new");
    for round in 0..2 {
        let clients = (0..50).map(|_| {
            tokio::task::spawn_blocking(move || {
                let mut stream = connect(address);
                if round == 0 {
                    // Cut by the toxic, in the middle of an answer.
                    let all = crate::common::read_to_end(&mut stream).expect("an orderly end");
                    assert_eq!(all.len(), 1_000);
                } else {
                    // Reset by the client, in the middle of a download.
                    stream.read_exact(&mut [0; 100_000]).expect("data");
                    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
                }
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.expect("the client");
        }
        proxy.clear_toxics();
    }
    eventually("all connections are gone", || proxy.connections() == 0);
    // The upstream's sockets are in this process too, and close when the proxy's do. A few empty pipes are kept for the next
    // flows; had the hundred connections leaked, it were hundreds.
    eventually("all descriptors are closed", || descriptors() <= before + 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_toxics_are_slow_but_work() {
    let proxy = Proxy::start(echo().to_string()).await.expect("a port");
    let address = proxy.address().expect("it listens");
    for n in 0..100_000 {
        let toxic = Toxic::new(Noop {}, Stream::ALL[n % 2]).named(format!("t{n}"));
        proxy.add_toxic(toxic).expect("new");
    }
    let latency = deadstick_proxy::Latency::default();
    for n in 0..1_000 {
        let toxic = Toxic::new(latency.clone(), Stream::ALL[n % 2]).named(format!("l{n}"));
        proxy.add_toxic(toxic).expect("new");
    }
    assert_eq!(proxy.toxics().len(), 101_000);
    let reply = tokio::task::spawn_blocking(move || exchange(&mut connect(address), b"through"));
    assert_eq!(reply.await.expect("the client"), b"through");
    proxy.clear_toxics();
    assert_eq!(proxy.toxics().len(), 0);
}

#[test]
fn huge_and_dripping_bodies_do_not_disturb_others() {
    let api = Api::start();
    let dripping: Vec<_> = (0..200)
        .map(|n| {
            let mut stream = connect(api.address);
            let head = "POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{";
            let part = if n % 2 == 0 { head } else { &head[..20] };
            stream.write_all(part.as_bytes()).expect("open");
            stream
        })
        .collect();
    let huge =
        format!(r#"{{"name":"p","upstream":"u:1","listen":"127.0.0.1:0","x":"{}"}}"#, "y".repeat(10_000_000));
    assert_eq!(api.call("POST", "/proxies", &huge).status, 201);
    let name = "n".repeat(1_000_000);
    let long = format!(r#"{{"name":"{name}","upstream":"u:1","listen":"127.0.0.1:0"}}"#);
    assert_eq!(api.call("POST", "/proxies", &long).status, 201);
    let deep = format!("{}{}", "[".repeat(5_000_000), "]".repeat(5_000_000));
    assert_eq!(api.call("POST", "/populate", &deep).status, 400);
    assert_eq!(api.call("POST", "/proxies", "{\"name\":\"\u{0}").status, 400);
    drop(dripping);
}
