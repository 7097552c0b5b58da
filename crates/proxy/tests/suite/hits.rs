//! `Proxy::hits`: what a drill takes as proof that a toxic landed must count what it acted on, and nothing else.

use std::io::{Read, Write};
use std::net::SocketAddr;

use crate::common::{connect, echo, eventually, exchange, server};
use deadstick_proxy::{
    ConnectToxic, HalfOpen, Http, Kind, Latency, Noop, Proxy, Stream, Toxic, ToxicError, Websocket,
};

/// A proxy to `upstream` in a runtime of its own.
fn proxy_to(upstream: SocketAddr) -> (tokio::runtime::Runtime, Proxy, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let proxy = runtime.block_on(Proxy::start(upstream.to_string())).expect("a port");
    let address = proxy.address().expect("it listens");
    (runtime, proxy, address)
}

fn add(proxy: &Proxy, name: &str, kind: impl Into<Kind>) {
    proxy.add_toxic(Toxic::new(kind, Stream::Downstream).named(name)).expect("a new name");
}

#[test]
fn each_stream_of_a_connection_counts_once_however_much_passes() {
    let (_runtime, proxy, address) = proxy_to(echo());
    assert_eq!(proxy.hits("late"), None, "no such toxic");
    add(&proxy, "late", Latency { latency: 1, jitter: 0 });
    assert_eq!(proxy.hits("late"), Some(0), "nobody has connected");
    let mut first = connect(address);
    for _ in 0..3 {
        exchange(&mut first, b"x");
    }
    assert_eq!(proxy.hits("late"), Some(1));
    let later = |toxic: &Toxic| {
        let mut later = toxic.clone();
        later.kind = Latency { latency: 2, jitter: 0 }.into();
        Ok::<_, ToxicError>(later)
    };
    proxy.update_toxic("late", later).expect("it is there");
    exchange(&mut first, b"x");
    assert_eq!(proxy.hits("late"), Some(1), "the same connection");
    exchange(&mut connect(address), b"x");
    assert_eq!(proxy.hits("late"), Some(2));
    proxy.remove_toxic("late").expect("it is there");
    assert_eq!(proxy.hits("late"), None);
    eventually("the second connection is gone", || proxy.connections() == 1);
    add(&proxy, "late", Latency::default());
    eventually("it acts on the connection there is", || proxy.hits("late") == Some(1));
}

#[test]
fn the_spared_the_unborn_and_a_noop_count_nothing() {
    let (_runtime, proxy, address) = proxy_to(echo());
    proxy
        .add_toxic(Toxic::new(Latency::default(), Stream::Upstream).named("spares").toxicity(0.0))
        .expect("a new name");
    add(&proxy, "nothing", Noop {});
    add(&proxy, "elsewhere", Http { path: "/".to_owned(), status: 503, ..Http::default() });
    add(&proxy, "no-socket", Websocket::default());
    for _ in 0..5 {
        assert_eq!(exchange(&mut connect(address), b"not HTTP\n"), b"not HTTP\n");
    }
    for name in ["spares", "nothing", "elsewhere", "no-socket"] {
        assert_eq!(proxy.hits(name), Some(0), "{name}");
    }
}

#[test]
fn half_open_counts_both_streams_and_connect_the_connection() {
    let (_runtime, proxy, address) = proxy_to(echo());
    add(&proxy, "dial", ConnectToxic { delay: 1, ..ConnectToxic::default() });
    let mut stream = connect(address);
    exchange(&mut stream, b"x");
    assert_eq!(proxy.hits("dial"), Some(1));
    add(&proxy, "silent", HalfOpen {});
    eventually("both directions are silent", || proxy.hits("silent") == Some(2));
    assert_eq!(proxy.hits("dial"), Some(1));
}

#[test]
fn http_counts_replies_that_match() {
    let upstream = server(|mut stream| {
        let mut head = Vec::new();
        let mut byte = [0];
        while let Ok(1) = stream.read(&mut byte) {
            head.push(byte[0]);
            if head.ends_with(b"\r\n\r\n") {
                head.clear();
                let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                if stream.write_all(reply).is_err() {
                    return;
                }
            }
        }
    });
    let (_runtime, proxy, address) = proxy_to(upstream);
    add(&proxy, "bad", Http { path: "/bad".to_owned(), status: 503, ..Http::default() });
    let mut stream = connect(address);
    for (path, hits) in [("/good", 0), ("/bad", 1), ("/good", 1), ("/bad/too", 2)] {
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("open");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("a reply");
            head.push(byte[0]);
        }
        assert_eq!(proxy.hits("bad"), Some(hits), "{path}");
    }
}
