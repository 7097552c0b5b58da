//! The crate `toxiproxy_rust`, unmodified, through everything it offers.
//!
//!     rust-client API UPSTREAM

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use toxiproxy_rust::client::Client;
use toxiproxy_rust::proxy::ProxyPack;

fn round_trip(listen: &str) -> Result<Duration, std::io::Error> {
    let begin = Instant::now();
    let mut stream = TcpStream::connect(listen)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(b"ping")?;
    stream.read_exact(&mut [0; 4])?;
    Ok(begin.elapsed())
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let client = Client::new(arguments[1].as_str());
    let upstream = &arguments[2];
    assert!(client.is_running());
    assert!(client.version().expect("a version").contains("version"));
    assert!(client.populate(Vec::new()).expect("an empty populate").is_empty());
    let pack = ProxyPack::new("rust".into(), "localhost:0".into(), upstream.clone());
    let proxies = client.populate(vec![pack]).expect("populated");
    let proxy = &proxies[0];
    let listen = proxy.proxy_pack.listen.clone();
    round_trip(&listen).expect("it answers");

    let down = "downstream";
    proxy.with_latency(down.into(), 60, 0, 1.0).apply(|| {
        assert!(round_trip(&listen).expect("it answers") >= Duration::from_millis(60));
        assert_eq!(proxy.toxics().expect("toxics").len(), 1);
    }).expect("applied and taken away");
    assert!(proxy.toxics().expect("toxics").is_empty());
    proxy
        .with_bandwidth(down.into(), 1_000, 1.0)
        .with_slow_close(down.into(), 1, 1.0)
        .with_slicer(down.into(), 2, 1, 10, 1.0)
        .with_limit_data(down.into(), 1_000, 1.0)
        .with_timeout("upstream".into(), 10_000, 0.0);
    assert_eq!(proxy.toxics().expect("toxics").len(), 5);
    round_trip(&listen).expect("it answers");
    proxy.delete_all_toxics().expect("deleted");

    proxy.with_down(|| {
        assert!(round_trip(&listen).is_err());
    }).expect("down and up again");
    round_trip(&listen).expect("it answers");
    proxy.disable().expect("disabled");
    client.reset().expect("reset");
    round_trip(&listen).expect("it answers");
    assert!(client.find_and_reset_proxy("rust").is_ok());
    assert!(client.find_proxy("none").is_err());
    proxy.delete().expect("deleted");
    assert!(client.all().expect("all").is_empty());
}
