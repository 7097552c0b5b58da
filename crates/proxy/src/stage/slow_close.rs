//! Slow close: data passes untouched, the end of the stream is held back.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Item, PACING_ROOM, Queue, Step};
use crate::clock::{Time, delay};
use crate::dice::Dice;
use crate::toxic::{Kind, SlowClose};

#[derive(Debug)]
pub(super) struct Stage {
    settings: SlowClose,
    queue: Queue,
    /// When the end was offered.
    ended: Option<Time>,
}

impl Stage {
    pub(super) fn new(settings: &SlowClose) -> Self {
        Self { settings: settings.clone(), queue: Queue::default(), ended: None }
    }
}

impl super::Stage for Stage {
    fn ready(&self) -> bool {
        self.queue.has_room(PACING_ROOM)
    }

    fn offer(&mut self, item: Item, now: Time) {
        if let Item::End(_) = item {
            self.ended = Some(now);
        }
        self.queue.push(item);
    }

    fn step(&mut self, now: Time, _dice: &mut Dice) -> Step {
        if let (Some(Item::End(_)), Some(ended)) = (self.queue.head(), self.ended) {
            let due = ended + delay(self.settings.delay, Duration::from_millis(1));
            if due > now {
                return Step::WaitUntil(due);
            }
        }
        self.queue.pop().map_or(Step::Idle, Step::Send)
    }

    fn update(&mut self, kind: &Kind, _now: Time) {
        if let Kind::SlowClose(settings) = kind {
            self.settings = settings.clone();
        }
    }

    fn release(&mut self, _now: Time) -> VecDeque<Item> {
        self.queue.take()
    }
}
