//! The seam to a relay that passes bytes on late.
//!
//! Owns what a relay is given: sockets that belong to the target's network. Leaves the data path to the proxy crate; the
//! runner joins the two.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use deadstick_core::fault::Direction;
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::privilege::Privilege;
use socket2::{Domain, Protocol, Socket, Type};

use crate::network::{Namespace, NetworkError};
use crate::privileges::{self, Heirs};

/// The mark of the relay's own sockets, by which they escape the redirection ("dead" in hexadecimal, then a version).
pub(crate) const MARK: u32 = 0xdead_0001;
/// How long the relay waits for the peer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes relays.
pub trait RelayFactory: Send + Sync {
    /// Starts one: accepts on the listener, dials the peer for each connection, and passes bytes on late the ways that are asked
    /// for, their end included, as shaped devices do; those of the other way at once. Dropping what is returned stops it and
    /// closes its connections.
    ///
    /// # Errors
    /// It could not be started.
    fn start(&self, order: RelayOrder) -> io::Result<Box<dyn Send>>;
}

/// What a relay is to do.
#[derive(Debug)]
pub struct RelayOrder {
    /// Bound inside the target's network, non-blocking.
    pub listener: TcpListener,
    /// To whom bytes are passed.
    pub upstream: SocketAddr,
    /// By how much they are late.
    pub delay: Duration,
    /// Plus or minus this much.
    pub jitter: Duration,
    /// Which bytes: those to the peer are what is sent.
    pub direction: Direction,
    /// Makes connections to the peer from inside the network.
    pub dial: Dialer,
}

/// Makes connections from inside a network, on a thread that lives there.
#[derive(Clone, Debug)]
pub struct Dialer {
    orders: mpsc::Sender<mpsc::SyncSender<io::Result<Socket>>>,
    peer: SocketAddr,
}

impl Dialer {
    /// Starts the thread; it ends with the last clone.
    pub(crate) fn new(network: &NetworkIdentity, peer: SocketAddr) -> Result<Self, NetworkError> {
        let namespace = Namespace::open(network)?;
        let (orders, inbox) = mpsc::channel::<mpsc::SyncSender<io::Result<Socket>>>();
        let (entered, has_entered) = mpsc::sync_channel(1);
        let live_there = move || {
            let inside = namespace.settle();
            let stay = inside.is_ok();
            if entered.send(inside).is_err() || !stay {
                return;
            }
            // To mark the sockets.
            drop(privileges::keep(&[Privilege::NetAdmin].into(), Heirs::Nobody));
            for answer in inbox {
                // Who does not wait for the answer any more does not want the socket either.
                drop(answer.send(marked_socket(peer)));
            }
        };
        thread::Builder::new()
            .name("deadstick-dialer".to_owned())
            .spawn(live_there)
            .map_err(|source| NetworkError::Enter { network: network.clone(), source })?;
        has_entered.recv().map_err(|_| NetworkError::Gone(network.clone()))??;
        Ok(Self { orders, peer })
    }

    /// A connection to the peer. Blocks up to ten seconds.
    ///
    /// # Errors
    /// The peer does not accept, or the network is gone.
    pub fn connect(&self) -> io::Result<TcpStream> {
        let gone =
            || io::Error::new(io::ErrorKind::NotConnected, "the thread in the target's network has ended");
        let (answer, socket) = mpsc::sync_channel(1);
        self.orders.send(answer).map_err(|_| gone())?;
        let socket = socket.recv().map_err(|_| gone())??;
        socket.connect_timeout(&self.peer.into(), PATIENCE)?;
        Ok(socket.into())
    }
}

fn marked_socket(peer: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(peer), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_mark(MARK)?;
    Ok(socket)
}

/// A listener on a free port of loopback inside a network: where a redirected local connection arrives.
pub(crate) fn listener(
    network: &NetworkIdentity,
    peer: SocketAddr,
) -> Result<io::Result<TcpListener>, NetworkError> {
    Namespace::open(network)?.run(|| {
        let address: SocketAddr = if peer.is_ipv4() {
            ([127, 0, 0, 1], 0).into()
        } else {
            (std::net::Ipv6Addr::LOCALHOST, 0).into()
        };
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    })
}
