//! Which step is due.
//!
//! Owns the sequences of steps that run side by side: the story, and each slice that acts at a time. Within a sequence a
//! step starts when the one before it is done.

use std::collections::VecDeque;

use crate::playbook::Step;
use crate::units::Name;

use super::{Elapsed, StepId};

/// Steps that run one after the other.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    /// The slice they belong to; none for the story.
    pub(super) slice: Option<Name>,
    steps: VecDeque<Step>,
    due: Elapsed,
    begun: bool,
    running: Option<StepId>,
}

/// All sequences of a part of a drill.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedule {
    sequences: Vec<Sequence>,
    next: StepId,
}

/// What became due.
#[derive(Debug, PartialEq)]
pub(super) enum Due {
    /// The sequence of this slice begins.
    Begins(Name),
    /// A step is to be started.
    Start(StepId, Step),
}

impl Schedule {
    pub(super) fn add(&mut self, slice: Option<Name>, at: Elapsed, steps: &[Step]) {
        let steps = steps.iter().cloned().collect();
        self.sequences.push(Sequence { slice, steps, due: at, begun: false, running: None });
    }

    /// Everything that is due by now.
    pub(super) fn due(&mut self, now: Elapsed) -> Vec<Due> {
        let mut due = Vec::new();
        for sequence in &mut self.sequences {
            while sequence.running.is_none() && sequence.due <= now {
                if !sequence.begun {
                    sequence.begun = true;
                    due.extend(sequence.slice.clone().map(Due::Begins));
                }
                match sequence.steps.pop_front() {
                    None => break,
                    Some(Step::Wait(wait)) => sequence.due = now + wait,
                    Some(step) => {
                        self.next += 1;
                        sequence.running = Some(self.next);
                        due.push(Due::Start(self.next, step));
                    }
                }
            }
        }
        due
    }

    /// Notes that a step came to its end; false when it is not one of ours.
    pub(super) fn done(&mut self, step: StepId, now: Elapsed) -> bool {
        let sequence = self.sequences.iter_mut().find(|s| s.running == Some(step));
        let Some(sequence) = sequence else { return false };
        sequence.running = None;
        sequence.due = sequence.due.max(now);
        true
    }

    /// Whether nothing is left to do.
    pub(super) fn is_over(&self) -> bool {
        self.sequences.iter().all(|s| s.running.is_none() && s.steps.is_empty())
    }

    /// Whether a step was started whose end nobody knows yet.
    pub(super) fn is_busy(&self) -> bool {
        self.sequences.iter().any(|s| s.running.is_some())
    }

    /// Forgets everything that has not begun; running steps are the runner's to interrupt.
    pub(super) fn clear(&mut self) {
        self.sequences.clear();
    }
}
