//! The labs, for real: processes, kernel, PostgreSQL.
//!
//! - [`shop`], [`shop_postgres`]: every beat of the two stories, with each defence;
//! - [`servers`]: the parts of the second one;
//! - [`death`]: owner and supervisor killed at any moment, and a start without root.

#![expect(clippy::print_stderr, reason = "times and reasons for the reader of a test's output")]

mod common;
mod death;
mod servers;
mod shop;
mod shop_postgres;
