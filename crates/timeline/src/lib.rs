//! The append-only event log and the undo ledger of deadstick.
//!
//! - [`log`]: one incident's log, one chain per writer, durable before it is acknowledged;
//! - [`appender`]: one log for many callers, with one sync for all who ask at the same time;
//! - [`ledger`]: the write-ahead record of what must be undone;
//! - [`state`]: where both lie.
//!
//! Everything here blocks; it has no runtime and no opinion about one. Depends on `deadstick-core` only.

pub mod appender;
mod hash;
pub mod ledger;
mod line;
pub mod log;
pub mod state;
mod storage;

pub use appender::{Appended, Appender, Receipt};
pub use hash::Hash;
pub use ledger::{Ledger, LedgerError, LedgerFault, LedgerFile};
pub use line::Broken;
pub use log::{Follower, Log, LogError, Timeline, read_all};
pub use state::{StateDir, StateEnv};
