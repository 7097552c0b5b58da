//! The responder's sockets on loopback of the target's network.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::time::Duration;

/// How often a free port is looked for that is free for both protocols.
const TRIES: usize = 50;
/// How long a datagram may take on loopback.
const ARRIVAL: Duration = Duration::from_secs(1);

/// The sockets, bound and not served yet.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// The same for all of them.
    pub(crate) port: u16,
    /// One for each family.
    pub(super) udp: Vec<UdpSocket>,
    /// Likewise.
    pub(super) tcp: Vec<TcpListener>,
}

impl Sockets {
    /// Binds them on loopback, in the network of the calling thread: by both protocols, for both families where there are
    /// two.
    pub(crate) fn bind() -> io::Result<Self> {
        let mut last = None;
        for _ in 0..TRIES {
            match Self::bind_once() {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = Some(error),
                other => return other,
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
    }

    fn bind_once() -> io::Result<Self> {
        let first = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = first.local_addr()?.port();
        is_reached(&first)?;
        let mut tcp = vec![TcpListener::bind((Ipv4Addr::LOCALHOST, port))?];
        let mut udp = vec![first];
        match UdpSocket::bind((Ipv6Addr::LOCALHOST, port)) {
            Ok(socket) => {
                udp.push(socket);
                tcp.push(TcpListener::bind((Ipv6Addr::LOCALHOST, port))?);
            }
            // A network without IPv6 asks nothing by it.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT)) => {}
            Err(error) => return Err(error),
        }
        udp.iter().try_for_each(|socket| socket.set_nonblocking(true))?;
        tcp.iter().try_for_each(|socket| socket.set_nonblocking(true))?;
        Ok(Self { port, udp, tcp })
    }
}

/// Whether what is sent to a socket on loopback arrives: the device may be down, or filtered.
fn is_reached(socket: &UdpSocket) -> io::Result<()> {
    let to = socket.local_addr()?;
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    sender.send_to(b"deadstick", to)?;
    socket.set_read_timeout(Some(ARRIVAL))?;
    let mut bytes = [0; 16];
    let unheard = |_| io::Error::new(io::ErrorKind::TimedOut, "what is sent there does not arrive");
    while socket.recv_from(&mut bytes).map_err(unheard)?.1 != sender.local_addr()? {}
    socket.set_read_timeout(None)
}
