//! Toxics that go beyond the original's.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use crate::common::{Api, connect, counted, echo, exchange, read_to_end, server};

#[test]
fn corrupt_changes_about_the_asked_share_of_bytes_and_nothing_else() {
    let api = Api::start();
    let address = api.proxy("p", echo());
    api.ok("POST", "/proxies/p/toxics", r#"{"type":"corrupt","attributes":{"rate":0.01}}"#);
    let sent = counted(50_000);
    let got = exchange(&mut connect(address), &sent);
    let changed = got.iter().zip(&sent).filter(|(a, b)| a != b).count();
    assert!((300..800).contains(&changed), "{changed} of 50000 at 1 %");
    api.ok("POST", "/proxies/p/toxics/corrupt_downstream", r#"{"attributes":{"rate":1}}"#);
    let got = exchange(&mut connect(address), &sent);
    assert!(got.iter().zip(&sent).all(|(a, b)| a != b));
}

#[test]
fn proxy_bandwidth_is_shared_by_all_connections() {
    let upstream = server(|mut stream| {
        // The whole answer may be more than anyone takes.
        let _sent = stream.write_all(&counted(10_000_000));
    });
    let api = Api::start();
    let address = api.proxy("p", upstream);
    api.ok("POST", "/proxies/p/toxics", r#"{"type":"proxy_bandwidth","attributes":{"rate":1000}}"#);
    let begin = Instant::now();
    let clients: Vec<_> = (0..4)
        .map(|_| std::thread::spawn(move || connect(address).read_exact(&mut [0; 100_000]).expect("data")))
        .collect();
    for client in clients {
        client.join().expect("the client");
    }
    // Four times 100 kB at 1000 kB/s for all; each by itself would have had it after a tenth of a second.
    assert!(begin.elapsed() >= Duration::from_millis(390), "{:?}", begin.elapsed());
}

#[test]
fn connecting_is_slow_or_fails_as_asked() {
    let api = Api::start();
    let address = api.proxy("p", echo());
    let toxic = |attributes: &str| {
        api.ok("POST", "/reset", "");
        let body = format!(r#"{{"type":"connect","attributes":{{{attributes}}}}}"#);
        api.ok("POST", "/proxies/p/toxics", &body);
    };
    toxic(r#""delay":60"#);
    let begin = Instant::now();
    let mut stream = connect(address);
    exchange(&mut stream, b"x");
    assert!(begin.elapsed() >= Duration::from_millis(60));
    let begin = Instant::now();
    toxic(r#""failure":"close""#);
    assert_eq!(exchange(&mut stream, b"established"), b"established");
    assert_eq!(read_to_end(&mut connect(address)), Ok(Vec::new()));
    toxic(r#""failure":"reset","delay":5"#);
    assert_eq!(read_to_end(&mut connect(address)), Err(ErrorKind::ConnectionReset));
    toxic(r#""failure":"hang""#);
    let mut hanging = connect(address);
    hanging.write_all(b"x").expect("accepted");
    hanging.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
    assert!(hanging.read(&mut [0; 1]).is_err());
    hanging.set_read_timeout(Some(crate::common::PATIENCE)).expect("a socket");
    api.ok("POST", "/reset", "");
    hanging.read_exact(&mut [0; 1]).expect("let through when the toxic goes");
    assert!(begin.elapsed() < crate::common::PATIENCE);
    let bad =
        api.call("POST", "/proxies/p/toxics", r#"{"type":"connect","attributes":{"failure":"explode"}}"#);
    assert_eq!(bad.status, 400);
}

#[test]
fn precise_delays_are_never_early_and_lose_nothing() {
    let precise = deadstick_proxy::Settings { precise: true, ..Default::default() };
    let api = Api::with(precise);
    let address = api.proxy("p", echo());
    for stream in ["upstream", "downstream"] {
        let body = format!(r#"{{"type":"latency","stream":"{stream}","attributes":{{"latency":2}}}}"#);
        api.ok("POST", "/proxies/p/toxics", &body);
    }
    api.ok("POST", "/proxies/p/toxics", r#"{"type":"connect","attributes":{"delay":3}}"#);
    let mut clients: Vec<_> = (0..3).map(|_| connect(address)).collect();
    for stream in &mut clients {
        for round in 0..20 {
            let data = counted(1 + round * 500);
            let begin = Instant::now();
            assert_eq!(exchange(stream, &data), data);
            assert!(begin.elapsed() >= Duration::from_millis(4), "early: {:?}", begin.elapsed());
        }
    }
}

/// A server of one kind of reply: the body says the path, with keep-alive; `/chunked` in chunks, `/ws` upgrades and sends frames.
fn web() -> std::net::SocketAddr {
    server(|mut stream| {
        let mut head = Vec::new();
        let mut byte = [0];
        while let Ok(1) = stream.read(&mut byte) {
            head.push(byte[0]);
            if !head.ends_with(b"\r\n\r\n") {
                continue;
            }
            let text = String::from_utf8(std::mem::take(&mut head)).expect("text");
            let path = text.split(' ').nth(1).expect("a path").to_owned();
            let reply = match path.as_str() {
                "/chunked" => {
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_owned()
                }
                "/ws" => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_owned(),
                _ => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len()),
            };
            let mut open = stream.write_all(reply.as_bytes()).is_ok();
            while path == "/ws" && open {
                // A text frame of 300 bytes, in two parts.
                open = stream.write_all(&[0x81, 126, 1]).is_ok();
                std::thread::sleep(Duration::from_millis(1));
                open = open && stream.write_all(&[44]).is_ok() && stream.write_all(&[b'x'; 300]).is_ok();
            }
            if !open {
                return;
            }
        }
    })
}

/// Reads one reply with a body of known length from a connection that stays open.
fn get(stream: &mut std::net::TcpStream, path: &str, body: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("open");
    let mut reply = Vec::new();
    let mut byte = [0];
    while !reply.ends_with(format!("\r\n\r\n{body}").as_bytes()) {
        stream.read_exact(&mut byte).expect("more of the reply");
        reply.push(byte[0]);
    }
    String::from_utf8(reply).expect("text")
}

#[test]
fn http_changes_the_replies_to_matching_requests_and_no_others() {
    let api = Api::start();
    let address = api.proxy("p", web());
    api.ok(
        "POST",
        "/proxies/p/toxics",
        r#"{"type":"http","attributes":{"method":"GET","path":"/bad","status":503,"header":"Retry-After: 7","delay":50}}"#,
    );
    let mut stream = connect(address);
    for _ in 0..2 {
        assert!(get(&mut stream, "/good", "/good").starts_with("HTTP/1.1 200 OK\r\n"));
        let begin = Instant::now();
        let bad = get(&mut stream, "/bad/1", "/bad/1");
        assert!(
            bad.starts_with("HTTP/1.1 503 deadstick\r\nRetry-After: 7\r\nContent-Length: 6\r\n"),
            "{bad}"
        );
        assert!(begin.elapsed() >= Duration::from_millis(50));
        let chunked = get(&mut stream, "/chunked", "3\r\nabc\r\n0\r\n\r\n");
        assert!(chunked.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    api.ok("DELETE", "/proxies/p/toxics/http_downstream", "");
    assert!(get(&mut stream, "/bad", "/bad").starts_with("HTTP/1.1 200 OK\r\n"));
    // What is not HTTP passes as it is.
    let plain = api.proxy("q", echo());
    api.ok("POST", "/proxies/q/toxics", r#"{"type":"http","attributes":{"status":503}}"#);
    assert_eq!(exchange(&mut connect(plain), b"\x16\x03\x01 no http"), b"\x16\x03\x01 no http");
}

#[test]
fn a_websocket_dies_the_four_deaths() {
    let api = Api::start();
    let address = api.proxy("p", web());
    let upgrade = || {
        let mut stream = connect(address);
        stream.write_all(b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n").expect("open");
        stream
    };
    // Its stream does not matter.
    let toxic = |stream: &str, attributes: &str| {
        api.ok("POST", "/reset", "");
        let body = format!(r#"{{"type":"websocket","stream":"{stream}","attributes":{{{attributes}}}}}"#);
        api.ok("POST", "/proxies/p/toxics", &body);
    };
    toxic("upstream", r#""death":"refuse""#);
    assert!(get(&mut connect(address), "/page", "/page").starts_with("HTTP/1.1 200"), "no socket, no death");
    let refused = read_to_end(&mut upgrade()).expect("an orderly end");
    assert!(refused.starts_with(b"HTTP/1.1 403 Forbidden\r\n"));

    let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".len();
    toxic("downstream", r#""death":"close","after":20,"spread":30,"code":1012"#);
    let closed = read_to_end(&mut upgrade()).expect("an orderly end");
    let frames = &closed[head..closed.len() - 4];
    assert!(!frames.is_empty() && frames.len().is_multiple_of(304), "between two frames, not within one");
    assert_eq!(closed[closed.len() - 4..], [0x88, 2, 3, 244]);

    toxic("upstream", r#""death":"cut","after":20"#);
    let cut = read_to_end(&mut upgrade()).expect("an end");
    assert_ne!(cut[cut.len() - 4..], [0x88, 2, 3, 233]);

    toxic("downstream", r#""death":"silence","after":20"#);
    let mut silent = upgrade();
    silent.set_read_timeout(Some(Duration::from_millis(300))).expect("a socket");
    let mut all = Vec::new();
    let end = silent.read_to_end(&mut all).expect_err("neither data nor end");
    assert!(matches!(end.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    assert!(all.len() > head);
}

#[test]
fn a_toxic_of_both_streams_hits_both_or_neither() {
    let api = Api::start();
    let address = api.proxy("p", echo());
    let mut streams: Vec<_> = (0..30).map(|_| connect(address)).collect();
    for stream in &mut streams {
        exchange(stream, b"x");
    }
    api.ok("POST", "/proxies/p/toxics", r#"{"type":"half_open","toxicity":0.5}"#);
    let mut silent = Vec::new();
    for stream in &mut streams {
        stream.write_all(b"y").expect("open");
        stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket");
        silent.push(stream.read(&mut [0]).is_err());
    }
    // Decided twice, a quarter would answer and the rest lose a direction.
    let count = silent.iter().filter(|silent| **silent).count();
    assert!((4..=26).contains(&count), "{count} of 30");
    api.ok("POST", "/reset", "");
    for (stream, silent) in streams.iter_mut().zip(silent) {
        stream.set_read_timeout(Some(crate::common::PATIENCE)).expect("a socket");
        if silent {
            stream.read_exact(&mut [0]).expect("held, not lost");
        }
        assert_eq!(exchange(stream, b"z"), b"z");
    }
}

/// A UDP server that sends each datagram back.
fn udp_echo() -> std::net::SocketAddr {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("bound");
    std::thread::spawn(move || {
        let mut buffer = [0; 2_000];
        while let Ok((len, from)) = socket.recv_from(&mut buffer) {
            socket.send_to(&buffer[..len], from).expect("sent");
        }
    });
    address
}

/// What comes back for numbered datagrams: so many at least are waited for, and more of them for a while.
fn datagrams(to: std::net::SocketAddr, count: u8, least: usize) -> Vec<u8> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.connect(to).expect("an address");
    for number in 0..count {
        socket.send(&[number; 100]).expect("sent");
        std::thread::sleep(Duration::from_micros(300));
    }
    let mut numbers = Vec::new();
    let mut buffer = [0; 200];
    loop {
        let a_while = Duration::from_millis(400);
        let patience = if numbers.len() < least { crate::common::PATIENCE } else { a_while };
        socket.set_read_timeout(Some(patience)).expect("a socket");
        let Ok(len) = socket.recv(&mut buffer) else { return numbers };
        assert_eq!(len, 100, "datagrams stay whole");
        numbers.push(buffer[0]);
    }
}

#[test]
fn udp_datagrams_are_relayed_lost_delayed_duplicated_and_reordered() {
    let api = Api::start();
    let body = serde_json::json!({"name": "u", "listen": "127.0.0.1:0", "upstream": format!("udp://{}", udp_echo())});
    let proxy = api.ok("POST", "/proxies", &body.to_string());
    let address = proxy["listen"].as_str().expect("text").parse().expect("an address");
    let toxic = |body: &str| {
        api.ok("POST", "/reset", "");
        api.ok("POST", "/proxies/u/toxics", body);
    };
    let all: Vec<u8> = (0..100).collect();
    assert_eq!(datagrams(address, 100, 100), all);

    toxic(r#"{"type":"packet_loss","attributes":{"loss_rate":0.5}}"#);
    let some = datagrams(address, 100, 20);
    assert!((20..80).contains(&some.len()) && some.is_sorted(), "{some:?}");

    toxic(r#"{"type":"duplicate","attributes":{"share":1}}"#);
    let twice = datagrams(address, 100, 200);
    assert_eq!(twice, all.iter().flat_map(|number| [*number; 2]).collect::<Vec<u8>>());

    toxic(r#"{"type":"reorder","attributes":{"share":0.2,"delay":20}}"#);
    let mut mixed = datagrams(address, 100, 100);
    assert!(!mixed.is_sorted());
    mixed.sort_unstable();
    assert_eq!(mixed, all);

    toxic(r#"{"type":"latency","attributes":{"latency":60}}"#);
    let begin = Instant::now();
    assert_eq!(datagrams(address, 1, 1), [0]);
    assert!(begin.elapsed() >= Duration::from_millis(60));

    toxic(r#"{"type":"half_open"}"#);
    assert!(datagrams(address, 10, 0).is_empty());
    api.ok("POST", "/proxies/u", r#"{"enabled":false}"#);
    std::net::UdpSocket::bind(address).expect("the port is free");
}

/// What a TLS client that trusts the throw-away authority makes of a handshake.
fn handshake(api: &Api, address: std::net::SocketAddr) -> String {
    use rustls::pki_types::pem::PemObject;
    let pem = api.call("GET", "/tls/authority.pem", "").body;
    let authority = rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority).expect("an authority");
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "shop.example".try_into().expect("a name");
    let mut tls = rustls::ClientConnection::new(std::sync::Arc::new(config), name).expect("a client");
    let mut stream = connect(address);
    stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a socket");
    tls.complete_io(&mut stream).expect_err("no handshake succeeds").to_string()
}

#[test]
fn tls_handshakes_fail_as_asked() {
    let api = Api::start();
    let address = api.proxy("p", echo());
    let mut old = connect(address);
    exchange(&mut old, b"x");
    for (fault, wanted) in [("expired", "certificate expired"), ("untrusted", "UnknownIssuer")] {
        api.ok("POST", "/reset", "");
        api.ok(
            "POST",
            "/proxies/p/toxics",
            &format!(r#"{{"type":"tls","attributes":{{"fault":"{fault}"}}}}"#),
        );
        let error = handshake(&api, address);
        assert!(error.contains(wanted), "{fault}: {error}");
    }
    api.ok("POST", "/reset", "");
    api.ok("POST", "/proxies/p/toxics", r#"{"type":"tls","attributes":{"fault":"stalled"}}"#);
    let error = handshake(&api, address);
    assert!(error.contains("os error 11"), "no answer: {error}");
    assert_eq!(exchange(&mut old, b"connections that are open go on"), b"connections that are open go on");
}

#[test]
fn every_kind_can_be_named_in_a_file() {
    for name in deadstick_proxy::Kind::NAMES {
        let toxic =
            deadstick_proxy::Toxic::from_json(&serde_json::json!({"type": name, "stream": "upstream"}));
        let toxic = toxic.expect("a toxic");
        assert_eq!((toxic.kind.name(), toxic.name), (*name, format!("{name}_upstream")));
    }
    let bad = |value| deadstick_proxy::Toxic::from_json(&value).expect_err("no toxic").to_string();
    assert_eq!(bad(serde_json::json!({"type": "latencie"})), "invalid toxic type");
    assert_eq!(
        bad(serde_json::json!({"type": "latency", "attributes": {"latency": "1"}})),
        "json: cannot unmarshal string into field latency of type int64"
    );
}
