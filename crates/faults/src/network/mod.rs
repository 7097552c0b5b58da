//! Networks: entering a namespace, and what is asked of the kernel inside it.
//!
//! Owns namespaces and netlink. Leaves what faults make of them to [`crate::kernel`] and [`crate::plan`](mod@crate::plan).

mod addresses;
pub(crate) mod conntrack;
pub(crate) mod diag;
pub(crate) mod groups;
pub(crate) mod ifb;
pub(crate) mod knock;
pub(crate) mod links;
pub(crate) mod member;
mod namespace;
pub(crate) mod nft;
pub(crate) mod owners;
pub(crate) mod ping;
pub(crate) mod qdisc;
mod socket;
mod turn;
pub(crate) mod wire;
pub(crate) mod witness;

pub use crate::process::network_of;
pub use addresses::{Address, addresses};
pub use namespace::{Namespace, NetworkError, enter, host, named};
pub use owners::SocketOwner;
pub(crate) use socket::Netlink;
pub use socket::NetlinkError;
