//! Networks: entering a namespace, and what is asked of the kernel inside it.
//!
//! Owns namespaces and netlink. Leaves what faults make of them to [`crate::kernel`] and [`crate::plan`](mod@crate::plan).

pub(crate) mod diag;
pub(crate) mod links;
mod namespace;
pub(crate) mod nft;
pub(crate) mod qdisc;
mod socket;
pub(crate) mod wire;
pub(crate) mod witness;

pub use namespace::{Namespace, NetworkError, enter};
pub(crate) use socket::Netlink;
pub use socket::NetlinkError;
