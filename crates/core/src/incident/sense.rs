//! What probes say, and when a change of it is a fact.
//!
//! Owns the debounce (kept outside the log: samples are telemetry, only changes are events) and what a change leads to.
//! No answer is never green: one unknown is enough to say so, while green and red need samples that agree.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;

use crate::Timestamp;
use crate::checklist::{Item, Kind, Sense};
use crate::event::{Actor, AlertLevel, Body, Event, ItemId};
use crate::probe::{Answer, Observation, Probe};
use crate::text::printable;

use super::Incident;
use super::board::regress_alert;
use super::run::{Applies, ItemState, Run};
use super::view::ChecklistState;

/// How many samples must agree before green or red is believed.
const AGREEING: u32 = 2;
/// After how many intervals without an answer what was known is stale.
pub(super) const STALE_INTERVALS: i32 = 3;

/// The latest samples of sensed items, and how many of them agree. Lives with the caller, beside the log.
#[derive(Clone, Debug)]
pub struct Senses {
    agreeing: u32,
    samples: BTreeMap<ItemId, Sample>,
    /// Since when items without a sample are waited for.
    awaited: BTreeMap<ItemId, Timestamp>,
}

#[derive(Clone, Debug)]
struct Sample {
    observation: Observation,
    at: Timestamp,
    agree: u32,
}

impl Default for Senses {
    fn default() -> Self {
        Self::agreeing(AGREEING)
    }
}

impl Senses {
    /// With this many samples that must agree, at least one.
    #[must_use]
    pub fn agreeing(samples: u32) -> Self {
        Self { agreeing: samples.max(1), samples: BTreeMap::new(), awaited: BTreeMap::new() }
    }

    /// The latest sample of an item, and when it was taken.
    #[must_use]
    pub fn latest(&self, item: &ItemId) -> Option<(&Observation, Timestamp)> {
        self.samples.get(item).map(|sample| (&sample.observation, sample.at))
    }

    /// Takes a sample in; says whether its answer can be believed.
    fn believe(&mut self, item: &ItemId, at: Timestamp, observation: &Observation) -> bool {
        let agree = match self.samples.get(item) {
            Some(before) if before.observation.answer == observation.answer => before.agree.saturating_add(1),
            _ => 1,
        };
        self.samples.insert(item.clone(), Sample { observation: observation.clone(), at, agree });
        observation.answer == Answer::Unknown || agree >= self.agreeing
    }
}

/// A probe that should be asked, over and over.
#[derive(Clone, Debug, PartialEq)]
pub struct SensedProbe {
    /// For which item.
    pub item: ItemId,
    /// What; variables of the lab are unfilled.
    pub probe: Probe,
    /// How often.
    pub every: Duration,
}

impl Incident {
    /// The probes of items that apply, in checklists that are worked on or complete: a complete one is still watched,
    /// because what was true may become false.
    #[must_use]
    pub fn due_probes(&self) -> Vec<SensedProbe> {
        let runs = self.board.runs.values().filter(|_| self.closed_at.is_none());
        runs.flat_map(|run| {
            let watched = watched(run).into_iter();
            watched.map(|(item, sense, _)| SensedProbe {
                item: run.id(item),
                probe: sense.probe.clone(),
                every: sense.every.0,
            })
        })
        .collect()
    }

    /// Takes an answer of a probe in. Events follow only when what is known changes; an answer for an item that is not
    /// watched (any more) changes nothing.
    #[must_use]
    pub fn observe(
        &self,
        senses: &mut Senses,
        now: Timestamp,
        item: &ItemId,
        seen: &Observation,
    ) -> Vec<Event> {
        if senses.believe(item, now, seen) { self.believed(now, item, seen) } else { Vec::new() }
    }

    /// Items that nobody has sampled for three intervals become unknown, whatever was known before.
    #[must_use]
    pub fn lapse(&self, senses: &mut Senses, now: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        for due in self.due_probes() {
            let span =
                TimeDelta::from_std(due.every.saturating_add(due.probe.timeout())).unwrap_or(TimeDelta::MAX);
            let span = span.checked_mul(STALE_INTERVALS).unwrap_or(TimeDelta::MAX);
            let lost = Observation {
                answer: Answer::Unknown,
                value: None,
                detail: "nobody has asked for three intervals".to_owned(),
                took: Duration::ZERO,
            };
            // A new beginning: what the log says has its three intervals from now.
            let heard = senses.latest(&due.item).map(|(_, at)| at);
            let heard = heard.unwrap_or_else(|| *senses.awaited.entry(due.item.clone()).or_insert(now));
            if now.signed_duration_since(heard) > span {
                // What was heard before counts no longer towards agreement.
                senses.samples.remove(&due.item);
                events.extend(self.believed(now, &due.item, &lost));
            }
        }
        events
    }

    /// What follows from an answer that is believed.
    fn believed(&self, now: Timestamp, item: &ItemId, seen: &Observation) -> Vec<Event> {
        let run = self.board.runs.get(&item.checklist).filter(|_| self.closed_at.is_none());
        let line = run
            .and_then(|run| Some((run, watched(run).into_iter().find(|(line, ..)| line.id == item.item)?)));
        let Some((run, (line, _, state))) = line else { return Vec::new() };
        let bodies = change(run, item, line, state, seen);
        if bodies.is_empty() {
            return Vec::new();
        }
        let caused = bodies.into_iter().map(|body| Event::now(now, Actor::tool(), body)).collect();
        self.board.clone().settle(caused, now)
    }
}

/// What an answer changes about an item.
fn change(run: &Run, id: &ItemId, line: &Item, state: &ItemState, seen: &Observation) -> Vec<Body> {
    let (item, text) = (id.clone(), line.text.clone());
    let detail = printable(&seen.detail);
    if let Kind::Decide { .. } = line.kind {
        let to = match seen.answer {
            Answer::Satisfied => Some("yes".to_owned()),
            Answer::Unsatisfied => Some("no".to_owned()),
            Answer::Unknown => None,
        };
        let known = state.answer.as_ref();
        let same = match (&to, known) {
            // A person may have answered because the probe does not: that stands.
            (None, known) => known.is_none_or(|known| !known.by_probe),
            (Some(to), known) => known.is_some_and(|known| known.by_probe && known.answer == *to),
        };
        return if same { Vec::new() } else { vec![Body::ConditionSensed { item, text, to, detail }] };
    }
    if state.sense == seen.answer {
        return Vec::new();
    }
    let (from, to) = (state.sense, seen.answer);
    let value = seen.value.as_deref().map(printable);
    let mut bodies = vec![Body::ItemSensed {
        item: item.clone(),
        text: text.clone(),
        from,
        to,
        value,
        detail: detail.clone(),
    }];
    if to == Answer::Unsatisfied && state.was_satisfied {
        let title = format!("No longer so: {text}");
        bodies.push(Body::ItemRegressed { item, text, detail });
        let complete = matches!(run.state, ChecklistState::Complete | ChecklistState::CompleteExceptDeferred);
        if complete && let Some(alert) = regress_alert(&run.name) {
            let checklist = Some(run.name.clone());
            bodies.push(Body::AlertRaised { alert, level: AlertLevel::Caution, title, checklist });
        }
    }
    bodies
}

/// The items of a checklist whose probes count now.
fn watched(run: &Run) -> Vec<(&Item, &Sense, &ItemState)> {
    let complete = match run.state {
        ChecklistState::Open | ChecklistState::Held => false,
        ChecklistState::Complete | ChecklistState::CompleteExceptDeferred => true,
        _ => return Vec::new(),
    };
    let applies = run.applies();
    run.items()
        .filter(|(n, item, _)| {
            // The answers that a complete checklist was worked by stand.
            applies[*n] == Applies::Yes && !(complete && matches!(item.kind, Kind::Decide { .. }))
        })
        .filter_map(|(_, item, state)| Some((item, item.sense()?, state)))
        .collect()
}
