//! All checklists and alerts of an incident, and what follows by itself when one of them changes.
//!
//! Owns the fold across checklists and the consequences: waits that begin, items that are left for later, checklists
//! that are complete, inhibits that end. A decision is tried on a copy of the board, so that what follows from an act is
//! logged with it. Leaves what people may do to [`super::decide`].

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::Timestamp;
use crate::checklist::{ANCHORS, Checklist, Item, Kind, Part, World};
use crate::event::{Actor, Body, Event};
use crate::source::Source;
use crate::units::Name;

use super::control::after;
use super::run::{ItemState, Run, Status};
use super::view::{AlertRow, ChecklistState, Marker};

/// Alerts and checklists.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Board {
    pub(super) alerts: BTreeMap<Name, AlertRow>,
    pub(super) runs: BTreeMap<Name, Run>,
}

impl Board {
    /// Folds one event; what names nothing known changes nothing.
    pub(super) fn apply(&mut self, event: &Event) {
        match &event.body {
            Body::AlertRaised { alert, level, title, checklist } => {
                // Raised again while it is on: its onset stays.
                let on = self.alerts.get(alert).filter(|row| row.cleared_at.is_none());
                let row = AlertRow {
                    alert: alert.clone(),
                    level: *level,
                    title: crate::text::printable(title),
                    checklist: checklist.clone(),
                    raised_at: on.map_or(event.occurred, |row| row.raised_at),
                    cleared_at: None,
                };
                self.alerts.insert(alert.clone(), row);
            }
            Body::AlertCleared { alert } => {
                if let Some(row) = self.alerts.get_mut(alert) {
                    row.cleared_at = Some(event.occurred);
                }
            }
            Body::ChecklistQueued { checklist, title, level, version, digest, definition, alert } => {
                // Pinned: the first definition stays for the life of the incident.
                self.runs.entry(checklist.clone()).or_insert_with(|| {
                    let definition = pinned(checklist, definition);
                    let items = definition.as_ref().map_or(0, |d| d.items.len());
                    Run {
                        name: checklist.clone(),
                        title: crate::text::printable(title),
                        level: *level,
                        version: version.clone(),
                        digest: digest.clone(),
                        definition,
                        alert: alert.clone(),
                        queued_at: event.occurred,
                        state: ChecklistState::Queued,
                        inhibited_by: None,
                        resume_by: None,
                        number: 1,
                        items: vec![ItemState::default(); items],
                    }
                });
            }
            body => {
                if let Some(run) = body.checklist().and_then(|name| self.runs.get_mut(name)) {
                    run.apply_whole(event);
                } else if let Some(item) = body.item()
                    && let Some(run) = self.runs.get_mut(&item.checklist)
                {
                    run.apply_item(item, event);
                }
            }
        }
    }

    /// Folds events and then everything that follows from them, which is returned behind them.
    pub(super) fn settle(&mut self, mut events: Vec<Event>, now: Timestamp) -> Vec<Event> {
        for event in &events {
            self.apply(event);
        }
        let occurred = events.last().map_or(now, |event| event.occurred);
        // Each pass moves something forward that never moves back by itself, so this ends.
        while let Some(body) = self.next_consequence(occurred) {
            let event = Event::at(occurred, now, Actor::tool(), body);
            self.apply(&event);
            events.push(event);
        }
        events
    }

    fn next_consequence(&self, occurred: Timestamp) -> Option<Body> {
        self.runs.values().find_map(|run| match run.state {
            ChecklistState::Open => self.progress(run, occurred),
            ChecklistState::CompleteExceptDeferred if run.unfinished().is_empty() => Some(completed(run)),
            ChecklistState::CompleteExceptDeferred | ChecklistState::Complete => self.recovered(run),
            ChecklistState::Inhibited => self.release(run),
            _ => None,
        })
    }

    /// What an open checklist does next by itself.
    fn progress(&self, run: &Run, occurred: Timestamp) -> Option<Body> {
        let definition = run.definition.as_ref().ok()?;
        if let Some(n) = run.current()
            && let Some(item) = definition.items.get(n)
            && let Kind::Wait(span) = item.kind
            && run.items[n].status == Status::Pending
        {
            let span = TimeDelta::from_std(span.0).unwrap_or(TimeDelta::MAX);
            let until = after(occurred, span);
            return Some(Body::TimerStarted { item: run.id(item), text: item.text.clone(), until });
        }
        let markers = run.markers();
        let left: Vec<_> = run.items().filter(|(n, ..)| !markers[*n].is_terminal()).collect();
        if left.is_empty() {
            return Some(completed(run));
        }
        if left.iter().any(|(_, item, _)| item.part != Part::Deferred) {
            return None;
        }
        // Only deferred items are left: they are left for later one by one, then the rest is complete.
        for (_, item, state) in &left {
            let Kind::Deferred { to } = &item.kind else { continue };
            if state.status == Status::Pending && !state.due && !state.not_deferrable {
                return Some(self.leave_for_later(run, item, &to.value));
            }
        }
        let waiting_here = left.iter().any(|(_, _, state)| state.not_deferrable);
        (!waiting_here).then(|| Body::ChecklistCompleteExceptDeferred { checklist: run.name.clone() })
    }

    /// An item of the deferred part goes to its moment, unless that is past.
    pub(super) fn leave_for_later(&self, run: &Run, item: &Item, to: &Name) -> Body {
        let (id, text, to) = (run.id(item), item.text.clone(), to.clone());
        if self.is_past(&to) {
            return Body::ItemNotDeferrable { item: id, text, to };
        }
        let by = item.by.clone().unwrap_or_else(|| "nobody in particular".to_owned());
        Body::ItemDeferred { item: id, text, to, by }
    }

    /// Whether the moment items are left for is over.
    fn is_past(&self, to: &Name) -> bool {
        !ANCHORS.contains(&to.as_str()) && self.runs.get(to).is_some_and(Run::is_finished)
    }

    /// The end of the caution about a complete checklist, once all that it confirmed is so again.
    fn recovered(&self, run: &Run) -> Option<Body> {
        let alert = regress_alert(&run.name).filter(|alert| self.alert_active(alert))?;
        let markers = run.markers();
        let mut confirmed = run.items().filter(|(_, item, _)| item.part != Part::Deferred);
        confirmed.all(|(n, ..)| markers[n].is_terminal()).then_some(Body::AlertCleared { alert })
    }

    /// The end of an inhibit whose cause is gone, or its passing to another inhibitor.
    fn release(&self, run: &Run) -> Option<Body> {
        if run.inhibited_by.as_ref().is_some_and(|by| self.inhibits(by, &run.name)) || !self.wanted(run) {
            return None;
        }
        let checklist = run.name.clone();
        Some(match self.inhibitor(&run.name) {
            Some(by) => Body::ChecklistInhibited { checklist, inhibited_by: by.clone() },
            None => Body::ChecklistReleased { checklist },
        })
    }

    /// Whether a checklist's own condition is active: its alert, or, where none called for it, its being unfinished.
    fn wanted(&self, run: &Run) -> bool {
        match &run.alert {
            Some(alert) => self.alert_active(alert),
            None => !run.is_finished(),
        }
    }

    pub(super) fn alert_active(&self, alert: &Name) -> bool {
        self.alerts.get(alert).is_some_and(|row| row.cleared_at.is_none())
    }

    /// Whether one checklist keeps another out of the queue now.
    fn inhibits(&self, by: &Name, other: &Name) -> bool {
        self.runs.get(by).is_some_and(|by| {
            let lists = by.definition.as_ref().is_ok_and(|d| d.inhibits.iter().any(|i| i.value == *other));
            let applies = by.state != ChecklistState::Overridden;
            lists && applies && self.wanted(by) && !self.is_inhibited_through(by, other)
        })
    }

    /// Whether a run is itself kept out, directly or not, by the one named: then it cannot keep that one out.
    fn is_inhibited_through(&self, run: &Run, by: &Name) -> bool {
        let mut next = run.inhibited_by.as_ref();
        // A chain longer than the number of checklists has come round.
        for _ in 0..=self.runs.len() {
            let Some(name) = next else { return false };
            if name == by {
                return true;
            }
            next = self.runs.get(name).and_then(|run| run.inhibited_by.as_ref());
        }
        true
    }

    /// Who keeps a checklist out of the queue, if anybody.
    pub(super) fn inhibitor(&self, other: &Name) -> Option<&Name> {
        self.runs.keys().find(|by| self.inhibits(by, other))
    }

    /// Queued checklists that a checklist keeps out.
    pub(super) fn inhibited_now_by<'a>(&'a self, by: &'a Name) -> impl Iterator<Item = &'a Run> {
        self.runs
            .values()
            .filter(move |run| run.state == ChecklistState::Queued && self.inhibits(by, &run.name))
    }
}

/// The pinned definition, or why it cannot be read.
fn pinned(name: &Name, text: &str) -> Result<Arc<Checklist>, String> {
    let source = Source { name: format!("pinned:{name}"), text: text.to_owned() };
    match Checklist::read(&source, &World::default()) {
        Ok(checklist) if checklist.name.value == *name => Ok(Arc::new(checklist)),
        Ok(other) => Err(format!("the pinned text is that of `{}`", other.name)),
        Err(problems) => Err(problems.first().map_or_else(String::new, |problem| problem.message.clone())),
    }
}

/// The name of the caution that a complete checklist raises when something it had confirmed is so no longer.
pub(super) fn regress_alert(checklist: &Name) -> Option<Name> {
    const SUFFIX: &str = "-regressed";
    let stem: String = checklist.as_str().chars().take(64 - SUFFIX.len()).collect();
    format!("{}{SUFFIX}", stem.trim_end_matches('-')).parse().ok()
}

fn completed(run: &Run) -> Body {
    let markers = run.markers();
    let count = |which: fn(&Marker) -> bool| {
        u32::try_from(markers.iter().filter(|marker| which(marker)).count()).unwrap_or(u32::MAX)
    };
    Body::ChecklistComplete {
        checklist: run.name.clone(),
        done: count(|marker| matches!(marker, Marker::Done | Marker::Sensed)),
        overridden: count(|marker| *marker == Marker::Overridden),
        inactive: count(|marker| *marker == Marker::Inactive),
    }
}
