//! Timeout: data vanishes, and after a time without any the connection closes.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Ending, Item, Step};
use crate::clock::{Time, delay};
use crate::dice::Dice;
use crate::toxic::{Kind, Timeout};

#[derive(Debug)]
pub(super) struct Stage {
    settings: Timeout,
    /// The last data, or when the toxic came.
    quiet_since: Time,
    end: Option<Ending>,
    done: bool,
}

impl Stage {
    pub(super) fn new(settings: &Timeout, now: Time) -> Self {
        Self { settings: settings.clone(), quiet_since: now, end: None, done: false }
    }
}

impl super::Stage for Stage {
    fn ready(&self) -> bool {
        !self.done && self.end.is_none()
    }

    fn offer(&mut self, item: Item, now: Time) {
        match item {
            Item::Data(_) => self.quiet_since = now,
            Item::End(ending) => self.end = Some(ending),
        }
    }

    fn step(&mut self, now: Time, _dice: &mut Dice) -> Step {
        if self.done {
            return Step::Idle;
        }
        if let Some(ending) = self.end.take() {
            self.done = true;
            return Step::Send(Item::End(ending));
        }
        if self.settings.timeout <= 0 {
            return Step::Idle;
        }
        let due = self.quiet_since + delay(self.settings.timeout, Duration::from_millis(1));
        if due > now {
            return Step::WaitUntil(due);
        }
        self.done = true;
        Step::Send(Item::End(Ending::Close))
    }

    fn update(&mut self, kind: &Kind, now: Time) {
        if let Kind::Timeout(settings) = kind {
            self.settings = settings.clone();
            self.quiet_since = now;
        }
    }

    /// Bytes may be missing by now: the connection cannot go on.
    fn release(&mut self, _now: Time) -> VecDeque<Item> {
        if std::mem::replace(&mut self.done, true) {
            VecDeque::new()
        } else {
            VecDeque::from([Item::End(Ending::Close)])
        }
    }
}
