//! Links that are late, lossy, doubled, disordered, damaged and slow, measured against what was asked of the injector.
//!
//! Runs in the virtual machine of `tests/vm`, whose kernel has netem and whose clock no other program disturbs, and nowhere
//! else: the ordinary test commands leave it out, so that nothing is skipped in silence. Every bound on chance is stated
//! ([`bounds`]): it is wrong about a true statement once in a million.

mod bounds;
mod canaries;
#[macro_use]
#[path = "../common/mod.rs"]
mod common;
mod delay;
mod life;
mod machine;
mod rate;
mod shares;
mod together;
mod told;
mod trial;
mod turns;
mod wire;
