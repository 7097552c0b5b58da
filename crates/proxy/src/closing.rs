//! Ends of connections, taken in slices: when thousands end at once, those that stay are served in between.
//!
//! Saying the end of a stream and closing a socket are work for the kernel, several times as long as reading or writing a small
//! message. A task that is ready waits behind all that became ready before it, so ends must not stand in that queue.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;

use crate::clock::now;

/// Ends between two looks at the sockets, once there are many.
const SLICE: usize = 16;

/// Ends within a millisecond that are not many yet.
const FEW: u64 = 32;

/// Bits of a window that count.
const COUNT: u32 = 16;

/// Who ends when, among the connections of one proxy.
#[derive(Debug)]
pub(crate) struct Closing {
    turns: Semaphore,
    /// The millisecond it is, and in the low bits how many have ended in it.
    window: AtomicU64,
}

impl Default for Closing {
    fn default() -> Self {
        Self { turns: Semaphore::new(SLICE), window: AtomicU64::new(0) }
    }
}

impl Closing {
    /// Does `end` when it is its turn: at once, unless many others end as well.
    pub(crate) async fn take_turn<T>(&self, end: impl FnOnce() -> T) -> T {
        // Nobody closes the semaphore, and without a turn the end is only less polite.
        let turn = self.turns.acquire().await;
        let done = end();
        if self.many() {
            tokio::task::yield_now().await;
        }
        drop(turn);
        done
    }

    fn many(&self) -> bool {
        let millisecond = now().as_millis() as u64;
        let next = |window: u64| {
            if window >> COUNT == millisecond { window + 1 } else { (millisecond << COUNT) + 1 }
        };
        let before =
            self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |window| Some(next(window)));
        next(before.unwrap_or_default()) & ((1 << COUNT) - 1) > FEW
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn whoever_stays_is_served_between_slices() {
        let closing = Arc::<Closing>::default();
        let ended = Arc::<AtomicU64>::default();
        for _ in 0..4_000 {
            let (closing, ended) = (Arc::clone(&closing), Arc::clone(&ended));
            tokio::spawn(async move {
                closing.take_turn(|| ended.fetch_add(1, Ordering::Relaxed)).await;
            });
        }
        let mut most = 0;
        let mut before = 0;
        while before < 4_000 {
            tokio::task::yield_now().await;
            let after = ended.load(Ordering::Relaxed);
            most = most.max(after - before);
            before = after;
        }
        // All of them are ready before this task is again, and still most of them wait.
        assert!(most < 1_000, "{most} ends in one turn");
    }
}
