//! The append-only event log and the undo ledger of deadstick.
//!
//! - [`log`]: one incident's log, one chain per writer, durable before it is acknowledged;
//! - [`appender`]: one log for many callers, with one sync for all who ask at the same time;
//! - [`ledger`]: the write-ahead record of what must be undone;
//! - [`mod@verify`]: whether a log can be believed;
//! - [`export`]: the timeline as Markdown, CSV and JSON Lines;
//! - [`samples`]: the side stream of measurements;
//! - [`state`]: where everything lies.
//!
//! Everything here blocks; it has no runtime and no opinion about one. Depends on `deadstick-core` only.

pub mod appender;
pub mod export;
mod hash;
pub mod ledger;
mod line;
pub mod log;
pub mod samples;
pub mod state;
mod storage;
pub mod verify;

pub use appender::{Appended, Appender, Receipt};
pub use hash::Hash;
pub use ledger::{Ledger, LedgerError, LedgerFault, LedgerFile};
pub use line::Broken;
pub use log::{Follower, Log, LogError, Timeline, read_all};
pub use samples::{Sample, Samples, read_samples};
pub use state::{StateDir, StateEnv, StateError};
pub use verify::{Report, Seal, seal, verify};
