//! A binary that is nothing but lab processes, for this crate's tests: `lab-process lab-process PART …`.
//!
//! `deadstick` itself plays the same parts behind its hidden command `lab-process`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The first argument is the hidden command's name.
    ExitCode::from(deadstick_lab::process::main(std::env::args_os().skip(2)))
}
