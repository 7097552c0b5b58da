//! The async shell that joins deadstick's crates.
//!
//! - [`library`]: the playbooks and checklists there are;
//! - [`session`]: one process at work on one incident; [`surroundings`]: the system it is about;
//! - [`drill`]: stages a playbook; [`responder`]: a scripted responder;
//! - [`injection`]: one fault by hand; [`targets`]: what its target means now;
//! - [`policy`]: whether this host lets itself be touched;
//! - [`ledger`], [`load`], [`relay`]: joints between crates that do not know each other;
//! - [`recovery`]: undoes what dead runs have left; [`release`]: ends a single fault; [`incidents`]: what there is to look back on;
//! - [`signals`]: what means "stop".
//!
//! Owns order and concurrency. Leaves decisions to core, effects to the crates it joins, and words to the binary.

pub mod drill;
pub mod incidents;
pub mod injection;
pub mod ledger;
pub mod library;
pub mod load;
pub mod policy;
pub mod recovery;
pub mod relay;
pub mod release;
pub mod responder;
pub mod session;
pub mod signals;
pub mod surroundings;
pub mod targets;
