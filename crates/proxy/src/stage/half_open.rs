//! Half open: nothing moves and nothing closes. Senders fill their buffers and wait, as behind a silent path; nothing is lost.

use std::collections::VecDeque;

use super::{Item, Queue, Step};
use crate::clock::Time;
use crate::dice::Dice;
use crate::toxic::Kind;

#[derive(Debug, Default)]
pub(super) struct Stage {
    /// What stages in front had already let go.
    queue: Queue,
}

impl super::Stage for Stage {
    fn ready(&self) -> bool {
        false
    }

    fn offer(&mut self, item: Item, _now: Time) {
        self.queue.push(item);
    }

    fn step(&mut self, _now: Time, _dice: &mut Dice) -> Step {
        Step::Idle
    }

    fn update(&mut self, _kind: &Kind, _now: Time) {}

    fn silent(&self) -> bool {
        true
    }

    fn release(&mut self, _now: Time) -> VecDeque<Item> {
        self.queue.take()
    }
}
