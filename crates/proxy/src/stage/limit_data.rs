//! Limit data: so many bytes pass, to the byte, and then the connection closes.

use std::collections::VecDeque;

use super::{Ending, Item, PACING_ROOM, Queue, Step};
use crate::clock::Time;
use crate::dice::Dice;
use crate::toxic::{Kind, LimitData};

#[derive(Debug)]
pub(super) struct Stage {
    settings: LimitData,
    queue: Queue,
    /// Bytes that have passed, over all updates.
    passed: u64,
    done: bool,
}

impl Stage {
    pub(super) fn new(settings: &LimitData) -> Self {
        Self { settings: settings.clone(), queue: Queue::default(), passed: 0, done: false }
    }

    fn left(&self) -> u64 {
        u64::try_from(self.settings.bytes).unwrap_or(0).saturating_sub(self.passed)
    }
}

impl super::Stage for Stage {
    fn ready(&self) -> bool {
        !self.done && self.queue.has_room(PACING_ROOM)
    }

    fn offer(&mut self, item: Item, _now: Time) {
        if !self.done {
            self.queue.push(item);
        }
    }

    fn step(&mut self, _now: Time, _dice: &mut Dice) -> Step {
        if self.done {
            return Step::Idle;
        }
        // The limit is reached by passing its last byte; a limit of nothing, by the first byte that wants to pass.
        let reached = self.left() == 0;
        match self.queue.head() {
            Some(Item::Data(_)) if reached => {}
            None if reached && self.passed > 0 => {}
            None => return Step::Idle,
            Some(Item::End(_)) => return self.queue.pop().map_or(Step::Idle, Step::Send),
            Some(Item::Data(_)) => {
                let room = usize::try_from(self.left()).unwrap_or(usize::MAX);
                return self.queue.split(room).map_or(Step::Idle, |chunk| {
                    self.passed += chunk.data.len() as u64;
                    Step::Send(Item::Data(chunk))
                });
            }
        }
        self.done = true;
        self.queue.take();
        Step::Send(Item::End(Ending::Close))
    }

    fn update(&mut self, kind: &Kind, _now: Time) {
        if let Kind::LimitData(settings) = kind {
            self.settings = settings.clone();
        }
    }

    fn release(&mut self, _now: Time) -> VecDeque<Item> {
        self.queue.take()
    }
}
