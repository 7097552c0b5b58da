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
