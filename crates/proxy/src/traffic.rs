//! What has moved, counted for the metrics.

use std::sync::atomic::AtomicU64;

/// Bytes of one direction, counted as they move.
#[derive(Debug, Default)]
pub struct Counter {
    /// Read from the sender.
    pub received: AtomicU64,
    /// Handed to the receiver's socket.
    pub sent: AtomicU64,
}

/// The counters of one proxy between one pair of addresses, by [`Stream`](crate::toxic::Stream).
#[derive(Debug, Default)]
pub struct Traffic(pub [Counter; 2]);
