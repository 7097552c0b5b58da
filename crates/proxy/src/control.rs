//! How the control plane reaches a connection without ever waiting for it: a fate to look at, and a tap on the shoulder.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use futures_util::task::AtomicWaker;

use crate::chain::Exchange;
use crate::toxic::Stream;

/// Locks even if another thread panicked while holding the lock: every critical section here leaves whole values behind.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is to become of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Goes on.
    Open,
    /// Ends in order: FIN to both sides.
    Close,
    /// One side is gone; the other gets a FIN.
    Broken,
    /// Ends with an RST to both sides.
    Reset,
}

/// The handle on one connection.
#[derive(Debug, Default)]
pub(crate) struct Control {
    fate: AtomicU8,
    /// The directions that have ended in order, a bit each.
    ended: AtomicU8,
    /// One task each.
    taps: [AtomicWaker; 2],
    /// What the two directions tell each other.
    pub(crate) exchange: Exchange,
}

impl Control {
    pub(crate) fn fate(&self) -> Fate {
        match self.fate.load(Ordering::Acquire) {
            0 => Fate::Open,
            1 => Fate::Close,
            2 => Fate::Broken,
            _ => Fate::Reset,
        }
    }

    /// Decides the fate. The first decision stands.
    pub(crate) fn end(&self, fate: Fate) {
        let fate = match fate {
            Fate::Open => return,
            Fate::Close => 1,
            Fate::Broken => 2,
            Fate::Reset => 3,
        };
        if self.fate.compare_exchange(0, fate, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.tap();
        }
    }

    /// Notes that a direction has ended in order. Whether the other one had before.
    pub(crate) fn ended(&self, stream: Stream) -> bool {
        self.ended.fetch_or(1 << stream as u8, Ordering::AcqRel) != 0
    }

    /// Makes both directions look again.
    pub(crate) fn tap(&self) {
        for tap in &self.taps {
            tap.wake();
        }
    }

    /// Wakes the task of that direction at the next tap. To be called before looking, so that no tap falls in between.
    pub(crate) fn listen(&self, stream: Stream, waker: &Waker) {
        self.taps[stream as usize].register(waker);
    }

    /// Returns once `holds`, which is asked now and after every tap. For one task per stream.
    pub(crate) async fn until(&self, stream: Stream, mut holds: impl FnMut() -> bool) {
        poll_fn(|context| {
            self.listen(stream, context.waker());
            if holds() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
