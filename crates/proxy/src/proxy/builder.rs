//! Setting a proxy up: where it listens, how it dials, what its dice are.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex};

use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::sync::Mutex as AsyncMutex;

use super::{Proxy, State};
use crate::accept::{Connections, Listener};
use crate::connect::{Connect, Dialer};
use crate::dice::Dice;
use crate::lanes::Lanes;
use crate::listen::{self, ListenError};

/// A proxy about to start.
#[derive(Debug)]
pub struct Builder {
    name: String,
    listen: String,
    upstream: String,
    listener: Option<StdListener>,
    connect: Arc<dyn Connect>,
    seed: u64,
    precise: bool,
    lanes: Arc<Lanes>,
}

impl Builder {
    pub(super) fn new(name: String, upstream: String) -> Self {
        Self {
            name,
            listen: "127.0.0.1:0".to_owned(),
            upstream,
            listener: None,
            connect: Arc::new(Dialer::default()),
            seed: Dice::entropy(),
            precise: false,
            lanes: Arc::default(),
        }
    }

    /// Where to listen. Default: `127.0.0.1:0`, any free port of the loopback interface.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = address.into();
        self
    }

    /// Serves a listener that exists already, for example one made in another network namespace. A proxy that is disabled
    /// and enabled again binds the address anew, in the namespace of the calling thread.
    #[must_use]
    pub fn listener(mut self, listener: StdListener) -> Self {
        self.listener = Some(listener);
        self
    }

    /// How upstreams are reached. Default: a plain [`Dialer`].
    #[must_use]
    pub fn connect(mut self, connect: impl Connect) -> Self {
        self.connect = Arc::new(connect);
        self
    }

    /// Repeats the run that had this seed. Default: another one each time.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Keeps delays to the microsecond instead of to some tens of microseconds: a thread of the runtime watches the clock for up
    /// to a tenth of a millisecond before each chunk is due. Default: no.
    #[must_use]
    pub fn precise(mut self, precise: bool) -> Self {
        self.precise = precise;
        self
    }

    /// Runs on these instead of the runtime around.
    #[must_use]
    pub(crate) fn lanes(mut self, lanes: Arc<Lanes>) -> Self {
        self.lanes = lanes;
        self
    }

    /// A proxy that does not listen yet.
    pub fn disabled(self) -> Proxy {
        let dice = Dice::new(self.seed).part(self.name.as_bytes());
        Proxy {
            name: self.name,
            connect: self.connect,
            toxics: Arc::default(),
            connections: Arc::new(Connections::new(dice, self.lanes.place())),
            precise: self.precise,
            state: Mutex::new(State {
                listen: self.listen,
                upstream: self.upstream,
                running: None,
                series: Vec::new(),
            }),
            lifecycle: AsyncMutex::new(()),
        }
    }

    /// Listens.
    ///
    /// # Errors
    ///
    /// The listen address is wrong or taken, or the given listener is unusable.
    pub async fn start(mut self) -> Result<Proxy, ListenError> {
        let listener = self.listener.take();
        let proxy = self.disabled();
        match listener {
            None => proxy.enable().await?,
            Some(listener) => {
                let address = listener.local_addr();
                let adopted = address.and_then(|address| {
                    listener.set_nonblocking(true)?;
                    listen::prepare(&SockRef::from(&listener))?;
                    Ok((address, TcpListener::from_std(listener)?))
                });
                let (address, listener) = adopted.map_err(|source| ListenError::Refused {
                    network: "tcp",
                    address: SocketAddr::from(([0, 0, 0, 0], 0)),
                    call: "adopt",
                    source,
                })?;
                let upstream = proxy.route().upstream;
                proxy.run(Listener::Tcp(listener), address, upstream);
            }
        }
        Ok(proxy)
    }
}
