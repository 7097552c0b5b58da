//! A stream proxy that hurts connections on purpose, with Toxiproxy's HTTP API, and as a library.
//!
//! In a test, on an ephemeral port, in three lines:
//!
//! ```
//! use deadstick_proxy::{Latency, Proxy, Stream, Toxic};
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let upstream = server.local_addr()?.to_string();
//! let proxy = Proxy::start(upstream).await?;
//! proxy.add_toxic(Toxic::new(Latency { latency: 100, jitter: 0 }, Stream::Downstream))?;
//! let client = tokio::net::TcpStream::connect(proxy.address().expect("it listens")).await?;
//! # drop(client); Ok(()) }
//! ```
//!
//! Read in this order: [`toxic`] is what can be done, [`stage`] how it is done (pure, on virtual time), `chain` and `link` how it
//! is done to a connection, [`proxy`] the whole with its listener.

mod accept;
mod api;
pub mod arguments;
pub mod chain;
pub mod clock;
mod closing;
mod connect;
mod connection;
mod control;
pub mod ctl;
pub mod dice;
#[cfg(test)]
mod fuzz;
mod json;
mod lanes;
mod link;
mod listen;
mod plan;
pub mod proxy;
pub mod registry;
pub mod settings;
mod splice;
pub mod stage;
pub mod tls;
pub mod toxic;
mod traffic;
mod udp;

pub use connect::{Connect, Connecting, Dialer};
pub use listen::ListenError;
pub use plan::BadToxic;
pub use proxy::{Builder, Change, Proxy, Route, Series};
pub use registry::{Plan, Registry, RegistryError};
pub use settings::{ServeError, Server, Settings, serve};
pub use toxic::{
    Bandwidth, Connect as ConnectToxic, Corrupt, Death, Duplicate, Failure, HalfOpen, Http, Kind, Latency,
    LimitData, Noop, PacketLoss, ProxyBandwidth, Reorder, ResetPeer, Slicer, SlowClose, Stream, Timeout,
    Toxic, ToxicError, Websocket,
};
pub use traffic::{Counter, Traffic};
