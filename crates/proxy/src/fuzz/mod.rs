//! What nobody would send on purpose. Nothing here may panic, every refusal is the documented one, and what a toxic lets pass
//! passes whole.

mod bodies;
mod streams;
