//! The built-in name server, which answers wrongly, late or not at all.
//!
//! - [`script`]: what a question gets, decided from its bytes;
//! - [`sockets`]: where it listens; [`serve`]: waiting, and replies; [`upstream`]: what is not ours goes to the server that
//!   it was for;
//! - [`ask`]: a question of our own, as proof.
//!
//! It lives in the process that owns the fault, on sockets born in the target's network, and dies with it. Which questions
//! come here is decided by an owned table (`crate::network::nft`), which sends them by changing their destination; the
//! kernel's connection tracking knows where they were meant to go, each by itself, whatever servers there are.
//!
//! Limits: only what the network's own programs ask by UDP or TCP on port 53 is caught, not DNS over TLS or HTTPS, nor
//! questions that the network forwards for others. A program that binds its socket to a device gets no answer at all. What
//! a program knew before, it need not ask.

pub(crate) mod ask;
pub(crate) mod script;
pub(crate) mod serve;
pub(crate) mod sockets;
pub(crate) mod upstream;
