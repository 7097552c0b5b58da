//! How a proxy reaches its upstream. Replaceable, for upstreams behind a mark, a namespace or a tunnel.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpStream, lookup_host};

/// A connection on its way.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// Opens connections to upstreams. Each connection of a proxy dials in its own task, so an implementation may take as
/// long as it likes; it is dropped when the client's connection is ended meanwhile.
pub trait Connect: fmt::Debug + Send + Sync + 'static {
    /// Starts connecting to `upstream`, which is the proxy's upstream as it was given.
    fn connect(&self, upstream: &str) -> Connecting;
}

/// Dials by name and port, each address in turn.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dialer {
    mark: Option<u32>,
}

impl Dialer {
    /// Marks every packet of the connections (`SO_MARK`), so that rules can tell them apart from the traffic they were
    /// redirected from. Needs `CAP_NET_ADMIN`: without it, every dial fails with "permission denied".
    #[must_use]
    pub fn mark(mut self, mark: u32) -> Self {
        self.mark = Some(mark);
        self
    }

    async fn dial(self, upstream: String) -> io::Result<TcpStream> {
        // An address without a host means this one.
        let upstream = match upstream.strip_prefix(':') {
            Some(port) => format!("localhost:{port}"),
            None => upstream,
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "no such host");
        let mut addresses: Vec<SocketAddr> = lookup_host(upstream).await?.collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        for address in addresses {
            match self.dial_address(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn dial_address(self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)?;
        if let Some(mark) = self.mark {
            socket.set_mark(mark)?;
        }
        match socket.connect(&address.into()) {
            Ok(()) => return TcpStream::from_std(socket.into()),
            Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        // On this host the handshake is over by now, and there is nothing to wait for.
        let connected = socket.peer_addr().is_ok();
        let stream = TcpStream::from_std(socket.into())?;
        if !connected {
            stream.writable().await?;
            if let Some(error) = stream.take_error()? {
                return Err(error);
            }
        }
        Ok(stream)
    }
}

impl Connect for Dialer {
    fn connect(&self, upstream: &str) -> Connecting {
        Box::pin(self.dial(upstream.to_owned()))
    }
}
