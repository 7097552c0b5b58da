//! Probes and load against real servers, processes and files. One binary, because linking takes longer than testing.

mod http;
mod load;
mod postgres;
mod process;
mod sqlite;
mod support;
mod tcp;
