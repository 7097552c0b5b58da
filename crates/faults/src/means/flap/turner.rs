//! Whoever lets the tables of a flapping link act and rest, on a thread of its own.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::failed;
use super::super::table::Held;
use crate::error::FaultError;

/// How long it is bad, and how long good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turns {
    pub(super) down: Duration,
    pub(super) up: Duration,
}

/// The tables, and whoever lets them act.
#[derive(Default)]
pub(super) struct Turner {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    bad: Vec<Held>,
    good: Vec<Held>,
    over: bool,
    failure: Option<String>,
}

impl Default for State {
    /// Nothing there, or nothing any more.
    fn default() -> Self {
        Self { bad: Vec::new(), good: Vec::new(), over: true, failure: None }
    }
}

impl Turner {
    /// Takes the tables over, those of bad spells and those of good ones.
    pub(super) fn take(&self, bad: Vec<Held>, good: Vec<Held>) {
        *self.state() = State { bad, good, over: false, failure: None };
    }

    /// Ends the turns; the tables are the caller's.
    pub(super) fn end(&self) -> impl Iterator<Item = Held> + use<> {
        let State { bad, good, .. } = std::mem::take(&mut *self.state());
        self.changed.notify_all();
        bad.into_iter().chain(good)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the tables of one spell act for this long, and those of the other rest.
    pub(super) fn act(&self, bad: bool, length: Duration) -> Result<(), crate::kernel::KernelError> {
        let mut state = self.state();
        let State { bad: when_bad, good: when_good, .. } = &mut *state;
        let (now, before) = if bad { (when_bad, when_good) } else { (when_good, when_bad) };
        before.iter_mut().try_for_each(|table| table.act_for(Duration::ZERO))?;
        now.iter_mut().try_for_each(|table| table.act_for(length))
    }

    /// How many packets bad spells have met so far; fails when a turn failed.
    pub(super) fn counted(&self) -> Result<u64, FaultError> {
        let state = self.state();
        if let Some(failure) = &state.failure {
            return Err(failed(failure.clone()));
        }
        let mut sum = 0;
        for table in &state.bad {
            sum += table.counted()?;
        }
        Ok(sum)
    }

    /// One spell after the other until it is over; the first bad one has begun.
    pub(super) fn run(&self, Turns { down, up }: Turns, began: Instant, lease: Duration) {
        let (mut next, mut bad) = (began + down, true);
        let end = began + lease;
        while self.waits_until(next.min(end)) && Instant::now() < end {
            bad = !bad;
            let length = if bad { down } else { up };
            next += length;
            let left = next.min(end).saturating_duration_since(Instant::now());
            // After a machine that slept the spell may be over already.
            if left.is_zero() {
                continue;
            }
            if let Err(error) = self.act(bad, left) {
                self.state().failure = Some(error.to_string());
            }
        }
    }

    /// Waits; whether it goes on then.
    fn waits_until(&self, moment: Instant) -> bool {
        let mut state = self.state();
        loop {
            let left = moment.saturating_duration_since(Instant::now());
            if state.over || left.is_zero() {
                return !state.over;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
