//! One proxy: a listener, its connections and its toxics.
//!
//! Owns starting, stopping and moving. A change that fails leaves the proxy as it was. Leaves names and the set of proxies to
//! the [`registry`](crate::registry), and what toxics do to the stages of each connection.

mod builder;
mod state;
mod toxics;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::{Mutex as AsyncMutex, oneshot};

use crate::accept::{Connections, Listener};
use crate::connect::Connect;
use crate::connection::Setting;
use crate::control::lock;
use crate::listen::ListenError;
use crate::toxic::ToxicList;

pub use self::builder::Builder;
pub use self::state::Series;
use self::state::{Running, State};

/// Where a proxy stands and where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The address listened on; of a proxy that never was enabled, as it was given.
    pub listen: String,
    /// Where connections are dialled to, as it was given.
    pub upstream: String,
    /// Whether the proxy listens.
    pub enabled: bool,
}

/// What is to change. `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Another listen address.
    pub listen: Option<String>,
    /// Another upstream.
    pub upstream: Option<String>,
    /// Listening or not.
    pub enabled: Option<bool>,
}

/// One proxy. Dropping it closes its listener and its connections.
#[derive(Debug)]
pub struct Proxy {
    name: String,
    connect: Arc<dyn Connect>,
    toxics: Arc<ToxicList>,
    connections: Arc<Connections>,
    precise: bool,
    state: Mutex<State>,
    /// Held over every start and stop, so that they come one after the other. Never while data is waited for.
    lifecycle: AsyncMutex<()>,
}

impl Proxy {
    /// A proxy to `upstream` (`host:port`) on any free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// No port is to be had.
    pub async fn start(upstream: impl Into<String>) -> Result<Self, ListenError> {
        Self::builder("proxy", upstream).start().await
    }

    /// A proxy to be set up further. The name is for logs, metrics and the dice.
    pub fn builder(name: impl Into<String>, upstream: impl Into<String>) -> Builder {
        Builder::new(name.into(), upstream.into())
    }

    /// The proxy's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it stands and leads.
    pub fn route(&self) -> Route {
        let state = lock(&self.state);
        Route {
            listen: state.listen.clone(),
            upstream: state.upstream.clone(),
            enabled: state.running.is_some(),
        }
    }

    /// The address listened on, while enabled.
    pub fn address(&self) -> Option<SocketAddr> {
        lock(&self.state).running.as_ref().map(|run| run.address)
    }

    /// Connections that are open or being dialled.
    pub fn connections(&self) -> usize {
        self.connections.count()
    }

    /// The counters so far: one series for each pair of addresses the proxy has had.
    pub fn series(&self) -> Vec<Series> {
        lock(&self.state).series.clone()
    }

    /// Listens again, at the same address.
    ///
    /// # Errors
    ///
    /// The address is wrong or taken.
    pub async fn enable(&self) -> Result<(), ListenError> {
        let on = Change { enabled: Some(true), ..Change::default() };
        self.change(on).await
    }

    /// Closes the listener and every connection. Toxics and address are kept. The port is free when this returns.
    pub async fn disable(&self) {
        let _turn = self.lifecycle.lock().await;
        self.stop().await;
    }

    /// Changes address, upstream and whether the proxy listens, or nothing at all if any of it fails. Connections survive
    /// unless an address changes or the proxy is disabled.
    ///
    /// # Errors
    ///
    /// The listen address is wrong or taken.
    pub async fn change(&self, change: Change) -> Result<(), ListenError> {
        let _turn = self.lifecycle.lock().await;
        let old = self.route();
        let enabled = change.enabled.unwrap_or(old.enabled);
        let upstream = change.upstream.unwrap_or_else(|| old.upstream.clone());
        let listen = change.listen.unwrap_or_else(|| old.listen.clone());
        let address = Listener::resolve(&upstream, &listen).await?;
        let moves = listen != old.listen && address.to_string() != old.listen;
        if !moves && upstream == old.upstream && enabled == old.enabled {
            return Ok(());
        }
        if !enabled {
            self.stop().await;
            let mut state = lock(&self.state);
            state.upstream = upstream;
            if moves {
                state.listen = listen;
            }
            return Ok(());
        }
        let current = self.address();
        let listener = match self.bind(&upstream, address) {
            // Its own listener may be what is in the way.
            Err(error) if error.is_in_use() && current.is_some_and(|at| at.port() == address.port()) => {
                self.close_listener().await;
                match self.bind(&upstream, address) {
                    Ok(listener) => listener,
                    Err(error) => {
                        self.restore(current, old.upstream);
                        return Err(error);
                    }
                }
            }
            outcome => outcome?,
        };
        let bound = listener.address().unwrap_or(address);
        self.stop().await;
        self.run(listener, bound, upstream);
        Ok(())
    }

    /// Whether the proxy would have to move to stand and lead there. Port 0 is always elsewhere.
    pub(crate) async fn differs(&self, listen: &str, upstream: &str) -> Result<bool, ListenError> {
        let route = self.route();
        let address = Listener::resolve(upstream, listen).await?;
        let moves = listen != route.listen && address.to_string() != route.listen;
        Ok(moves || address.port() == 0 || upstream != route.upstream)
    }

    /// Takes the old address back after a move to another one failed. Connections were not touched.
    fn restore(&self, address: Option<SocketAddr>, upstream: String) {
        let Some(address) = address else { return };
        match self.bind(&upstream, address) {
            Ok(listener) => self.run(listener, address, upstream),
            Err(error) => {
                tracing::error!(proxy = self.name, %error, "the old address was taken meanwhile: the proxy is disabled");
            }
        }
    }

    fn bind(&self, upstream: &str, address: SocketAddr) -> Result<Listener, ListenError> {
        let _there = self.connections.place().enter();
        Listener::bind(upstream, address)
    }

    fn run(&self, listener: Listener, address: SocketAddr, upstream: String) {
        let mut state = lock(&self.state);
        state.listen = address.to_string();
        state.upstream.clone_from(&upstream);
        let traffic = state.traffic();
        let setting = Arc::new(Setting {
            upstream,
            connect: Arc::clone(&self.connect),
            toxics: Arc::clone(&self.toxics),
            traffic,
            proxy: self.name.clone(),
            closing: self.connections.closing(),
            precise: self.precise,
        });
        let (stop, stopped) = oneshot::channel();
        let accepting = listener.serve(setting, Arc::clone(&self.connections), stopped);
        state.running = Some(Running { address, stop, accepting });
        tracing::info!(proxy = self.name, listen = state.listen, upstream = state.upstream, "listening");
    }

    async fn stop(&self) {
        self.close_listener().await;
        self.connections.end();
    }

    async fn close_listener(&self) {
        let running = lock(&self.state).running.take();
        let Some(running) = running else { return };
        // The task may have ended by itself only if the runtime is going away.
        if running.stop.send(()).is_ok()
            && let Err(error) = running.accepting.await
        {
            tracing::error!(proxy = self.name, %error, "accepting failed");
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(running) = lock(&self.state).running.take() {
            // Fails only if nobody listens any more.
            if running.stop.send(()).is_err() {}
        }
        self.connections.end_for_good();
    }
}
