//! Duplicate and reorder: what networks do to datagrams. On a TCP stream they corrupt it, chunk by chunk.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Item, PACING_ROOM, Queue, Step};
use crate::clock::{Time, delay};
use crate::dice::Dice;
use crate::toxic::{Duplicate, Kind, Reorder};

#[derive(Debug)]
pub(super) struct Duplicator {
    settings: Duplicate,
    queue: Queue,
    again: Option<Item>,
}

impl Duplicator {
    pub(super) fn new(settings: &Duplicate) -> Self {
        Self { settings: settings.clone(), queue: Queue::default(), again: None }
    }
}

impl super::Stage for Duplicator {
    fn ready(&self) -> bool {
        self.queue.has_room(PACING_ROOM)
    }

    fn offer(&mut self, item: Item, _now: Time) {
        self.queue.push(item);
    }

    fn step(&mut self, _now: Time, dice: &mut Dice) -> Step {
        if let Some(item) = self.again.take() {
            return Step::Send(item);
        }
        let Some(item) = self.queue.pop() else { return Step::Idle };
        if matches!(item, Item::Data(_)) && dice.fraction() < self.settings.share {
            self.again = Some(item.clone());
        }
        Step::Send(item)
    }

    fn update(&mut self, kind: &Kind, _now: Time) {
        if let Kind::Duplicate(settings) = kind {
            self.settings = settings.clone();
        }
    }

    fn release(&mut self, _now: Time) -> VecDeque<Item> {
        let mut released: VecDeque<Item> = self.again.take().into_iter().collect();
        released.append(&mut self.queue.take());
        released
    }
}

#[derive(Debug)]
pub(super) struct Reorderer {
    settings: Reorder,
    queue: Queue,
    /// Chunks that others overtake, by when their time has come.
    held: VecDeque<(Time, Item)>,
}

impl Reorderer {
    pub(super) fn new(settings: &Reorder) -> Self {
        Self { settings: settings.clone(), queue: Queue::default(), held: VecDeque::new() }
    }
}

impl super::Stage for Reorderer {
    fn ready(&self) -> bool {
        self.held.len() < 1_024 && self.queue.has_room(PACING_ROOM)
    }

    fn offer(&mut self, item: Item, _now: Time) {
        self.queue.push(item);
    }

    fn step(&mut self, now: Time, dice: &mut Dice) -> Step {
        loop {
            if self.held.front().is_some_and(|(due, _)| *due <= now) {
                return self.held.pop_front().map_or(Step::Idle, |(_, item)| Step::Send(item));
            }
            match self.queue.head() {
                // The end overtakes nobody.
                Some(Item::End(_)) if !self.held.is_empty() => {}
                None if self.held.is_empty() => return Step::Idle,
                None => {}
                Some(_) => {
                    let Some(item) = self.queue.pop() else { return Step::Idle };
                    if matches!(item, Item::Data(_)) && dice.fraction() < self.settings.share {
                        let due = now + delay(self.settings.delay, Duration::from_millis(1));
                        // The delay may have become shorter since the last one was held.
                        let at = self.held.partition_point(|(other, _)| *other <= due);
                        self.held.insert(at, (due, item));
                        continue;
                    }
                    return Step::Send(item);
                }
            }
            return self.held.front().map_or(Step::Idle, |(due, _)| Step::WaitUntil(*due));
        }
    }

    fn update(&mut self, kind: &Kind, _now: Time) {
        if let Kind::Reorder(settings) = kind {
            self.settings = settings.clone();
        }
    }

    fn release(&mut self, _now: Time) -> VecDeque<Item> {
        let mut released: VecDeque<Item> = self.held.drain(..).map(|(_, item)| item).collect();
        released.append(&mut self.queue.take());
        released
    }
}
