//! Listen addresses: reading them, binding them, and saying what went wrong in the words clients look for.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::net::{TcpListener, UdpSocket, lookup_host};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// How long the name in a listen address may take to be found: calls wait for it, and clients give calls five seconds.
const LOOKUP: Duration = Duration::from_secs(4);

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The text is not an address.
    #[error("listen {network}: {reason}")]
    Address {
        /// `tcp` or `udp`.
        network: &'static str,
        /// What is wrong with it, with the text.
        reason: String,
    },
    /// The system refuses.
    #[error("listen {network} {address}: {call}: {}", plain(source))]
    Refused {
        /// `tcp` or `udp`.
        network: &'static str,
        /// What was to be bound.
        address: SocketAddr,
        /// The call that failed.
        call: &'static str,
        /// Its answer.
        source: io::Error,
    },
}

/// The system's words for an error, as C programs print them, without Rust's number behind.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

impl ListenError {
    /// Whether the address is taken.
    pub(crate) fn is_in_use(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if source.kind() == io::ErrorKind::AddrInUse)
    }
}

/// Reads a listen address. An empty host, `0.0.0.0` and an empty text mean every interface (`[::]`, both families).
pub(crate) async fn resolve(text: &str, network: &'static str) -> Result<SocketAddr, ListenError> {
    let wrong = |reason: String| ListenError::Address { network, reason };
    if text.is_empty() {
        return Ok(everywhere(0));
    }
    let (host, port) = split(text).map_err(|what| wrong(format!("address {text}: {what}")))?;
    let number: i64 = port.parse().map_err(|_| wrong(format!("lookup {network}/{port}: unknown port")))?;
    let port = u16::try_from(number).map_err(|_| wrong(format!("address {port}: invalid port")))?;
    if host.is_empty() {
        return Ok(everywhere(port));
    }
    let ip = match host.parse::<IpAddr>() {
        Ok(ip) => ip,
        Err(_) => {
            let found = tokio::time::timeout(LOOKUP, lookup_host((host, port)))
                .await
                .map_err(|_| wrong(format!("lookup {host}: i/o timeout")))?;
            let mut found: Vec<SocketAddr> = found.into_iter().flatten().collect();
            found.sort_by_key(SocketAddr::is_ipv6);
            found.first().map(SocketAddr::ip).ok_or_else(|| wrong(format!("lookup {host}: no such host")))?
        }
    };
    if ip == IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
        return Ok(everywhere(port));
    }
    Ok(SocketAddr::new(ip, port))
}

fn everywhere(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)
}

fn split(text: &str) -> Result<(&str, &str), &'static str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("missing ']' in address")?;
            (host, rest.strip_prefix(':').ok_or("missing port in address")?)
        }
        None => {
            let (host, port) = text.rsplit_once(':').ok_or("missing port in address")?;
            if host.contains(':') {
                return Err("too many colons in address");
            }
            (host, port)
        }
    };
    // A number alone after the colon may be empty: any port.
    Ok((host, if port.is_empty() { "0" } else { port }))
}

/// Listens on `address`. `[::]` takes both families, or IPv4 alone where the kernel has no IPv6.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    match bind_exactly(address) {
        Err(ListenError::Refused { call: "socket", .. }) if address == everywhere(address.port()) => {
            bind_exactly(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port()))
        }
        outcome => outcome,
    }
}

fn bind_exactly(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let refused = |call| move |source| ListenError::Refused { network: "tcp", address, call, source };
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP)).map_err(refused("socket"))?;
    if domain == Domain::IPV6 {
        let only = !address.ip().is_unspecified();
        socket.set_only_v6(only).map_err(refused("setsockopt"))?;
    }
    // The port is free again as soon as nobody listens, whatever connections remember it.
    socket.set_reuse_address(true).map_err(refused("setsockopt"))?;
    socket.bind(&SockAddr::from(address)).map_err(refused("bind"))?;
    prepare(&SockRef::from(&socket)).map_err(refused("setsockopt"))?;
    socket.listen(BACKLOG).map_err(refused("listen"))?;
    socket.set_nonblocking(true).map_err(refused("fcntl"))?;
    TcpListener::from_std(socket.into()).map_err(refused("epoll"))
}

/// Small messages at once, and dead peers noticed in the end: what clients of the original are used to. Set on a listener,
/// it holds for every connection it lets in.
pub(crate) fn prepare(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(true)
}

/// A UDP socket on `address`. `[::]` takes both families.
pub(crate) fn bind_udp(address: SocketAddr) -> Result<UdpSocket, ListenError> {
    let refused = |call| move |source| ListenError::Refused { network: "udp", address, call, source };
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP)).map_err(refused("socket"))?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(!address.ip().is_unspecified()).map_err(refused("setsockopt"))?;
    }
    socket.bind(&SockAddr::from(address)).map_err(refused("bind"))?;
    socket.set_nonblocking(true).map_err(refused("fcntl"))?;
    UdpSocket::from_std(socket.into()).map_err(refused("epoll"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &str) -> String {
        match resolve(text, "tcp").await {
            Ok(address) => address.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn addresses_are_read_as_the_contract_says() {
        assert_eq!(read("").await, "[::]:0");
        assert_eq!(read(":81").await, "[::]:81");
        assert_eq!(read("0.0.0.0:81").await, "[::]:81");
        assert_eq!(read("localhost:81").await, "127.0.0.1:81");
        assert_eq!(read("[::1]:81").await, "[::1]:81");
        assert_eq!(read("nohost").await, "listen tcp: address nohost: missing port in address");
        assert_eq!(read("localhost:99999").await, "listen tcp: address 99999: invalid port");
        assert_eq!(read("localhost:-1").await, "listen tcp: address -1: invalid port");
        assert_eq!(read("localhost:x").await, "listen tcp: lookup tcp/x: unknown port");
        assert_eq!(read("1:2:3").await, "listen tcp: address 1:2:3: too many colons in address");
    }

    #[tokio::test]
    async fn who_is_let_in_has_the_options_of_the_listener() {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let _client = tokio::net::TcpStream::connect(address).await.expect("it listens");
        let (stream, _) = listener.accept().await.expect("a client");
        assert!(stream.nodelay().expect("an option"));
        assert!(SockRef::from(&stream).keepalive().expect("an option"));
    }

    #[tokio::test]
    async fn a_taken_port_is_refused_in_the_words_clients_look_for() {
        let first = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = first.local_addr().expect("bound");
        let error = bind(address).expect_err("the port is taken");
        assert_eq!(error.to_string(), format!("listen tcp {address}: bind: address already in use"));
        assert!(error.is_in_use());
    }
}
