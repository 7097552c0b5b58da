//! TCP probes: open, closed, and silent ports.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use deadstick_core::probe::Answer::{Satisfied, Unknown, Unsatisfied};
use deadstick_core::probe::{Observation, Probe, TcpProbe};
use deadstick_core::units::HumanDuration;
use deadstick_probes::{Context, Prober};
use socket2::{Domain, Socket, Type};

async fn ask(address: impl Into<String>, timeout_ms: u64) -> Observation {
    let probe = TcpProbe { address: address.into(), timeout: HumanDuration::millis(timeout_ms) };
    Prober::new().expect("a client").ask(&Probe::Tcp(probe), &Context::default()).await
}

#[tokio::test]
async fn open_and_closed_ports_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let address = listener.local_addr().expect("a bound socket");
    let seen = ask(address.to_string(), 5000).await;
    assert_eq!((seen.answer, seen.value.as_deref()), (Satisfied, Some("open")), "{seen:?}");
    // By name: at least one of its addresses accepts.
    assert_eq!(ask(format!("localhost:{}", address.port()), 5000).await.answer, Satisfied);
    drop(listener);
    let seen = ask(address.to_string(), 5000).await;
    assert_eq!((seen.answer, seen.value.as_deref()), (Unsatisfied, Some("refused")), "{seen:?}");
}

#[tokio::test]
async fn a_full_backlog_is_silence() {
    // Backlog 0 holds one connection; the kernel drops what comes next without a word.
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a loopback port");
    listener.listen(0).expect("a listening socket");
    let address = listener.local_addr().ok().and_then(|a| a.as_socket()).expect("a bound socket");
    let _first = std::net::TcpStream::connect(address).expect("the one place in the backlog");
    let seen = ask(address.to_string(), 300).await;
    assert_eq!(seen.answer, Unknown, "{seen:?}");
    assert_eq!(seen.detail, "no answer within 300ms");
    assert!(seen.took >= Duration::from_millis(300), "{seen:?}");
}

#[tokio::test]
async fn what_cannot_be_asked_is_unknown() {
    for address in ["", "127.0.0.1", "127.0.0.1:99999", "no-such-host.invalid:80", ":::"] {
        let seen = ask(address, 20_000).await;
        assert_eq!(seen.answer, Unknown, "{address}: {seen:?}");
    }
}
