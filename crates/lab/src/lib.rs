//! The practice systems of deadstick: small shops made of real processes of the same binary.
//!
//! Owns what a lab offers ([`SHOP`], [`SHOP_POSTGRES`]), its processes ([`process`]), and the owner's and everybody
//! else's way to talk to it ([`Lab`], [`LabClient`]). Leaves faults to the faults crate and drills to the runner: a lab
//! only runs, is set, and is ended.
//!
//! How it hangs together: the owner starts one *supervisor* ([`Lab::prepare`]), which does nothing until it is told to
//! go ([`Prepared::start`]). Everything else is a child of the supervisor and ends with it, by the kernel: where it can,
//! the supervisor is the first process of its own pid namespace; where it cannot, its children carry a death signal.

mod client;
mod describe;
mod error;
mod folder;
mod identity;
mod owner;
pub mod process;
mod shop;
mod shop_postgres;
mod supervisor;
mod userns;
mod wire;

pub use client::LabClient;
pub use describe::{ALL, SHOP, SHOP_POSTGRES, describe, examine};
pub use error::LabError;
pub use folder::MARK_FILE;
pub use owner::{Lab, Options, Prepared};
pub use userns::{enter_user_namespace, may_make_namespaces};
pub use wire::{HostView, RunState, RunView, Started, Status, Variables};
