//! The timeline crate through its public face, with real files, processes and signals.

mod common;
mod export;
mod full_disk;
mod kill;
mod ledger;
mod log;
mod round_trip;
mod tamper;
