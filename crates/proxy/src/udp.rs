//! UDP proxies: one session for each client address, with a chain of toxics each way.
//!
//! A datagram is a chunk. What does not fit into a full queue is dropped, as a network would.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{UdpSocket, lookup_host};
use tokio::sync::{mpsc, oneshot};

use crate::accept::Connections;
use crate::chain::{Chain, Side};
use crate::clock::{Alarm, Time, now};
use crate::connection::Setting;
use crate::control::{Control, Fate};
use crate::dice::Dice;
use crate::stage::{Chunk, Item, Step};
use crate::toxic::Stream;

/// What an upstream begins with that is to be reached by UDP.
pub(crate) const SCHEME: &str = "udp://";

/// A session without datagrams for so long is forgotten.
const IDLE: Duration = Duration::from_secs(60);

/// Datagrams of one client that may wait to be looked at.
const WAITING: usize = 1_024;

/// Sessions at most; more clients are not heard until one is forgotten.
const SESSIONS: usize = 10_000;

thread_local! {
    /// Large enough for any datagram; nothing stays in it while a task waits.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; 65_536].into_boxed_slice());
}

/// Hands datagrams to sessions until told to stop.
pub(crate) async fn serve(
    socket: UdpSocket,
    setting: Arc<Setting>,
    connections: Arc<Connections>,
    mut stopped: oneshot::Receiver<()>,
) {
    let socket = Arc::new(socket);
    let mut sessions: HashMap<SocketAddr, mpsc::Sender<Bytes>> = HashMap::new();
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => return,
            ready = socket.readable() => if ready.is_err() { return },
        }
        // An error speaks of a datagram sent earlier to a client that is gone.
        let Ok((mut datagram, client)) = SCRATCH.with_borrow_mut(|scratch| {
            let (len, client) = socket.try_recv_from(scratch)?;
            Ok::<_, std::io::Error>((Bytes::copy_from_slice(&scratch[..len]), client))
        }) else {
            continue;
        };
        if let Some(session) = sessions.get(&client) {
            match session.try_send(datagram) {
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => continue,
                Err(mpsc::error::TrySendError::Closed(back)) => datagram = back,
            }
        }
        if sessions.len() >= SESSIONS {
            sessions.retain(|_, session| !session.is_closed());
            if sessions.len() >= SESSIONS {
                continue;
            }
        }
        let (sender, inbox) = mpsc::channel(WAITING);
        // The channel is new and has room.
        if sender.try_send(datagram).is_ok() {
            sessions.insert(client, sender);
        }
        let (socket, setting) = (Arc::downgrade(&socket), Arc::clone(&setting));
        connections.begin(connections.place().clone().here(), move |control, dice| async move {
            let session = Session { socket, client, setting, control, inbox };
            session.run(&dice).await;
        });
    }
}

struct Session {
    /// Held by the proxy alone, so that its port is free as soon as the proxy stops.
    socket: Weak<UdpSocket>,
    client: SocketAddr,
    setting: Arc<Setting>,
    control: Arc<Control>,
    inbox: mpsc::Receiver<Bytes>,
}

impl Session {
    async fn run(mut self, dice: &Dice) {
        let server = match dial(&self.setting.upstream).await {
            Ok(server) => server,
            Err(error) => {
                tracing::warn!(proxy = self.setting.proxy, %error, "upstream cannot be reached");
                return;
            }
        };
        let mut lines = Stream::ALL.map(|stream| Line::new(stream, dice));
        let mut alarm = Alarm::new(self.setting.precise);
        while self.control.fate() == Fate::Open {
            let mut wake: Option<Time> = None;
            for line in &mut lines {
                line.follow(&self.setting, &self.control);
                loop {
                    match line.chain.as_mut().map_or(Step::Idle, |chain| chain.step(now())) {
                        Step::Send(Item::Data(chunk)) => {
                            self.send(&server, line.side.stream, &chunk.data).await;
                        }
                        // A datagram has no stream to end, but a toxic can end the session.
                        Step::Send(Item::End(_)) => return,
                        Step::WaitUntil(at) => {
                            wake = Some(wake.map_or(at, |wake| wake.min(at)));
                            break;
                        }
                        Step::Idle => break,
                    }
                }
            }
            let (control, toxics, seen) =
                (&self.control, &self.setting.toxics, lines.each_ref().map(|line| line.seen));
            let tapped = || control.fate() != Fate::Open || seen != [Some(toxics.version()); 2];
            tokio::select! {
                biased;
                () = control.until(Stream::Upstream, tapped) => {}
                datagram = self.inbox.recv() => {
                    let Some(datagram) = datagram else { return };
                    self.pass(&server, &mut lines[Stream::Upstream as usize], datagram).await;
                }
                ready = server.readable() => {
                    if ready.is_err() {
                        return;
                    }
                    // An error says that nobody listens upstream at present; the next datagram may find somebody.
                    if let Ok(datagram) = SCRATCH.with_borrow_mut(|scratch| {
                        server.try_recv(scratch).map(|len| Bytes::copy_from_slice(&scratch[..len]))
                    }) {
                        self.pass(&server, &mut lines[Stream::Downstream as usize], datagram).await;
                    }
                }
                () = alarm.wait_until(wake.unwrap_or_default()), if wake.is_some() => {}
                () = tokio::time::sleep(IDLE), if wake.is_none() => return,
            }
        }
    }

    async fn pass(&self, server: &UdpSocket, line: &mut Line, data: Bytes) {
        let counter = &self.setting.traffic.0[line.side.stream as usize];
        counter.received.fetch_add(data.len() as u64, Ordering::Relaxed);
        line.follow(&self.setting, &self.control);
        match &mut line.chain {
            None => self.send(server, line.side.stream, &data).await,
            Some(chain) if chain.ready() => {
                let at = now();
                chain.offer(Item::Data(Chunk { data, at }), at);
            }
            Some(_full) => {}
        }
    }

    async fn send(&self, server: &UdpSocket, stream: Stream, data: &[u8]) {
        let sent = match stream {
            Stream::Upstream => server.send(data).await,
            Stream::Downstream => match self.socket.upgrade() {
                Some(socket) => socket.send_to(data, self.client).await,
                None => return,
            },
        };
        // What the system refuses is lost, as datagrams are.
        if let Ok(sent) = sent {
            let counter = &self.setting.traffic.0[stream as usize];
            counter.sent.fetch_add(sent as u64, Ordering::Relaxed);
        }
    }
}

/// One direction of a session.
struct Line {
    side: Side,
    seen: Option<u64>,
    chain: Option<Chain>,
}

impl Line {
    fn new(stream: Stream, connection: &Dice) -> Self {
        Self { side: Side { connection: connection.clone(), stream }, seen: None, chain: None }
    }

    fn follow(&mut self, setting: &Setting, control: &Control) {
        if self.seen != Some(setting.toxics.version()) {
            let (version, specs) = setting.toxics.specs(self.side.stream);
            self.seen = Some(version);
            if self.chain.is_some() || Chain::wanted(&specs, &self.side) {
                let chain = self.chain.get_or_insert_with(|| Chain::new(self.side.clone()));
                chain.follow(&specs, &control.exchange, now());
            }
        }
        if self.chain.as_ref().is_some_and(Chain::is_idle) {
            self.chain = None;
        }
    }
}

async fn dial(upstream: &str) -> std::io::Result<UdpSocket> {
    let upstream = upstream.strip_prefix(SCHEME).unwrap_or(upstream);
    let mut addresses: Vec<SocketAddr> = lookup_host(upstream).await?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let address = addresses.first().ok_or(std::io::ErrorKind::NotFound)?;
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    Ok(socket)
}
