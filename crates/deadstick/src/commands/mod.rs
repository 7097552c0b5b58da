//! One file per command, named as typed. Each reads its arguments, calls one crate, and says what came of it.

pub(crate) mod checklist;
pub(crate) mod debrief;
pub(crate) mod doctor;
pub(crate) mod drill;
pub(crate) mod faults;
pub(crate) mod hidden;
pub(crate) mod incident;
pub(crate) mod inject;
pub(crate) mod lab;
pub(crate) mod playbook;
pub(crate) mod probe;
pub(crate) mod proxy;
pub(crate) mod respond;
pub(crate) mod staged;
pub(crate) mod timeline;
pub(crate) mod watch;
pub(crate) mod words;
