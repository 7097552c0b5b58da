//! Packet loss, as the API calls it: whole chunks vanish from the stream.

use std::collections::VecDeque;

use super::{Item, PACING_ROOM, Queue, Step};
use crate::clock::Time;
use crate::dice::Dice;
use crate::toxic::{Kind, PacketLoss};

#[derive(Debug)]
pub(super) struct Stage {
    settings: PacketLoss,
    queue: Queue,
    lost_the_last: bool,
}

impl Stage {
    pub(super) fn new(settings: &PacketLoss) -> Self {
        Self { settings: settings.clone(), queue: Queue::default(), lost_the_last: false }
    }

    fn loses(&mut self, dice: &mut Dice) -> bool {
        let mut share = self.settings.loss_rate.clamp(0.0, 1.0);
        if self.lost_the_last {
            share += self.settings.correlation.clamp(0.0, 1.0);
        }
        self.lost_the_last = dice.fraction() < share;
        self.lost_the_last
    }
}

impl super::Stage for Stage {
    fn ready(&self) -> bool {
        self.queue.has_room(PACING_ROOM)
    }

    fn offer(&mut self, item: Item, _now: Time) {
        self.queue.push(item);
    }

    fn step(&mut self, _now: Time, dice: &mut Dice) -> Step {
        while let Some(item) = self.queue.pop() {
            if matches!(item, Item::Data(_)) && self.loses(dice) {
                continue;
            }
            return Step::Send(item);
        }
        Step::Idle
    }

    fn update(&mut self, kind: &Kind, _now: Time) {
        if let Kind::PacketLoss(settings) = kind {
            self.settings = settings.clone();
        }
    }

    fn release(&mut self, _now: Time) -> VecDeque<Item> {
        self.queue.take()
    }
}
