//! Slicer: chunks are cut into small pieces, with a pause after each.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Item, PACING_ROOM, Queue, Step};
use crate::clock::{Time, delay};
use crate::dice::Dice;
use crate::toxic::{Kind, Slicer};

#[derive(Debug)]
pub(super) struct Stage {
    settings: Slicer,
    queue: Queue,
    /// Lengths the head is cut into, the next one last. Only the halves on the way to the next piece are ever listed, so that a
    /// large chunk in tiny pieces costs no memory.
    plan: Vec<usize>,
    /// Nothing leaves before this.
    pause: Time,
    /// Bytes at the head that go out whole since the attributes changed while they were being cut.
    whole: usize,
}

impl Stage {
    pub(super) fn new(settings: &Slicer) -> Self {
        Self {
            settings: settings.clone(),
            queue: Queue::default(),
            plan: Vec::new(),
            pause: Time::ZERO,
            whole: 0,
        }
    }

    /// Halves what is planned next until it is small enough, and takes it off the plan.
    fn next_piece(&mut self, dice: &mut Dice) -> Option<usize> {
        let average = usize::try_from(self.settings.average_size).unwrap_or(0).max(1);
        let variation = usize::try_from(self.settings.size_variation).unwrap_or(0);
        let enough = average.saturating_add(variation);
        loop {
            let len = self.plan.pop()?;
            if len <= enough {
                return Some(len);
            }
            // Offsets beyond the chunk are cut to leave a byte on either side.
            let offset = dice.around(self.settings.size_variation.min(len as i64));
            let middle =
                (len / 2).saturating_add_signed(isize::try_from(offset).unwrap_or(0)).clamp(1, len - 1);
            self.plan.push(len - middle);
            self.plan.push(middle);
        }
    }
}

impl super::Stage for Stage {
    fn ready(&self) -> bool {
        self.queue.has_room(PACING_ROOM)
    }

    fn offer(&mut self, item: Item, _now: Time) {
        self.queue.push(item);
    }

    fn step(&mut self, now: Time, dice: &mut Dice) -> Step {
        if self.queue.head().is_none() {
            return Step::Idle;
        }
        if self.pause > now {
            return Step::WaitUntil(self.pause);
        }
        let len = match self.queue.head() {
            Some(Item::Data(_)) if self.whole > 0 => std::mem::take(&mut self.whole),
            Some(Item::Data(chunk)) => {
                if self.plan.is_empty() {
                    self.plan.push(chunk.data.len());
                }
                self.next_piece(dice).unwrap_or(0)
            }
            _ => return self.queue.pop().map_or(Step::Idle, Step::Send),
        };
        match self.queue.split(len) {
            Some(mut piece) => {
                piece.at = piece.at.max(self.pause);
                self.pause = now + delay(self.settings.delay, Duration::from_micros(1));
                Step::Send(Item::Data(piece))
            }
            None => Step::Idle,
        }
    }

    fn update(&mut self, kind: &Kind, _now: Time) {
        if let Kind::Slicer(settings) = kind {
            self.settings = settings.clone();
            self.pause = Time::ZERO;
            self.whole = self.plan.drain(..).sum();
        }
    }

    fn release(&mut self, _now: Time) -> VecDeque<Item> {
        self.plan.clear();
        self.queue.take()
    }
}
