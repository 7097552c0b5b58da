//! The seam to an open-loop HTTP load.
//!
//! Owns what a load is told and what it says of itself. Leaves sending to the probes crate; the runner joins the two.

use std::io;

use deadstick_core::fault::HttpMethod;
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::units::Percent;

/// Starts loads.
pub trait LoadFactory: Send + Sync {
    /// Starts one; dropping what is returned stops it at once. Blocks for milliseconds.
    ///
    /// # Errors
    /// It could not be started; nothing is sent then.
    fn start(&self, order: LoadOrder) -> io::Result<Box<dyn RunningLoad>>;
}

/// What a load is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOrder {
    /// From which network; this process's own when none is given.
    pub network: Option<NetworkIdentity>,
    /// To which URL; `{key}` in it is replaced.
    pub url: String,
    /// By which method.
    pub method: HttpMethod,
    /// How many requests a second.
    pub per_second: u32,
    /// How many keys there are.
    pub keys: u32,
    /// The share of requests that ask for the one hot key.
    pub hot: Percent,
}

/// A load under way.
pub trait RunningLoad: Send + Sync {
    /// What it has done so far.
    fn counts(&self) -> LoadCounts;
}

/// What a load has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadCounts {
    /// Requests that were sent.
    pub sent: u64,
    /// Those that were answered as users want it.
    pub served: u64,
    /// Those that failed or were given up.
    pub failed: u64,
}
