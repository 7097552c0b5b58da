//! What people may do with single items.
//!
//! Owns the guards of the item table. A sensed item is never confirmed by a person; nothing inactive is done; what
//! cannot be taken back needs two people.

use std::collections::BTreeMap;

use crate::checklist::{Item, Kind, READING};
use crate::event::{Actor, Body, ItemId};
use crate::probe::Answer;
use crate::source::did_you_mean;
use crate::template;
use crate::text::printable;

use super::board::Board;
use super::decide::{required, second};
use super::run::{Applies, ItemState, Run, Status};
use super::view::ChecklistState::{CompleteExceptDeferred, Held, Open, Overridden};
use super::{Incident, Refusal};

/// An item found, with all that guards look at.
pub(super) struct Found<'a> {
    id: &'a ItemId,
    run: &'a Run,
    position: usize,
    item: &'a Item,
    state: &'a ItemState,
}

impl Incident {
    /// An item, whether or not it can be worked on.
    pub(super) fn found<'a>(&'a self, id: &'a ItemId) -> Result<Found<'a>, Refusal> {
        let run = self.run(&id.checklist)?;
        if run.definition.is_err() {
            return Err(Refusal::Unreadable(id.checklist.clone()));
        }
        let Some((position, item, state)) = run.find(&id.item) else {
            let known = run.items().map(|(_, item, _)| item.id.as_str());
            return Err(Refusal::NoSuchItem(id.clone(), did_you_mean(&id.item, known)));
        };
        Ok(Found { id, run, position, item, state })
    }

    /// An item that applies, in a checklist that is open (or, for deferred items, done but for them).
    pub(super) fn workable<'a>(&'a self, id: &'a ItemId) -> Result<Found<'a>, Refusal> {
        let found = self.found(id)?;
        let states = match found.item.kind {
            // What was left for later is done later, whatever became of the rest.
            Kind::Deferred { .. } if found.state.is_left_for_later() => {
                &[Open, Held, CompleteExceptDeferred, Overridden][..]
            }
            Kind::Deferred { .. } => &[Open, CompleteExceptDeferred],
            _ => &[Open],
        };
        self.run_in(&id.checklist, states, "open it first, or reset it when it is finished")?;
        match found.run.applies().get(found.position) {
            Some(Applies::Yes) => Ok(found),
            Some(Applies::Unless(decision)) => {
                let decision = found.run.items().nth(*decision).map(|(_, item, _)| found.run.id(item));
                let decision = decision.unwrap_or_else(|| id.clone());
                Err(Refusal::Undetermined { item: id.clone(), decision })
            }
            Some(Applies::No) | None => Err(Refusal::Inactive(id.clone())),
        }
    }
}

impl Found<'_> {
    fn wrong(&self, hint: &'static str) -> Refusal {
        let state = match self.state.status {
            Status::Pending => "open",
            Status::Waiting { .. } => "waiting",
            Status::Done => "done",
            Status::Overridden => "overridden",
            Status::Deferred => "deferred",
        };
        Refusal::WrongItem { item: self.id.clone(), state, hint }
    }

    pub(super) fn reopen(&self, reason: &str) -> Result<Body, Refusal> {
        if self.state.status != Status::Done || matches!(self.item.kind, Kind::Wait(_)) {
            return Err(self.wrong("only what a person has done can be reopened"));
        }
        Ok(Body::ItemReopened { item: self.id.clone(), reason: required(reason, "reason")? })
    }

    pub(super) fn clear_override(&self) -> Result<Body, Refusal> {
        if self.state.status != Status::Overridden {
            return Err(self.wrong("it is not overridden"));
        }
        Ok(Body::ItemOverrideCleared { item: self.id.clone() })
    }

    pub(super) fn defer(&self, board: &Board) -> Result<Body, Refusal> {
        match &self.item.kind {
            Kind::Deferred { to } if self.state.status == Status::Pending => {
                match board.leave_for_later(self.run, self.item, &to.value) {
                    Body::ItemNotDeferrable { item, to, .. } => Err(Refusal::NotDeferrable { item, to }),
                    body => Ok(body),
                }
            }
            _ => Err(self.wrong("only open items of the deferred part can be left for later")),
        }
    }

    pub(super) fn cancel_deferral(&self, reason: &str) -> Result<Body, Refusal> {
        if !self.state.is_left_for_later() {
            return Err(self.wrong("it is not deferred"));
        }
        Ok(Body::ItemDeferralCancelled { item: self.id.clone(), reason: required(reason, "reason")? })
    }

    pub(super) fn ran(&self, command: &[String], exit: Option<i32>, output: &str) -> Result<Body, Refusal> {
        if self.item.run.is_none() {
            return Err(self.wrong("it has no command"));
        }
        let command = command.iter().map(|argument| printable(argument)).collect();
        Ok(Body::ItemRan { item: self.id.clone(), command, exit, output: printable(output) })
    }

    pub(super) fn confirm(
        &self,
        by: &Actor,
        reading: Option<&str>,
        with: Option<&str>,
    ) -> Result<Body, Refusal> {
        let item = self.id.clone();
        let text = self.item.text.clone();
        match self.item.kind {
            Kind::Sensed(_) => return Err(Refusal::OnlyItsProbe { item, sense: self.state.sense.word() }),
            Kind::Decide { .. } => return Err(self.wrong("it is a question: answer it")),
            Kind::Wait(_) => return Err(self.wrong("it ends by itself; override it to cut it short")),
            Kind::Deferred { .. } if self.state.is_left_for_later() => {
                return Ok(Body::ItemDeferredDone { item, text });
            }
            Kind::Do | Kind::Deferred { .. } => {}
        }
        if self.state.status != Status::Pending {
            return Err(self.wrong("only an open item can be confirmed"));
        }
        let with = second(self.item.irreversible, by, with, &self.item.text)?;
        let reading = reading.map(|reading| printable(reading).trim().to_owned());
        let reading = reading.filter(|reading| !reading.is_empty());
        if let (Some(asked), None) = (&self.item.reading, &reading) {
            return Err(Refusal::NeedsReading { item, reading: asked.clone() });
        }
        let response = self.item.response.clone().unwrap_or_else(|| "DONE".to_owned());
        Ok(Body::ItemConfirmed { item, text, response, reading, with })
    }

    pub(super) fn answer(&self, answer: &str) -> Result<Body, Refusal> {
        let item = self.id.clone();
        let Kind::Decide { answers, sense, .. } = &self.item.kind else {
            return Err(self.wrong("it is no question"));
        };
        if self.state.status == Status::Overridden {
            return Err(self.wrong("clear the override first"));
        }
        if let Some(given) = self.state.answer.as_ref().filter(|given| given.by_probe) {
            return Err(Refusal::ProbeAnswers { item, answer: given.answer.clone() });
        }
        if !answers.iter().any(|known| known == answer) {
            let hint = did_you_mean(answer, answers.iter().map(String::as_str));
            return Err(Refusal::NotAnAnswer { item, answer: printable(answer), hint });
        }
        let from = self.state.answer.as_ref().map(|given| given.answer.clone());
        let (text, to, for_unknown) = (self.item.text.clone(), answer.to_owned(), sense.is_some());
        Ok(Body::ConditionAnswered { item, text, from, to, for_unknown })
    }

    pub(super) fn pass_over(&self, by: &Actor, reason: &str, with: Option<&str>) -> Result<Body, Refusal> {
        if matches!(self.state.status, Status::Overridden | Status::Deferred) {
            return Err(self.wrong("it cannot be overridden"));
        }
        let reason = required(reason, "reason")?;
        // Passing over a decision passes over everything below it.
        let below = match &self.run.definition {
            Ok(definition) => definition.below(self.position).any(Item::needs_second),
            Err(_) => false,
        };
        let with = second(self.item.needs_second() || below, by, with, &self.item.text)?;
        let sense: Option<Answer> = matches!(self.item.kind, Kind::Sensed(_)).then_some(self.state.sense);
        let (item, text) = (self.id.clone(), self.item.text.clone());
        Ok(Body::ItemOverridden { item, text, reason, sense, with })
    }

    /// The item's command with readings filled in; variables of the lab are left to the caller.
    pub(super) fn command(&self, by: &Actor, with: Option<&str>) -> Result<Vec<String>, Refusal> {
        let Some(command) = &self.item.run else { return Err(self.wrong("it has no command")) };
        second(self.item.irreversible, by, with, &self.item.text)?;
        let mut filled = Vec::with_capacity(command.len());
        for argument in command {
            // Names that are no readings stand for themselves.
            let mut values = BTreeMap::new();
            for name in template::names(&argument.value) {
                let value = match name.strip_prefix(READING) {
                    Some(id) => self.reading(id.trim())?,
                    None => format!("{{{{{name}}}}}"),
                };
                values.insert(name.to_owned(), value);
            }
            let unbound = |unbound: template::Unbound| self.no_reading(&unbound.0);
            filled.push(template::fill(&argument.value, &values).map_err(unbound)?);
        }
        Ok(filled)
    }

    fn reading(&self, id: &str) -> Result<String, Refusal> {
        let state = self.run.find(id).map(|(_, _, state)| state).filter(|state| state.status == Status::Done);
        // A reading that holds a placeholder would be filled again by the caller.
        let value = state.and_then(|state| state.value.clone()).filter(|value| !value.contains("{{"));
        value.ok_or_else(|| self.no_reading(id))
    }

    fn no_reading(&self, id: &str) -> Refusal {
        Refusal::NoReading { item: self.id.clone(), reading: id.to_owned() }
    }
}
