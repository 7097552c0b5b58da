//! Bandwidth: bytes leave one after the other, each taking its time on the wire.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Item, PACING_ROOM, Queue, Step};
use crate::clock::Time;
use crate::dice::Dice;
use crate::toxic::{Bandwidth, Kind};

/// A chunk is cut so that no piece takes longer than this.
const SLICE: Duration = Duration::from_millis(100);

/// How far the schedule may lag behind the clock and still be caught up with: late wake-ups must not cost rate, while a
/// reader that paused gains no credit.
const CATCH_UP: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Stage {
    settings: Bandwidth,
    queue: Queue,
    /// When the wire is free again.
    free: Time,
    /// The piece on the wire: its length and when it has passed.
    wire: Option<(usize, Time)>,
}

impl Stage {
    pub(super) fn new(settings: &Bandwidth) -> Self {
        Self { settings: settings.clone(), queue: Queue::default(), free: Time::ZERO, wire: None }
    }
}

/// The piece of a chunk of `len` bytes that goes on the wire at `bytes_per_ms`, and how long it takes.
pub(super) fn piece(len: usize, bytes_per_ms: u64) -> (usize, Duration) {
    let slice = bytes_per_ms.saturating_mul(SLICE.as_millis() as u64).max(1);
    let len = usize::try_from(slice).map_or(len, |slice| len.min(slice));
    let nanos = len as u128 * 1_000_000 / u128::from(bytes_per_ms.max(1));
    (len, Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

impl super::Stage for Stage {
    fn ready(&self) -> bool {
        self.queue.has_room(PACING_ROOM)
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
                let start = self.free.max(chunk.at).max(now.saturating_sub(CATCH_UP));
                let (len, takes) = piece(chunk.data.len(), rate);
                *self.wire.insert((len, start + takes))
            }
        };
        if at > now {
            return Step::WaitUntil(at);
        }
        self.wire = None;
        self.free = at;
        match self.queue.split(len) {
            Some(mut chunk) => {
                chunk.at = at;
                Step::Send(Item::Data(chunk))
            }
            None => Step::Idle,
        }
    }

    fn update(&mut self, kind: &Kind, now: Time) {
        if let Kind::Bandwidth(settings) = kind {
            self.settings = settings.clone();
            // What is on the wire starts again at the new rate, from now.
            self.wire = None;
            self.free = now;
        }
    }

    fn release(&mut self, _now: Time) -> VecDeque<Item> {
        self.wire = None;
        self.queue.take()
    }
}
