//! The responder: what is sent back when, to questions that come to its [`Sockets`].
//!
//! Everything is bounded: questions at work, connections, and how long a connection may say nothing. What exceeds the
//! bounds is dropped, as by any busy server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadstick_core::fault::Protocol;
use hickory_proto::op::ResponseCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use super::script::{Decision, Script, error, is_transfer};
use super::sockets::Sockets;
use super::upstream::Upstream;
use crate::network::conntrack::Tuple;

/// How many questions may be at work at once.
const AT_WORK: usize = 1_000;
/// How many connections may be open at once.
const CONNECTIONS: usize = 200;
/// How long a connection may say nothing.
const IDLE: Duration = Duration::from_secs(30);
/// What a UDP reply may have, if the asker says nothing else (RFC 1035).
const PLAIN: usize = 512;
/// How long to wait after a socket failed for a reason of its peer.
const BREATH: Duration = Duration::from_millis(5);

/// A responder at work; dropping it ends it and everything it does.
pub(crate) struct Responder {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Responder {
    /// Begins to answer.
    pub(crate) fn start(script: Script, sockets: Sockets, upstream: Upstream) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            script,
            upstream,
            port: sockets.port,
            ours: AtomicU64::new(0),
            work: Arc::new(Semaphore::new(AT_WORK)),
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
        });
        let mut responder = Self { shared: Arc::clone(&shared), tasks: Vec::new() };
        for socket in sockets.udp {
            let socket = UdpSocket::from_std(socket)?;
            responder.tasks.push(tokio::spawn(by_udp(Arc::clone(&shared), socket)));
        }
        for listener in sockets.tcp {
            let listener = TcpListener::from_std(listener)?;
            responder.tasks.push(tokio::spawn(by_tcp(Arc::clone(&shared), listener)));
        }
        Ok(responder)
    }

    /// How many questions the script was about so far.
    pub(crate) fn ours(&self) -> u64 {
        self.shared.ours.load(Ordering::Acquire)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

struct Shared {
    script: Script,
    upstream: Upstream,
    port: u16,
    ours: AtomicU64,
    work: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

impl Shared {
    /// What a question gets, when it is time; none when it gets nothing.
    async fn answer(&self, question: &[u8], tuple: &Tuple) -> Option<Vec<u8>> {
        let due = Instant::now() + self.script.delay;
        let limit = (tuple.protocol == Protocol::Udp).then_some(PLAIN);
        let late = match self.script.decide(question, limit) {
            Decision::Ours(reply) => {
                self.ours.fetch_add(1, Ordering::AcqRel);
                sleep_until(due).await;
                return reply;
            }
            Decision::Theirs { late } => late,
        };
        self.ours.fetch_add(u64::from(late), Ordering::AcqRel);
        // Asked at once, and only the answer is held back: a resolver of this host that is itself kept waiting by us
        // makes its askers wait once, not twice.
        let reply = match self.server(tuple).await {
            Some(server) => self.upstream.ask(tuple.protocol, server, question).await,
            None => Err(io::ErrorKind::NotFound.into()),
        };
        if late {
            sleep_until(due).await;
        }
        // Where the server cannot be reached, the asker is told so; where it says nothing, so do we.
        reply.unwrap_or_else(|_| error(question, ResponseCode::ServFail))
    }

    /// Whom a question was for; none when nobody sent it here, or to ourselves.
    async fn server(&self, tuple: &Tuple) -> Option<SocketAddr> {
        let server = self.upstream.original(tuple).await.ok()??;
        (!(server.ip().is_loopback() && server.port() == self.port)).then_some(server)
    }
}

async fn by_udp(shared: Arc<Shared>, socket: UdpSocket) {
    let Ok(own) = socket.local_addr() else { return };
    let socket = Arc::new(socket);
    let mut tasks = JoinSet::new();
    let mut bytes = vec![0; usize::from(u16::MAX)];
    loop {
        while tasks.try_join_next().is_some() {}
        // An error is about an asker that is gone, and not about the socket.
        let Ok((length, asker)) = socket.recv_from(&mut bytes).await else {
            sleep(BREATH).await;
            continue;
        };
        let Ok(place) = Arc::clone(&shared.work).try_acquire_owned() else { continue };
        let (shared, socket, question) = (Arc::clone(&shared), Arc::clone(&socket), bytes[..length].to_vec());
        tasks.spawn(async move {
            let tuple = Tuple { protocol: Protocol::Udp, from: own, to: asker };
            if let Some(reply) = shared.answer(&question, &tuple).await {
                // Who does not wait any more misses nothing.
                drop(socket.send_to(&reply, asker).await);
            }
            drop(place);
        });
    }
}

async fn by_tcp(shared: Arc<Shared>, listener: TcpListener) {
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let Ok((stream, asker)) = listener.accept().await else {
            sleep(BREATH).await;
            continue;
        };
        let (Ok(place), Ok(own)) = (Arc::clone(&shared.connections).try_acquire_owned(), stream.local_addr())
        else {
            continue;
        };
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let tuple = Tuple { protocol: Protocol::Tcp, from: own, to: asker };
            connection(&shared, stream, tuple).await;
            drop(place);
        });
    }
}

/// One connection: several questions may be at work, and are answered when their answers come (RFC 7766).
async fn connection(shared: &Arc<Shared>, stream: TcpStream, tuple: Tuple) {
    let (mut reader, writer) = stream.into_split();
    let writer = Arc::new(Mutex::new(writer));
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let question = tokio::select! {
            question = message(&mut reader) => question,
            () = sleep(IDLE), if tasks.is_empty() => return,
            // Only to look again whether all is answered.
            () = sleep(IDLE), if !tasks.is_empty() => continue,
        };
        let Ok(question) = question else { break };
        let Ok(place) = Arc::clone(&shared.work).try_acquire_owned() else { continue };
        let (shared, writer) = (Arc::clone(shared), Arc::clone(&writer));
        tasks.spawn(async move {
            reply(&shared, &question, &tuple, &writer).await;
            drop(place);
        });
    }
    // The asker has said everything and may still listen.
    while tasks.join_next().await.is_some() {}
}

async fn reply(shared: &Shared, question: &[u8], tuple: &Tuple, writer: &Mutex<OwnedWriteHalf>) {
    let theirs = shared.script.decide(question, None) == Decision::Theirs { late: false };
    if theirs && is_transfer(question) {
        if let Some(server) = shared.server(tuple).await {
            let mut writer = writer.lock().await;
            // What breaks off, breaks off for the asker too.
            drop(shared.upstream.transfer(server, question, &mut *writer).await);
            drop(writer.shutdown().await);
        }
        return;
    }
    if let Some(reply) = shared.answer(question, tuple).await {
        let length = u16::try_from(reply.len()).unwrap_or(u16::MAX).to_be_bytes();
        // Who does not wait any more misses nothing.
        drop(writer.lock().await.write_all(&[&length, reply.as_slice()].concat()).await);
    }
}

/// One message of a connection, behind its length.
pub(super) async fn message(reader: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    reader.read_exact(&mut length).await?;
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
    reader.read_exact(&mut bytes).await?;
    Ok(bytes)
}
