//! Everything privileged in deadstick: plan, apply, prove, undo; the guardian.
//!
//! Read in this order:
//!
//! - [`plan`](mod@plan): what a fault would do, decided before anything is touched;
//! - [`kernel`]: what is asked of the machine, as a seam; [`network`] is behind it;
//! - [`injector`]: the life of a fault; [`undo`](mod@undo): taking it back out, from whichever process;
//! - [`guardian`], [`holder`]: the two processes beside the owner;
//! - [`find`], [`cgroup`], [`control`]: whom a name means, control groups as they are, and by what people keep in control;
//! - [`privileges`]: what processes of ours give up;
//! - [`process`], [`doctor`], [`relay`], [`store`]: what others use or provide.
//!
//! It never writes the ledger file itself, and never depends on the crate that does: [`store::LedgerStore`] is the seam.

pub mod cgroup;
pub mod control;
mod database;
mod dns;
pub mod doctor;
mod error;
pub mod find;
pub mod guardian;
pub mod holder;
pub mod injector;
pub mod kernel;
pub mod load;
mod means;
pub mod network;
pub mod plan;
pub mod privileges;
pub mod process;
pub mod relay;
mod sequence;
pub mod store;
pub mod undo;

pub use database::check as check_dsn;
pub use error::FaultError;
pub use injector::{FaultEvent, FaultStep, Injected, Injector, Observer, Proof, Residue, Settings, StepHook};
pub use plan::{Fact, HostFacts, Plan, PlannedObject, asks, plan};
pub use store::{LedgerError, LedgerStore};
pub use undo::{MARK_FILE, Secrets, UndoFailure, Undone, undo};
