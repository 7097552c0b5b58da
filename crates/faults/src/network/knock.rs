//! Traffic made only to be chosen by rules and hurt by classes. It runs in the network of the calling thread.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::kernel::KernelError;

/// Bytes of one datagram: a packet that fills a frame well.
const SIZE: usize = 1_200;
/// Connections tried at once, for the answers they bring.
const CONNECTIONS: usize = 8;

fn call(doing: &'static str) -> impl Fn(io::Error) -> KernelError {
    move |source| KernelError::Call { doing, source }
}

/// Sends datagrams to a peer, and begins connections to it that are given up after a while.
pub(crate) fn knock(peer: SocketAddr, datagrams: u32, patience: Duration) -> Result<(), KernelError> {
    let any = if peer.is_ipv4() {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
    } else {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
    };
    let deadline = Instant::now() + patience;
    let socket = UdpSocket::bind(any).map_err(call("open a socket to knock with"))?;
    let mut begun = Vec::new();
    for _ in 0..CONNECTIONS {
        let connection = Socket::new(Domain::for_address(peer), Type::STREAM, Some(Protocol::TCP))
            .map_err(call("open a socket to knock with"))?;
        connection.set_nonblocking(true).map_err(call("make a socket not wait"))?;
        // In progress, or without a way there: what was sent is seen in the counters.
        drop(connection.connect(&peer.into()));
        begun.push(connection);
    }
    for _ in 0..datagrams {
        // A full queue, or a refusal that came back: the next one may pass.
        drop(socket.send_to(&[0; SIZE], peer));
    }
    std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
    Ok(())
}
