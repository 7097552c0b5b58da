//! The debrief: what a drill or an incident was, read off its records alone.
//!
//! Owns the figures; `score` compares what people did with what would have been right, `text` writes all of it for
//! people. Leaves reading the timeline to its caller.

mod score;
#[cfg(test)]
mod tests;
mod text;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::event::{Actor, Body, Record, SliceKind, Verdict};
use crate::fault::FaultKind;
use crate::ledger::FaultId;
use crate::units::{HumanDuration, Name};

use score::Truth;

/// What is recorded longer than this after it happened is said to be late.
const LATE: chrono::TimeDelta = chrono::TimeDelta::minutes(1);

/// Everything worth saying afterwards.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Debrief {
    /// The incident's title.
    pub title: String,
    /// Whether it was a drill.
    pub exercise: bool,
    /// When the response began.
    pub opened_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// The playbook, for drills.
    pub playbook: Option<Name>,
    /// How the drill ended, and why.
    pub verdict: Option<(Verdict, String)>,
    /// What was opened when.
    pub holes: Vec<Hole>,
    /// Which defences held, by choice.
    pub defences: Vec<Name>,
    /// When steady state was lost and regained.
    pub losses: Vec<Loss>,
    /// What the responders did when.
    pub response: Response,
    /// What was injected and undone when.
    pub faults: Vec<Fault>,
    /// Each checklist that was queued.
    pub checklists: Vec<Checklist>,
    /// Events that were recorded more than a minute after they happened.
    pub recorded_late: usize,
}

/// A hole that was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hole {
    /// Its slice.
    pub slice: Name,
    /// Active failure or latent condition.
    pub kind: SliceKind,
    /// What it is.
    pub hole: String,
    /// When.
    pub opened_at: Timestamp,
}

/// A loss of steady state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Loss {
    /// Which probe saw it.
    pub probe: Name,
    /// When.
    pub lost_at: Timestamp,
    /// When it was back; none when it never was.
    pub regained_at: Option<Timestamp>,
}

/// What the responders did, in times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Response {
    /// The first loss of steady state: what all else is measured from.
    pub onset: Option<Timestamp>,
    /// When the alert came.
    pub alerted_at: Option<Timestamp>,
    /// When somebody first did anything about it.
    pub first_act: Option<Moment>,
    /// When somebody first named the right target.
    pub named_target: Option<Moment>,
    /// When somebody first acted on the right target.
    pub acted_on_target: Option<Moment>,
    /// How often a wrong target was named.
    pub wrong_targets: usize,
    /// Whether there is anything to compare with: false means that no right answer was recorded.
    pub scored: bool,
}

/// Somebody did something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Moment {
    /// When it happened.
    pub at: Timestamp,
    /// When it was recorded: later when somebody back-dated it.
    pub recorded_at: Timestamp,
    /// Who.
    pub by: Actor,
    /// Since the onset.
    pub after_onset: HumanDuration,
}

/// A fault's life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fault {
    /// Which.
    pub id: FaultId,
    /// What.
    pub kind: FaultKind,
    /// On whom.
    pub target: String,
    /// When it was applied.
    pub applied_at: Option<Timestamp>,
    /// Whether its effect was seen, and what was.
    pub proof: Option<(bool, String)>,
    /// When it was out, and why then.
    pub undone: Option<(Timestamp, String)>,
    /// What is left, and the command that removes it.
    pub residue: Option<(String, String)>,
}

/// A checklist's life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Checklist {
    /// Which.
    pub name: Name,
    /// When it was first opened.
    pub opened_at: Option<Timestamp>,
    /// When it was complete.
    pub completed_at: Option<Timestamp>,
    /// Items that were gone past.
    pub overridden: usize,
}

impl Debrief {
    /// Reads the figures off the records, in timeline order.
    #[must_use]
    pub fn of(records: &[Record]) -> Self {
        let mut debrief = Self::default();
        let mut truth = None;
        for record in records {
            debrief.take(record, &mut truth);
        }
        debrief.response.onset = debrief.losses.iter().map(|loss| loss.lost_at).min();
        debrief.response.score(records, truth.as_ref());
        debrief
    }

    fn take(&mut self, record: &Record, truth: &mut Option<Truth>) {
        let event = &record.event;
        let at = event.occurred;
        if event.back_dated_by() > LATE {
            self.recorded_late += 1;
        }
        match &event.body {
            Body::IncidentOpened { title, exercise, playbook, .. } => {
                (self.title, self.exercise) = (title.clone(), *exercise);
                self.opened_at = Some(at);
                self.playbook.clone_from(playbook);
            }
            Body::IncidentClosed { .. } => self.closed_at = Some(at),
            Body::DrillVerdict { verdict, because } => self.verdict = Some((*verdict, because.clone())),
            Body::DrillGroundTruth { checklist, target, act } => {
                *truth =
                    Some(Truth { checklist: checklist.clone(), target: target.clone(), act: act.clone() });
            }
            Body::HoleOpened { slice, kind, hole } => {
                self.holes.push(Hole {
                    slice: slice.clone(),
                    kind: *kind,
                    hole: hole.clone(),
                    opened_at: at,
                });
            }
            Body::HoleClosed { slice, .. } => self.defences.push(slice.clone()),
            Body::SteadyStateLost { probe, .. } => {
                self.losses.push(Loss { probe: probe.clone(), lost_at: at, regained_at: None });
            }
            Body::SteadyStateRegained { probe, .. } => {
                let open =
                    self.losses.iter_mut().rev().find(|l| &l.probe == probe && l.regained_at.is_none());
                if let Some(loss) = open {
                    loss.regained_at = Some(at);
                }
            }
            Body::AlertRaised { .. } => {
                self.response.alerted_at.get_or_insert(at);
            }
            Body::FaultApplying { id, fault, target, .. } => self.faults.push(Fault {
                id: id.clone(),
                kind: fault.kind(),
                target: target.name.clone(),
                applied_at: None,
                proof: None,
                undone: None,
                residue: None,
            }),
            Body::FaultApplied { id } => self.fault(id, |fault| fault.applied_at = Some(at)),
            Body::FaultProved { id, evidence } => {
                self.fault(id, |f| f.proof = Some((true, evidence.clone())));
            }
            Body::FaultNotProved { id, evidence } => {
                self.fault(id, |fault| fault.proof = Some((false, evidence.clone())));
            }
            Body::FaultUndone { id, because } => self.fault(id, |f| f.undone = Some((at, because.clone()))),
            Body::FaultResidue { id, why, manual } => {
                self.fault(id, |fault| fault.residue = Some((why.clone(), manual.clone())));
            }
            Body::ChecklistQueued { checklist, .. }
                if !self.checklists.iter().any(|c| &c.name == checklist) =>
            {
                let name = checklist.clone();
                self.checklists.push(Checklist { name, opened_at: None, completed_at: None, overridden: 0 });
            }
            Body::ChecklistOpened { checklist, .. } => self.checklist(checklist, |c| {
                c.opened_at.get_or_insert(at);
            }),
            Body::ChecklistComplete { checklist, .. } => {
                self.checklist(checklist, |c| c.completed_at = Some(at));
            }
            Body::ItemOverridden { item, .. } => self.checklist(&item.checklist, |c| c.overridden += 1),
            _ => {}
        }
    }

    fn fault(&mut self, id: &FaultId, change: impl FnOnce(&mut Fault)) {
        if let Some(fault) = self.faults.iter_mut().find(|fault| &fault.id == id) {
            change(fault);
        }
    }

    fn checklist(&mut self, name: &Name, change: impl FnOnce(&mut Checklist)) {
        if let Some(checklist) = self.checklists.iter_mut().find(|c| &c.name == name) {
            change(checklist);
        }
    }
}
