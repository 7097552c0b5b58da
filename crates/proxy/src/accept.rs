//! Letting clients in: the sockets a proxy listens on, and the list of what is open.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::closing::Closing;
use crate::connection::{self, Setting};
use crate::control::{Control, Fate, lock};
use crate::dice::Dice;
use crate::lanes::{Place, Seat};
use crate::listen::{self, ListenError};
use crate::udp;

/// What a proxy listens on, which follows from its upstream.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Listener {
    /// Reads the listen address of a proxy to `upstream`.
    pub(crate) async fn resolve(upstream: &str, listen: &str) -> Result<SocketAddr, ListenError> {
        let udp = upstream.starts_with(udp::SCHEME);
        listen::resolve(listen, if udp { "udp" } else { "tcp" }).await
    }

    pub(crate) fn bind(upstream: &str, address: SocketAddr) -> Result<Self, ListenError> {
        if upstream.starts_with(udp::SCHEME) {
            listen::bind_udp(address).map(Self::Udp)
        } else {
            listen::bind(address).map(Self::Tcp)
        }
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr(),
            Self::Udp(socket) => socket.local_addr(),
        }
    }

    /// Serves clients, until told to stop, in a task.
    pub(crate) fn serve(
        self,
        setting: Arc<Setting>,
        connections: Arc<Connections>,
        stopped: oneshot::Receiver<()>,
    ) -> JoinHandle<()> {
        let place = connections.place.clone();
        match self {
            Self::Tcp(listener) => place.spawn(accept(listener, setting, connections, stopped)),
            Self::Udp(socket) => place.spawn(udp::serve(socket, setting, connections, stopped)),
        }
    }
}

/// The open connections of one proxy.
#[derive(Debug)]
pub(crate) struct Connections {
    open: Mutex<HashMap<u64, Arc<Control>>>,
    /// How many there have been, which numbers the next one.
    count: AtomicU64,
    /// Whether the proxy is gone, so that one let in at the last moment ends at once.
    over: AtomicBool,
    closing: Arc<Closing>,
    dice: Dice,
    place: Place,
}

impl Connections {
    pub(crate) fn new(dice: Dice, place: Place) -> Self {
        Self {
            open: Mutex::default(),
            count: AtomicU64::new(0),
            over: AtomicBool::new(false),
            closing: Arc::default(),
            dice,
            place,
        }
    }

    /// Where the sockets of its listener belong.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.open).len()
    }

    /// Who ends when.
    pub(crate) fn closing(&self) -> Arc<Closing> {
        Arc::clone(&self.closing)
    }

    /// Ends all that are open.
    pub(crate) fn end(&self) {
        for (_, control) in lock(&self.open).drain() {
            control.end(Fate::Close);
        }
    }

    /// Ends all that are open, and all that come.
    pub(crate) fn end_for_good(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.end();
    }

    /// Makes all look at the toxics again.
    pub(crate) fn tap(&self) {
        for control in lock(&self.open).values() {
            control.tap();
        }
    }

    /// Runs a new connection in a task of its own, with its control and its dice.
    pub(crate) fn begin<F>(self: &Arc<Self>, seat: Seat, run: impl FnOnce(Arc<Control>, Dice) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let control = Arc::<Control>::default();
        lock(&self.open).insert(number, Arc::clone(&control));
        if self.over.load(Ordering::SeqCst) {
            self.end();
        }
        let run = run(control, self.dice.number(number));
        let place = seat.place();
        let listed = Listed { connections: Arc::clone(self), number, _seat: seat };
        place.spawn(async move {
            run.await;
            drop(listed);
        });
    }
}

/// A connection's place among those that are open, left when it ends, in whichever way.
struct Listed {
    connections: Arc<Connections>,
    number: u64,
    _seat: Seat,
}

impl Drop for Listed {
    fn drop(&mut self) {
        lock(&self.connections.open).remove(&self.number);
    }
}

/// Takes clients in until told to stop. Never waits for one.
async fn accept(
    listener: TcpListener,
    setting: Arc<Setting>,
    connections: Arc<Connections>,
    mut stopped: oneshot::Receiver<()>,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((client, _)) => {
                let seat = connections.place().seat();
                match seat.take(client, connections.place()) {
                    Ok(client) => {
                        let setting = Arc::clone(&setting);
                        connections
                            .begin(seat, |control, dice| connection::run(client, setting, control, dice));
                    }
                    // It is closed, and knows.
                    Err(error) => tracing::warn!(proxy = setting.proxy, %error, "cannot serve a client"),
                }
            }
            Err(error) if gave_up(&error) => {}
            Err(error) => {
                // Out of descriptors or memory: clients wait in the backlog until there are some again.
                tracing::warn!(proxy = setting.proxy, %error, "cannot accept");
                tokio::select! {
                    _ = &mut stopped => return,
                    () = tokio::time::sleep(Duration::from_millis(50)) => {}
                }
            }
        }
    }
}

/// Whether the client went away before it was accepted.
fn gave_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
