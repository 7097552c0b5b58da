//! SIGKILL of owner, guardian or both at every step of a database fault's life: afterwards, or after the next start, no
//! session of ours is left, replay goes on, and nobody is kept waiting.

#[macro_use]
mod common;

on_databases!(matrix);
