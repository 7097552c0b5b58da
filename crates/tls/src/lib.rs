//! TLS to database servers: whom to trust, who we are, and the handshake, as [`deadstick_core::tls`] asks for it.
//!
//! Read in this order: [`Client`], which makes the handshakes; [`Stream`], which is with TLS or without; [`postgres`], which
//! connects PostgreSQL's client library. Apart from `faults` and `probes` because both need it and neither may know the
//! other, and from `core` because of what it depends on. Leaves time limits to whoever calls: a handshake may hang.

mod binding;
mod client;
mod error;
pub mod postgres;
mod stream;
mod trust;
mod verify;

pub use client::Client;
pub use error::TlsFailure;
pub use stream::Stream;
