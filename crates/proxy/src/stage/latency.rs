//! Latency: each chunk leaves a while after it came. Delays of chunks overlap, so throughput is not cut.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Item, Queue, Step};
use crate::clock::{Time, delay};
use crate::dice::Dice;
use crate::toxic::{Kind, Latency};

/// How much travels at once: 32 MiB carries 100 MB/s over a third of a second.
const ROOM: usize = 32 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Stage {
    settings: Latency,
    queue: Queue,
    /// When the head leaves, once it has been drawn.
    due: Option<Time>,
}

impl Stage {
    pub(super) fn new(settings: &Latency) -> Self {
        Self { settings: settings.clone(), queue: Queue::default(), due: None }
    }

    fn draw(&self, dice: &mut Dice) -> Duration {
        let jitter = dice.around(self.settings.jitter);
        delay(self.settings.latency.saturating_add(jitter), Duration::from_millis(1))
    }
}

impl super::Stage for Stage {
    fn ready(&self) -> bool {
        self.queue.has_room(ROOM)
    }

    fn offer(&mut self, item: Item, _now: Time) {
        self.queue.push(item);
    }

    fn step(&mut self, now: Time, dice: &mut Dice) -> Step {
        match self.queue.head() {
            None => return Step::Idle,
            // The end follows the last chunk with no delay of its own.
            Some(Item::End(_)) => {}
            Some(Item::Data(chunk)) => {
                let due = match self.due {
                    Some(due) => due,
                    None => *self.due.insert(chunk.at + self.draw(dice)),
                };
                if due > now {
                    return Step::WaitUntil(due);
                }
            }
        }
        match self.queue.pop() {
            None => Step::Idle,
            Some(Item::End(ending)) => Step::Send(Item::End(ending)),
            Some(Item::Data(mut chunk)) => {
                // The moment it was due, not the moment somebody looked: a second latency behind this one adds up exactly.
                chunk.at = self.due.take().unwrap_or(chunk.at);
                Step::Send(Item::Data(chunk))
            }
        }
    }

    fn update(&mut self, kind: &Kind, _now: Time) {
        if let Kind::Latency(settings) = kind {
            self.settings = settings.clone();
            self.due = None;
        }
    }

    fn release(&mut self, _now: Time) -> VecDeque<Item> {
        self.due = None;
        self.queue.take()
    }
}
