//! The vocabulary of deadstick and its engines. Pure: time and bytes come in, effects go out as values (design law 10).
//!
//! Read in this order:
//!
//! - [`units`], [`source`], [`yaml`], [`text`], [`template`]: texts that people write, and where they are wrong;
//! - [`probe`], [`fault`], [`identity`], [`lab`]: what is asked, what is done, to whom;
//! - [`policy`]: what may be touched on a host; [`dsn`]: how database servers are named; [`tls`]: how they are spoken to in
//!   secret;
//! - [`ledger`]: what must be undone, and how far each fault has come; [`privilege`]: what doing so may need;
//! - [`event`]: everything that can happen, as it stands on the timeline;
//! - [`checklist`]: what responders work through; [`incident`]: the engine that they work it with;
//! - [`playbook`], [`steady_state`], [`drill`]: staged outages, and the engine that runs them; [`debrief`]: what it came to.

pub mod checklist;
pub mod debrief;
pub mod drill;
pub mod dsn;
pub mod event;
pub mod fault;
pub mod identity;
pub mod incident;
pub mod lab;
pub mod ledger;
pub mod playbook;
pub mod policy;
pub mod privilege;
pub mod probe;
pub mod source;
pub mod steady_state;
pub mod template;
pub mod text;
pub mod tls;
pub mod units;
pub mod yaml;

/// A moment, always in UTC.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
