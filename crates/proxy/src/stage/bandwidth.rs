//! Bandwidth: bytes leave one after the other, each taking its time on the wire, which one connection has for itself or all
//! connections of a proxy share.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Item, PACING_ROOM, Queue, Step};
use crate::clock::Time;
use crate::dice::Dice;
use crate::toxic::{Bandwidth, Kind, ProxyBandwidth};

/// A chunk is cut so that no piece takes longer than this.
const SLICE: Duration = Duration::from_millis(100);

/// How much of the line's time is taken in before it is due.
const AHEAD: Duration = Duration::from_millis(50);

/// What one stage holds at most.
const LARGEST_ROOM: usize = 8 * 1024 * 1024;

/// How far the schedule may lag behind the clock and still be caught up with: late wake-ups must not cost rate, while a
/// reader that paused gains no credit.
const CATCH_UP: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Stage {
    settings: Bandwidth,
    queue: Queue,
    /// When the line is free again, in nanoseconds. Shared by all that send over it.
    line: Arc<AtomicU64>,
    /// The piece on the wire: its length and when it has passed.
    wire: Option<(usize, Time)>,
}

impl Stage {
    pub(super) fn new(settings: &Bandwidth) -> Self {
        Self { settings: settings.clone(), queue: Queue::default(), line: Arc::default(), wire: None }
    }

    /// A stage that shares `line` with others.
    pub(super) fn shared(settings: &ProxyBandwidth, line: &Arc<AtomicU64>) -> Self {
        let settings = Bandwidth { rate: settings.rate };
        Self { line: Arc::clone(line), ..Self::new(&settings) }
    }

    /// Takes the line for `takes` from when it is free, but not before `earliest`; returns when that is over.
    fn take_line(&self, earliest: Time, takes: Duration) -> Time {
        let nanos = |time: Time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let end = |free: u64| free.max(nanos(earliest)).saturating_add(nanos(takes));
        let taken = self.line.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| Some(end(free)));
        Duration::from_nanos(end(taken.unwrap_or_default()))
    }
}

/// The piece of a chunk of `len` bytes that goes on the wire at `bytes_per_ms`, and how long it takes.
fn piece(len: usize, bytes_per_ms: u64) -> (usize, Duration) {
    let slice = bytes_per_ms.saturating_mul(SLICE.as_millis() as u64).max(1);
    let len = usize::try_from(slice).map_or(len, |slice| len.min(slice));
    let nanos = len as u128 * 1_000_000 / u128::from(bytes_per_ms.max(1));
    (len, Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

impl super::Stage for Stage {
    fn ready(&self) -> bool {
        // Enough to keep a fast line busy while this task waits for its turn on a busy machine.
        let ahead = self.settings.rate.saturating_mul(AHEAD.as_millis() as i64);
        let room = usize::try_from(ahead).unwrap_or(0).clamp(PACING_ROOM, LARGEST_ROOM);
        self.queue.has_room(room)
    }

    fn offer(&mut self, item: Item, _now: Time) {
        self.queue.push(item);
    }

    fn step(&mut self, now: Time, _dice: &mut Dice) -> Step {
        let (len, at) = match (self.queue.head(), self.wire) {
            (None, _) => return Step::Idle,
            (Some(Item::End(ending)), _) => {
                let ending = *ending;
                self.queue.pop();
                return Step::Send(Item::End(ending));
            }
            (Some(Item::Data(_)), Some(wire)) => wire,
            (Some(Item::Data(chunk)), None) => {
                // 1 kB/s is one byte a millisecond.
                let Some(rate) = u64::try_from(self.settings.rate).ok().filter(|r| *r > 0) else {
                    return Step::Idle;
                };
                let earliest = chunk.at.max(now.saturating_sub(CATCH_UP));
                let (len, takes) = piece(chunk.data.len(), rate);
                let over = self.take_line(earliest, takes);
                *self.wire.insert((len, over))
            }
        };
        if at > now {
            return Step::WaitUntil(at);
        }
        self.wire = None;
        match self.queue.split(len) {
            Some(mut chunk) => {
                chunk.at = at;
                Step::Send(Item::Data(chunk))
            }
            None => Step::Idle,
        }
    }

    fn update(&mut self, kind: &Kind, now: Time) {
        self.settings.rate = match kind {
            Kind::Bandwidth(settings) => settings.rate,
            Kind::ProxyBandwidth(settings) => settings.rate,
            _ => return,
        };
        // What is on the wire starts again at the new rate, from now.
        self.wire = None;
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.line.store(nanos, Ordering::Relaxed);
    }

    fn release(&mut self, _now: Time) -> VecDeque<Item> {
        self.wire = None;
        self.queue.take()
    }
}
