//! One file per command, named as typed. Each reads its arguments, calls one crate, and says what came of it.

pub mod checklist;
pub mod debrief;
pub mod doctor;
pub mod drill;
pub mod faults;
pub mod hidden;
pub mod incident;
pub mod lab;
pub mod playbook;
pub mod probe;
pub mod respond;
pub mod timeline;
pub mod words;
