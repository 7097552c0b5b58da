//! What happens to bytes and endings of real connections, with and without toxics.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{black_hole, connect, counted, echo, eventually, exchange, read_to_end, request, server};
use deadstick_proxy::{
    Bandwidth, HalfOpen, Kind, Latency, LimitData, Noop, Proxy, ResetPeer, Slicer, Stream, Timeout, Toxic,
    ToxicError,
};

async fn proxy_to(upstream: SocketAddr) -> (Proxy, SocketAddr) {
    let proxy = Proxy::start(upstream.to_string()).await.expect("a port");
    let address = proxy.address().expect("it listens");
    (proxy, address)
}

/// Runs a blocking client beside the proxy.
async fn client<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(run).await.expect("the client")
}

fn down(kind: impl Into<Kind>) -> Toxic {
    Toxic::new(kind, Stream::Downstream)
}

fn up(kind: impl Into<Kind>) -> Toxic {
    Toxic::new(kind, Stream::Upstream)
}

#[tokio::test(flavor = "multi_thread")]
async fn half_close_passes_through_both_ways() {
    // The reply is written only after the request has ended.
    let upstream = server(|mut stream| {
        let mut request = Vec::new();
        stream.read_to_end(&mut request).expect("a request");
        stream.write_all(&request).expect("a reply");
    });
    let (proxy, address) = proxy_to(upstream).await;
    for toxics in 0..2 {
        if toxics == 1 {
            proxy.add_toxic(down(Latency { latency: 5, jitter: 0 })).expect("new");
            proxy.add_toxic(up(Latency { latency: 5, jitter: 0 })).expect("new");
        }
        let data = counted(300_000);
        let sent = data.clone();
        let reply = client(move || request(&mut connect(address), &sent)).await;
        assert_eq!(reply, data);
    }
    eventually("all connections end", || proxy.connections() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_and_chatter_alternate_without_losing_a_byte() {
    let (proxy, address) = proxy_to(echo()).await;
    client(move || {
        let mut stream = connect(address);
        for round in 0..4 {
            assert_eq!(exchange(&mut stream, b"small"), b"small");
            let data = counted(3_000_000 + round);
            let mut writer = stream.try_clone().expect("a socket");
            let sent = data.clone();
            let writing = thread::spawn(move || writer.write_all(&sent));
            let mut got = vec![0; data.len()];
            stream.read_exact(&mut got).expect("all of it");
            writing.join().expect("the writer").expect("all taken");
            assert!(got == data, "round {round}: bytes differ");
        }
    })
    .await;
    let series = proxy.series();
    let counter = &series[0].traffic.0[Stream::Upstream as usize];
    let received = counter.received.load(std::sync::atomic::Ordering::Relaxed);
    let sent = counter.sent.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!((received, sent), (12_000_026, 12_000_026));
}

#[tokio::test(flavor = "multi_thread")]
async fn toxics_come_and_go_under_load_and_nothing_is_lost_or_reordered() {
    let (proxy, address) = proxy_to(echo()).await;
    let data = counted(40_000_000);
    let traffic = client_transfer(address, data.clone());
    let mut rounds = 0_u32;
    while !traffic.is_finished() {
        let kinds: [Kind; 4] = [
            Latency { latency: 1, jitter: 1 }.into(),
            Slicer { average_size: 20_000, size_variation: 10_000, delay: 10 }.into(),
            Bandwidth { rate: 200_000 }.into(),
            Bandwidth { rate: 0 }.into(),
        ];
        let kind = kinds[rounds as usize % kinds.len()].clone();
        let stream = Stream::ALL[rounds as usize / 2 % 2];
        proxy.add_toxic(Toxic::new(kind, stream).named("t")).expect("new");
        tokio::time::sleep(Duration::from_millis(3)).await;
        proxy.remove_toxic("t").expect("it is there");
        rounds += 1;
    }
    let got = traffic.join().expect("the client");
    assert!(got == data, "bytes differ after {rounds} rounds");
    assert!(rounds > 3, "the transfer was over before toxics could matter");
}

fn client_transfer(address: SocketAddr, data: Vec<u8>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut stream = connect(address);
        let mut writer = stream.try_clone().expect("a socket");
        let len = data.len();
        let writing = thread::spawn(move || writer.write_all(&data));
        let mut got = vec![0; len];
        stream.read_exact(&mut got).expect("all of it");
        writing.join().expect("the writer").expect("all taken");
        got
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_five_thousand_two_byte_messages_survive_flapping_latency() {
    let (proxy, address) = proxy_to(echo()).await;
    let traffic = thread::spawn(move || {
        let mut stream = connect(address);
        let mut writer = stream.try_clone().expect("a socket");
        let writing = thread::spawn(move || {
            for n in 0..=u16::MAX {
                writer.write_all(&n.to_be_bytes()).expect("it takes data");
            }
        });
        let mut pair = [0; 2];
        for n in 0..=u16::MAX {
            stream.read_exact(&mut pair).expect("an answer");
            assert_eq!(u16::from_be_bytes(pair), n);
        }
        writing.join().expect("the writer");
    });
    while !traffic.is_finished() {
        proxy.add_toxic(up(Latency { latency: 10, jitter: 0 })).expect("new");
        tokio::task::yield_now().await;
        proxy.remove_toxic("latency_upstream").expect("it is there");
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    traffic.join().expect("the client");
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_delays_each_way_and_is_never_early() {
    let (proxy, address) = proxy_to(echo()).await;
    proxy.add_toxic(up(Latency { latency: 20, jitter: 0 })).expect("new");
    proxy.add_toxic(down(Latency { latency: 30, jitter: 0 })).expect("new");
    let took = client(move || {
        let mut stream = connect(address);
        let start = Instant::now();
        exchange(&mut stream, b"x");
        start.elapsed()
    })
    .await;
    assert!(took >= Duration::from_millis(50), "early: {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reset_peer_resets_both_sides_even_of_a_connection_older_than_the_toxic() {
    for stream in Stream::ALL {
        let (ended, endings) = std::sync::mpsc::channel();
        let upstream = server(move |mut stream| {
            let mut byte = [0; 1];
            let ending = loop {
                match stream.read(&mut byte) {
                    Ok(0) => break None,
                    Ok(_) => stream.write_all(&byte).expect("open"),
                    Err(error) => break Some(error.kind()),
                }
            };
            ended.send(ending).expect("the test waits");
        });
        let (proxy, address) = proxy_to(upstream).await;
        let mut old = client(move || {
            let mut stream = connect(address);
            exchange(&mut stream, b"x");
            stream
        })
        .await;
        proxy.add_toxic(Toxic::new(ResetPeer { timeout: 20 }, stream)).expect("new");
        let (ending, seen) = client(move || {
            old.write_all(b"y").expect("open");
            let ending = read_to_end(&mut old);
            (ending, endings.recv_timeout(crate::common::PATIENCE).expect("the server"))
        })
        .await;
        assert!(ending == Err(ErrorKind::ConnectionReset), "the client saw {ending:?}");
        assert_eq!(seen, Some(ErrorKind::ConnectionReset), "what the server saw, {stream}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_sees_a_reset() {
    // A server that sends more than anyone reads, and never reads: the worst case for an orderly close.
    let upstream = server(|mut stream| {
        stream.write_all(&counted(100_000)).expect("open");
        thread::sleep(Duration::from_millis(300));
    });
    let (proxy, address) = proxy_to(upstream).await;
    let spared = down(ResetPeer { timeout: 0 }).named("spared").toxicity(0.0);
    proxy.add_toxic(spared).expect("new");
    proxy.add_toxic(down(LimitData { bytes: 1_000 })).expect("new");
    let got = client(move || {
        let mut stream = connect(address);
        stream.write_all(&counted(50_000)).expect("open");
        read_to_end(&mut stream)
    })
    .await;
    assert_eq!(got, Ok(counted(1_000)));

    proxy.clear_toxics();
    let (open, _server) = (address, ());
    let waiting = thread::spawn(move || {
        let mut stream = connect(open);
        stream.write_all(&counted(50_000)).expect("open");
        thread::sleep(Duration::from_millis(50));
        read_to_end(&mut stream)
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    proxy.disable().await;
    let end = client(|| waiting.join().expect("the client")).await;
    assert!(end.is_ok(), "disable ended with {end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_upstream_is_an_orderly_end_for_the_client() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("bound")
    };
    let (_proxy, address) = proxy_to(closed).await;
    let end = client(move || {
        let mut stream = connect(address);
        stream.write_all(b"a request that nobody will read").expect("accepted");
        read_to_end(&mut stream)
    })
    .await;
    assert_eq!(end, Ok(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_dial_blocks_neither_other_clients_nor_disable() {
    let (hole, _fill, _socket) = client(black_hole).await;
    let (proxy, address) = proxy_to(hole).await;
    let mut waiting = client(move || (0..3).map(|_| connect(address)).collect::<Vec<_>>()).await;
    eventually("all are accepted", || proxy.connections() == 3);
    proxy.disable().await;
    client(move || {
        for stream in &mut waiting {
            assert_eq!(read_to_end(stream), Ok(Vec::new()));
        }
    })
    .await;
    eventually("nothing is left", || proxy.connections() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn timeout_swallows_then_closes_and_closes_when_removed() {
    let (proxy, address) = proxy_to(echo()).await;
    proxy.add_toxic(up(Timeout { timeout: 50 })).expect("new");
    let end = client(move || {
        let mut stream = connect(address);
        stream.write_all(b"into the void").expect("open");
        read_to_end(&mut stream)
    })
    .await;
    assert_eq!(end, Ok(Vec::new()));

    proxy.clear_toxics();
    proxy.add_toxic(down(Timeout { timeout: 0 })).expect("new");
    let waiting = thread::spawn(move || {
        let mut stream = connect(address);
        stream.write_all(b"x").expect("open");
        read_to_end(&mut stream)
    });
    eventually("it is connected", || proxy.connections() == 1);
    tokio::time::sleep(Duration::from_millis(50)).await;
    proxy.remove_toxic("timeout_downstream").expect("it is there");
    assert_eq!(client(|| waiting.join().expect("the client")).await, Ok(Vec::new()));
    eventually("nothing is left", || proxy.connections() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_stops_everything_and_loses_nothing() {
    let (proxy, address) = proxy_to(echo()).await;
    let mut stream = client(move || {
        let mut stream = connect(address);
        exchange(&mut stream, b"before");
        stream
    })
    .await;
    proxy.add_toxic(up(HalfOpen {})).expect("new");
    let mut stream = client(move || {
        stream.write_all(b"during").expect("the kernel takes it");
        stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket");
        let error = stream.read(&mut [0; 1]).expect_err("silence");
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        stream.set_read_timeout(Some(crate::common::PATIENCE)).expect("a socket");
        stream
    })
    .await;
    assert_eq!(proxy.connections(), 1);
    proxy.clear_toxics();
    let after = client(move || {
        let mut during = [0; 6];
        stream.read_exact(&mut during).expect("it was only held");
        stream.shutdown(Shutdown::Write).expect("open");
        (during, read_to_end(&mut stream))
    })
    .await;
    assert_eq!(after, (*b"during", Ok(Vec::new())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_resets_while_everything_is_held_leaves_nothing_behind() {
    let upstream = server(|mut stream| {
        // Ends by error, once the proxy closes.
        while stream.write_all(&counted(100_000)).is_ok() {}
    });
    let (proxy, address) = proxy_to(upstream).await;
    proxy.add_toxic(up(Bandwidth { rate: 0 })).expect("new");
    proxy.add_toxic(down(Bandwidth { rate: 0 })).expect("new");
    client(move || {
        for _ in 0..20 {
            let mut stream = connect(address);
            stream.write_all(&counted(1_000_000)[..400_000]).expect("room in the buffers");
            thread::sleep(Duration::from_millis(5));
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
        }
    })
    .await;
    eventually("nothing is left", || proxy.connections() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_unique_and_a_noop_is_nothing() {
    let (proxy, address) = proxy_to(echo()).await;
    proxy.add_toxic(up(Noop {}).named("n")).expect("new");
    assert_eq!(proxy.add_toxic(down(Noop {}).named("n")), Err(ToxicError::Exists));
    assert_eq!(proxy.remove_toxic("m"), Err(ToxicError::NotFound));
    let reply = client(move || exchange(&mut connect(address), b"hello")).await;
    assert_eq!(reply, b"hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_given_listener_is_served_and_dropping_the_proxy_closes_everything() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let proxy = Proxy::builder("given", echo().to_string())
        .listener(listener)
        .start()
        .await
        .expect("it is a listener");
    assert_eq!(proxy.address(), Some(address));
    let mut stream = client(move || {
        let mut stream = connect(address);
        exchange(&mut stream, b"hello");
        stream
    })
    .await;
    drop(proxy);
    assert_eq!(client(move || read_to_end(&mut stream)).await, Ok(Vec::new()));
    eventually("the port is free", || std::net::TcpListener::bind(address).is_ok());
}
