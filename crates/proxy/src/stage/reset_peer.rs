//! Reset peer: the first sign of life in its direction starts a clock, and when that runs out both sides get an RST.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Ending, Item, Step};
use crate::clock::{Time, delay};
use crate::dice::Dice;
use crate::toxic::{Kind, ResetPeer};

#[derive(Debug)]
pub(super) struct Stage {
    settings: ResetPeer,
    /// When the reset is due. Once set it stays: what arrived was swallowed.
    due: Option<Time>,
    done: bool,
}

impl Stage {
    pub(super) fn new(settings: &ResetPeer) -> Self {
        Self { settings: settings.clone(), due: None, done: false }
    }
}

impl super::Stage for Stage {
    fn ready(&self) -> bool {
        self.due.is_none()
    }

    fn offer(&mut self, _item: Item, now: Time) {
        self.due.get_or_insert(now + delay(self.settings.timeout, Duration::from_millis(1)));
    }

    fn step(&mut self, now: Time, _dice: &mut Dice) -> Step {
        match self.due {
            Some(due) if !self.done && due > now => Step::WaitUntil(due),
            Some(_) if !self.done => {
                self.done = true;
                Step::Send(Item::End(Ending::Reset))
            }
            _ => Step::Idle,
        }
    }

    fn update(&mut self, kind: &Kind, _now: Time) {
        if let Kind::ResetPeer(settings) = kind {
            self.settings = settings.clone();
        }
    }

    fn release(&mut self, _now: Time) -> VecDeque<Item> {
        VecDeque::new()
    }

    fn committed(&self) -> bool {
        self.due.is_some()
    }
}
