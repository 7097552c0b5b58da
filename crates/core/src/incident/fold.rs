//! What events do to one checklist of an incident.
//!
//! Owns the fold of single runs: total, and what does not fit the state changes nothing. Leaves finding the run that an
//! event is about to [`super::board`].

use crate::checklist::{Item, Kind, Part};
use crate::event::{Actor, Body, Event, ItemId};
use crate::probe::Answer;

use super::run::{Answered, ItemState, Run, Status};
use super::view::ChecklistState;

impl ItemState {
    /// Notes who changed it and when.
    fn stamp(&mut self, event: &Event, detail: Option<String>) {
        self.actor = Some(event.by.to_string());
        self.since = Some(event.occurred);
        self.back_dated = event.back_dated_by() > chrono::TimeDelta::zero() && event.by != Actor::tool();
        self.detail = detail;
    }
}

impl Run {
    fn state_of(&mut self, id: &ItemId) -> Option<(&Item, &mut ItemState)> {
        let Ok(definition) = &self.definition else { return None };
        let (n, item) = definition.item(&id.item)?;
        Some((item, self.items.get_mut(n)?))
    }

    /// Begins anew; deferred items keep their state, because a reset never loses a deferral.
    fn reset(&mut self, number: u32) {
        self.number = number;
        self.resume_by = None;
        let parts: Vec<Part> = self.items().map(|(_, item, _)| item.part).collect();
        for (state, part) in self.items.iter_mut().zip(parts) {
            if part != Part::Deferred {
                // What the probe says is no matter of runs.
                *state = ItemState { sense: state.sense, value: state.value.take(), ..ItemState::default() };
            }
        }
    }

    /// Folds one event about the checklist as a whole.
    pub(super) fn apply_whole(&mut self, event: &Event) {
        use ChecklistState as State;
        match &event.body {
            Body::ChecklistInhibited { inhibited_by, .. }
                if matches!(self.state, State::Queued | State::Inhibited) =>
            {
                self.state = State::Inhibited;
                self.inhibited_by = Some(inhibited_by.clone());
            }
            Body::ChecklistReleased { .. } if self.state == State::Inhibited => {
                self.state = State::Queued;
                self.inhibited_by = None;
            }
            Body::ChecklistOpened { .. }
                if matches!(self.state, State::Queued | State::Held | State::Inhibited) =>
            {
                self.state = State::Open;
                self.inhibited_by = None;
                self.resume_by = None;
            }
            Body::ChecklistHeld { resume_by, .. } if self.state == State::Open => {
                self.state = State::Held;
                self.resume_by = Some(*resume_by);
            }
            Body::ChecklistCompleteExceptDeferred { .. } if self.state == State::Open => {
                self.state = State::CompleteExceptDeferred;
            }
            Body::ChecklistComplete { .. } => self.state = State::Complete,
            Body::ChecklistOverridden { .. } => self.state = State::Overridden,
            Body::ChecklistReset { run, .. } => {
                self.reset(*run);
                self.state = State::Queued;
                self.queued_at = event.occurred;
            }
            Body::ChecklistAbandoned { .. } => self.state = State::Abandoned,
            _ => {}
        }
    }

    /// Folds one event about an item; what does not fit changes nothing.
    pub(super) fn apply_item(&mut self, id: &ItemId, event: &Event) {
        let Some((item, state)) = self.state_of(id) else { return };
        match &event.body {
            Body::ItemConfirmed { reading, with, .. }
                if matches!(item.kind, Kind::Do | Kind::Deferred { .. }) =>
            {
                state.status = Status::Done;
                state.value.clone_from(reading);
                state.stamp(event, with.as_ref().map(|with| format!("with {with}")));
            }
            Body::ItemDeferredDone { .. } if matches!(item.kind, Kind::Deferred { .. }) => {
                state.status = Status::Done;
                state.stamp(event, None);
            }
            Body::ItemReopened { reason, .. } if state.status == Status::Done => {
                state.status = Status::Pending;
                state.stamp(event, Some(format!("reopened: {reason}")));
            }
            Body::ItemSensed { to, value, detail, .. } if matches!(item.kind, Kind::Sensed(_)) => {
                state.sense = *to;
                state.was_satisfied |= *to == Answer::Satisfied;
                state.value.clone_from(value);
                state.stamp(event, Some(detail.clone()));
            }
            Body::ItemRegressed { detail, .. } if matches!(item.kind, Kind::Sensed(_)) => {
                state.sense = Answer::Unsatisfied;
                state.was_satisfied = true;
                state.stamp(event, Some(detail.clone()));
            }
            Body::ItemOverridden { reason, with, .. } => {
                state.status = Status::Overridden;
                let with = with.as_ref().map(|with| format!(" (with {with})")).unwrap_or_default();
                state.stamp(event, Some(format!("{reason}{with}")));
            }
            Body::ItemOverrideCleared { .. } if state.status == Status::Overridden => {
                state.status = Status::Pending;
                state.stamp(event, None);
            }
            Body::ConditionAnswered { to, .. } => answered(item, state, event, Some(to), None),
            Body::ConditionSensed { to, detail, .. } => {
                answered(item, state, event, to.as_ref(), Some(detail.clone()));
            }
            Body::TimerStarted { until, .. }
                if state.status == Status::Pending && matches!(item.kind, Kind::Wait(_)) =>
            {
                state.status = Status::Waiting { until: *until };
                state.stamp(event, None);
            }
            Body::TimerElapsed { .. } if matches!(state.status, Status::Waiting { .. }) => {
                state.status = Status::Done;
                state.stamp(event, None);
            }
            Body::ItemDeferred { to, by, .. }
                if state.status == Status::Pending && matches!(item.kind, Kind::Deferred { .. }) =>
            {
                state.status = Status::Deferred;
                state.stamp(event, Some(format!("left for {to}, {by}")));
            }
            Body::ItemDeferredDue { .. } if state.status == Status::Deferred => {
                state.status = Status::Pending;
                state.due = true;
            }
            Body::ItemNotDeferrable { .. } => state.not_deferrable = true,
            Body::ItemDeferralCancelled { reason, .. } => {
                state.status = Status::Overridden;
                state.stamp(event, Some(format!("no longer needed: {reason}")));
            }
            Body::ItemRan { exit, output, .. } => {
                let exit =
                    exit.map_or_else(|| "did not end by itself".to_owned(), |code| format!("exit {code}"));
                state.ran = Some(if output.is_empty() { exit } else { format!("{exit}: {output}") });
            }
            _ => {}
        }
    }
}

/// Folds an answer, if it is one of the decision's.
fn answered(item: &Item, state: &mut ItemState, event: &Event, to: Option<&String>, detail: Option<String>) {
    let Kind::Decide { answers, .. } = &item.kind else { return };
    let by_probe = detail.is_some();
    match to {
        Some(to) if answers.contains(to) => state.answer = Some(Answered { answer: to.clone(), by_probe }),
        Some(_) => return,
        None => state.answer = None,
    }
    state.stamp(event, detail);
}
