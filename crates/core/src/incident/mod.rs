//! One response: its checklists, its queue, who commands, folded from the timeline.
//!
//! Owns the engine: acts, observations and the passing of time in, events out, and the fold that makes the state from
//! the events, so that replay equals live. Leaves the clock, the log, probes and commands to the caller.
//!
//! The caller's loop: [`Incident::decide`] an [`Act`], [`Incident::observe`] a probe's answer, [`Incident::tick`] at
//! [`Incident::next_wake`]; append the events these return to the timeline; [`Incident::apply`] the records that come
//! back, whoever wrote them. Nothing else changes the state. What to show is in [`view`].

mod act;
mod alert;
mod board;
mod control;
mod decide;
mod fold;
mod items;
mod lines;
mod refusal;
mod rows;
mod run;
mod sense;
pub mod view;

use indexmap::IndexMap;
use std::collections::BTreeMap;

use crate::Timestamp;
use crate::event::{Actor, Body, Event, IncidentSeverity, Phase, Record, Verdict};
use crate::ledger::FaultId;
use crate::text::printable;
use crate::units::Name;

use board::Board;
use control::Control;
use run::Status;
use view::{ChecklistState, FaultRow, FaultStage, NoteRow, SteadyRow};

pub use act::{Act, Decision};
pub use alert::Alert;
pub use refusal::Refusal;
pub use sense::{SensedProbe, Senses};

/// One response, as far as its timeline tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incident {
    opened: Option<Opened>,
    closed_at: Option<Timestamp>,
    control: Control,
    board: Board,
    notes: Vec<NoteRow>,
    phase: Option<Phase>,
    verdict: Option<Verdict>,
    faults: IndexMap<FaultId, FaultRow>,
    steady: BTreeMap<Name, SteadyRow>,
}

/// How it began.
#[derive(Clone, Debug, PartialEq)]
struct Opened {
    at: Timestamp,
    title: String,
    severity: IncidentSeverity,
    exercise: bool,
    playbook: Option<Name>,
}

impl Incident {
    /// Folds one record. Total: whatever the log holds, in whatever order, it never panics, and what does not fit the
    /// state changes nothing.
    pub fn apply(&mut self, record: &Record) {
        let event = &record.event;
        match &event.body {
            Body::IncidentOpened { title, severity, exercise, playbook } => {
                let (at, title) = (event.occurred, printable(title));
                let (severity, exercise, playbook) = (*severity, *exercise, playbook.clone());
                self.opened.get_or_insert(Opened { at, title, severity, exercise, playbook });
            }
            Body::SeverityChanged { to, .. } => {
                if let Some(opened) = &mut self.opened {
                    opened.severity = *to;
                }
            }
            Body::IncidentClosed { .. } => self.closed_at = Some(event.occurred),
            Body::Note { text } => self.notes.push(NoteRow {
                occurred: event.occurred,
                recorded: event.recorded,
                by: event.by.to_string(),
                text: printable(text),
            }),
            Body::DrillStarted { playbook, .. } => {
                if let Some(opened) = &mut self.opened {
                    opened.playbook.get_or_insert_with(|| playbook.clone());
                }
            }
            Body::DrillPhase { phase } => self.phase = Some(*phase),
            Body::DrillVerdict { verdict, .. } => self.verdict = Some(*verdict),
            Body::SteadyStateLost { probe, measured } => self.steady(probe, true, measured, event.occurred),
            Body::SteadyStateRegained { probe, measured, .. } => {
                self.steady(probe, false, measured, event.occurred);
            }
            Body::FaultApplying { id, fault, target, .. } => {
                let row = FaultRow {
                    id: id.clone(),
                    kind: fault.kind(),
                    target: printable(&target.name),
                    stage: FaultStage::Applying,
                    since: event.occurred,
                    detail: String::new(),
                };
                self.faults.entry(id.clone()).or_insert(row);
            }
            Body::FaultApplied { id } => self.fault(id, FaultStage::Applied, "", event),
            Body::FaultProved { id, evidence } => self.fault(id, FaultStage::Proved, evidence, event),
            Body::FaultNotProved { id, evidence } => self.fault(id, FaultStage::NotProved, evidence, event),
            Body::FaultUndone { id, because } => self.fault(id, FaultStage::Undone, because, event),
            Body::FaultResidue { id, why, manual } => {
                self.fault(id, FaultStage::Residue, &format!("{why}; by hand: {manual}"), event);
            }
            Body::ControlAssumed
            | Body::ControlOffered { .. }
            | Body::ControlAccepted { .. }
            | Body::ControlTransferred { .. }
            | Body::ControlDeclined { .. } => self.control.apply(event),
            _ => self.board.apply(event),
        }
    }

    fn steady(&mut self, probe: &Name, lost: bool, measured: &str, since: Timestamp) {
        let row = SteadyRow { probe: probe.clone(), lost, since, measured: printable(measured) };
        self.steady.insert(probe.clone(), row);
    }

    fn fault(&mut self, id: &FaultId, stage: FaultStage, detail: &str, event: &Event) {
        if let Some(row) = self.faults.get_mut(id) {
            row.stage = stage;
            row.since = event.occurred;
            row.detail = printable(detail);
        }
    }

    /// What the passing of time brings: waits that are over, holds that end, offers of control that run out. Empty
    /// before [`Incident::next_wake`].
    #[must_use]
    pub fn tick(&self, now: Timestamp) -> Vec<Event> {
        if self.next_wake().is_none_or(|wake| wake > now) {
            return Vec::new();
        }
        let mut events: Vec<Event> = self.control.tick(now).into_iter().collect();
        let mut board = self.board.clone();
        // The next wait begins when the one before was over, not when somebody looked.
        while let Some((at, body)) = next_due(&board).filter(|(at, _)| *at <= now) {
            events.extend(board.settle(vec![Event::at(at, now, Actor::tool(), body)], now));
        }
        events
    }

    /// When [`Incident::tick`] has something to say next, if ever.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        if self.closed_at.is_some() {
            return None;
        }
        let offer = self.control.offer.as_ref().map(|offer| offer.expires);
        offer.into_iter().chain(next_due(&self.board).map(|(at, _)| at)).min()
    }
}

/// The first wait or hold to end, with the event of its end.
fn next_due(board: &Board) -> Option<(Timestamp, Body)> {
    let mut first: Option<(Timestamp, Body)> = None;
    let mut consider = |at: Timestamp, body: Body| {
        if first.as_ref().is_none_or(|(earliest, _)| at < *earliest) {
            first = Some((at, body));
        }
    };
    for run in
        board.runs.values().filter(|run| matches!(run.state, ChecklistState::Open | ChecklistState::Held))
    {
        if let (ChecklistState::Held, Some(resume_by)) = (run.state, run.resume_by) {
            let checklist = run.name.clone();
            consider(resume_by, Body::ChecklistOpened { checklist, despite_inhibit: false });
        }
        for (_, item, state) in run.items() {
            if let Status::Waiting { until } = state.status {
                consider(until, Body::TimerElapsed { item: run.id(item), text: item.text.clone() });
            }
        }
    }
    first
}

#[cfg(test)]
mod tests;
