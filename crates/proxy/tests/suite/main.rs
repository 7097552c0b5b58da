//! The proxy from outside: real sockets on loopback, the API over HTTP, and clients that others wrote.

mod api;
mod beyond;
mod clients;
mod common;
mod ctl;
mod defects;
mod hits;
mod links;
mod moves;
mod wire;
