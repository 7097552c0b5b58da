//! One response: its checklists, its queue, who commands, folded from the timeline.
//!
//! Owns the engine: [`Act`] in, events out, and the fold that makes the state from the events, so that replay equals
//! live. Leaves the clock, the log, probes and commands to the caller, who passes in times, records and observations.

mod act;
pub mod view;

pub use act::{Act, Decision, Refusal};
