//! Corrupt: single bytes change on the way. Length, order and time stay.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Chunk, Item, PACING_ROOM, Queue, Step};
use crate::clock::Time;
use crate::dice::Dice;
use crate::toxic::{Corrupt, Kind};

#[derive(Debug)]
pub(super) struct Stage {
    settings: Corrupt,
    queue: Queue,
    /// Bytes that still pass unharmed before the next one changes.
    spared: Option<u64>,
}

impl Stage {
    pub(super) fn new(settings: &Corrupt) -> Self {
        Self { settings: settings.clone(), queue: Queue::default(), spared: None }
    }

    /// How many bytes are spared in a row, so that in the long run the asked share is hit.
    fn draw(&self, dice: &mut Dice) -> u64 {
        let share = self.settings.rate;
        if share >= 1.0 {
            return 0;
        }
        if share <= 0.0 {
            return u64::MAX;
        }
        // The length of a run of misses is geometrically distributed.
        let run = (1.0 - dice.fraction()).ln() / (-share).ln_1p();
        // Beyond the largest integer the cast stays at it.
        run as u64
    }

    fn corrupt(&mut self, chunk: Chunk, dice: &mut Dice) -> Chunk {
        let len = chunk.data.len() as u64;
        let mut next = match self.spared {
            Some(spared) => spared,
            None => self.draw(dice),
        };
        if next >= len {
            self.spared = Some(next - len);
            return chunk;
        }
        let mut data = chunk.data.to_vec();
        while let Some(byte) = usize::try_from(next).ok().and_then(|at| data.get_mut(at)) {
            // Never a change by nothing.
            *byte ^= u8::try_from(1 + dice.below(255)).unwrap_or(1);
            next = next.saturating_add(1).saturating_add(self.draw(dice));
        }
        self.spared = Some(next - len);
        Chunk { data: Bytes::from(data), at: chunk.at }
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
        match self.queue.pop() {
            None => Step::Idle,
            Some(Item::Data(chunk)) => Step::Send(Item::Data(self.corrupt(chunk, dice))),
            Some(end) => Step::Send(end),
        }
    }

    fn update(&mut self, kind: &Kind, _now: Time) {
        if let Kind::Corrupt(settings) = kind {
            self.settings = settings.clone();
            self.spared = None;
        }
    }

    fn release(&mut self, _now: Time) -> VecDeque<Item> {
        self.queue.take()
    }
}
