//! Questions that are not ours: passed on to the server that each was for, past our own table.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadstick_core::fault::Protocol;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

use super::serve::message;
use crate::network::Namespace;
use crate::network::conntrack::{Conntrack, Tuple};

/// How long a server may take. Askers give up before.
const PATIENCE: Duration = Duration::from_secs(15);

/// The way to the servers.
#[derive(Clone)]
pub(crate) struct Upstream {
    namespace: Arc<Namespace>,
    tracked: Arc<Mutex<Conntrack>>,
    mark: u32,
}

impl Upstream {
    /// `tracked` was opened inside the network; `mark` is what lets our sockets past our table.
    pub(crate) fn new(namespace: Namespace, tracked: Conntrack, mark: u32) -> Self {
        Self { namespace: Arc::new(namespace), tracked: Arc::new(Mutex::new(tracked)), mark }
    }

    /// Whom the sender of what came in by this tuple wanted to ask.
    pub(crate) async fn original(&self, tuple: &Tuple) -> io::Result<Option<SocketAddr>> {
        let (tracked, tuple) = (Arc::clone(&self.tracked), *tuple);
        let look = move || {
            let mut tracked = tracked.lock().unwrap_or_else(PoisonError::into_inner);
            tracked.original(&tuple).map_err(io::Error::other)
        };
        tokio::task::spawn_blocking(look).await.map_err(io::Error::other)?
    }

    /// Asks about a conversation that nobody has: whether the table can be asked at all.
    pub(crate) async fn probe(&self) -> io::Result<()> {
        let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let tuple = Tuple { protocol: Protocol::Udp, from: nobody, to: nobody };
        self.original(&tuple).await.map(drop)
    }

    /// Asks a server; none when it says nothing.
    pub(crate) async fn ask(
        &self,
        protocol: Protocol,
        server: SocketAddr,
        question: &[u8],
    ) -> io::Result<Option<Vec<u8>>> {
        let asking = async {
            match protocol {
                Protocol::Udp => self.by_udp(server, question).await,
                Protocol::Tcp => {
                    let mut stream = self.connect(server, question).await?;
                    message(&mut stream).await
                }
            }
        };
        timeout(PATIENCE, asking).await.map_or(Ok(None), |reply| reply.map(Some))
    }

    /// Passes on everything that a server says to one question, until it ends the connection or says nothing for long.
    pub(crate) async fn transfer(
        &self,
        server: SocketAddr,
        question: &[u8],
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let mut stream = timeout(PATIENCE, self.connect(server, question)).await??;
        while let Ok(Ok(part)) = timeout(PATIENCE, message(&mut stream)).await {
            write(to, &part).await?;
        }
        Ok(())
    }

    async fn by_udp(&self, server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
        let socket = UdpSocket::from_std(self.socket(server, Type::DGRAM).await?.into())?;
        socket.connect(server).await?;
        socket.send(question).await?;
        let mut bytes = vec![0; usize::from(u16::MAX)];
        let length = socket.recv(&mut bytes).await?;
        bytes.truncate(length);
        Ok(bytes)
    }

    async fn connect(&self, server: SocketAddr, question: &[u8]) -> io::Result<TcpStream> {
        let socket = TcpSocket::from_std_stream(self.socket(server, Type::STREAM).await?.into());
        let mut stream = socket.connect(server).await?;
        write(&mut stream, question).await?;
        Ok(stream)
    }

    /// A socket of the target's network.
    async fn socket(&self, server: SocketAddr, kind: Type) -> io::Result<Socket> {
        let (namespace, mark) = (Arc::clone(&self.namespace), self.mark);
        let make = move || {
            let made = namespace.run(|| {
                let socket = Socket::new(Domain::for_address(server), kind, None)?;
                socket.set_mark(mark)?;
                socket.set_nonblocking(true)?;
                if kind == Type::DGRAM {
                    let any: SocketAddr = match server {
                        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                    };
                    socket.bind(&any.into())?;
                }
                Ok(socket)
            });
            made.map_err(io::Error::other)?
        };
        tokio::task::spawn_blocking(make).await.map_err(io::Error::other)?
    }
}

async fn write(to: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes();
    to.write_all(&[&length, message].concat()).await
}
