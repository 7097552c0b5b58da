//! What people may do with checklists as wholes, and with the incident.
//!
//! Owns the guards of the checklist table: a pair of state and act that is not listed is refused with an explanation.
//! Acts on single items are in [`super::items`], calls of control in [`super::control`].

use chrono::TimeDelta;

use crate::Timestamp;
use crate::checklist::Kind;
use crate::event::{Actor, Body, Event};
use crate::text::printable;
use crate::units::{HumanDuration, Name};

use super::control::after;
use super::run::{Run, Status};
use super::view::{ChecklistState, Marker};
use super::{Act, Decision, Incident, Refusal};

impl Incident {
    /// What follows from an act, if it is allowed now. Changes nothing: append the events, then [`Incident::apply`]
    /// their records.
    ///
    /// # Errors
    /// Why the act is not allowed; nothing is to be recorded then.
    pub fn decide(&self, now: Timestamp, by: &Actor, act: &Act) -> Result<Decision, Refusal> {
        let Some(opened) = &self.opened else { return Err(Refusal::NotOpened) };
        if by.as_str().is_empty() {
            return Err(Refusal::Nameless);
        }
        if self.closed_at.is_some() && !matches!(act, Act::Note { .. }) {
            return Err(Refusal::Closed);
        }
        // That a condition is gone is a fact, whoever commands.
        let needs_holder = !matches!(act, Act::Note { .. } | Act::AssumeControl | Act::ClearAlert { .. });
        if self.control.holder.is_none() && needs_holder {
            return Err(Refusal::NobodyInControl);
        }
        let mut happened = now;
        let mut run = None;
        let bodies = match act {
            Act::Note { text, occurred } => {
                happened = past(*occurred, now)?;
                vec![Body::Note { text: required(text, "text")? }]
            }
            Act::SetSeverity { severity } => {
                self.control.holds(by)?;
                vec![Body::SeverityChanged { from: opened.severity, to: *severity }]
            }
            Act::AssumeControl => vec![self.control.assume()?],
            Act::Offer { to, brief } => {
                let brief = brief.as_deref().map_or_else(|| self.brief(), printable);
                vec![self.control.offer(now, by, to, brief)?]
            }
            Act::Accept => vec![self.control.accept(now, by)?],
            Act::Transfer => vec![self.control.transfer(now, by)?],
            Act::Decline { because } => vec![self.control.decline(now, by, because)?],
            Act::ClearAlert { alert } => vec![self.clear(alert)?],
            Act::Open { checklist } => self.open(checklist)?,
            Act::Hold { checklist, resume_in, reason } => {
                vec![self.hold(now, checklist, *resume_in, reason)?]
            }
            Act::Reset { checklist, reason } => vec![self.reset(checklist, reason)?],
            Act::OverrideChecklist { checklist, reason, with } => {
                vec![self.override_whole(by, checklist, reason, with.as_deref())?]
            }
            Act::Confirm { item, reading, with, occurred } => {
                happened = past(*occurred, now)?;
                vec![self.workable(item)?.confirm(by, reading.as_deref(), with.as_deref())?]
            }
            Act::Reopen { item, reason } => vec![self.workable(item)?.reopen(reason)?],
            Act::Answer { item, answer, occurred } => {
                happened = past(*occurred, now)?;
                vec![self.workable(item)?.answer(answer)?]
            }
            Act::Override { item, reason, with, occurred } => {
                happened = past(*occurred, now)?;
                vec![self.workable(item)?.pass_over(by, reason, with.as_deref())?]
            }
            Act::ClearOverride { item } => vec![self.workable(item)?.clear_override()?],
            Act::Defer { item } => vec![self.workable(item)?.defer(&self.board)?],
            Act::CancelDeferral { item, reason } => vec![self.workable(item)?.cancel_deferral(reason)?],
            Act::Run { item, with } => {
                run = Some(self.workable(item)?.command(by, with.as_deref())?);
                Vec::new()
            }
            // Whatever became of the checklist meanwhile, a command that ran is a fact.
            Act::Ran { item, command, exit, output } => {
                vec![self.found(item)?.ran(command, *exit, output)?]
            }
            Act::Close { summary, confirm } => {
                self.control.holds(by)?;
                self.close(required(summary, "summary")?, *confirm)?
            }
        };
        let caused = bodies.into_iter().map(|body| Event::at(happened, now, by.clone(), body)).collect();
        Ok(Decision { events: self.board.clone().settle(caused, now), run })
    }

    fn clear(&self, alert: &Name) -> Result<Body, Refusal> {
        if self.board.alert_active(alert) {
            return Ok(Body::AlertCleared { alert: alert.clone() });
        }
        Err(Refusal::NoSuchAlert(alert.clone()))
    }

    fn hold(
        &self,
        now: Timestamp,
        checklist: &Name,
        resume_in: HumanDuration,
        reason: &str,
    ) -> Result<Body, Refusal> {
        let run = self.run_in(checklist, &[ChecklistState::Open], "only an open checklist can be held")?;
        let span = TimeDelta::from_std(resume_in.0).unwrap_or(TimeDelta::MAX);
        let (checklist, resume_by) = (run.name.clone(), after(now, span));
        Ok(Body::ChecklistHeld { checklist, resume_by, reason: printable(reason) })
    }

    fn reset(&self, checklist: &Name, reason: &str) -> Result<Body, Refusal> {
        let run = self.run(checklist)?;
        let (checklist, run) = (run.name.clone(), run.number.saturating_add(1));
        Ok(Body::ChecklistReset { checklist, reason: required(reason, "reason")?, run })
    }

    fn open(&self, checklist: &Name) -> Result<Vec<Body>, Refusal> {
        use ChecklistState::{Held, Inhibited, Queued};
        let hint = "reset it to work it again";
        let run = self.run_in(checklist, &[Queued, Held, Inhibited], hint)?;
        if run.definition.is_err() {
            return Err(Refusal::Unreadable(checklist.clone()));
        }
        let despite_inhibit = run.state == Inhibited;
        let mut bodies = vec![Body::ChecklistOpened { checklist: checklist.clone(), despite_inhibit }];
        for source in self.board.runs.values() {
            for (_, item, state) in source.items() {
                if let Kind::Deferred { to } = &item.kind
                    && to.value == *checklist
                    && state.status == Status::Deferred
                {
                    let (id, text) = (source.id(item), item.text.clone());
                    bodies.push(Body::ItemDeferredDue { item: id, text, to: checklist.clone() });
                }
            }
        }
        Ok(bodies)
    }

    fn override_whole(
        &self,
        by: &Actor,
        checklist: &Name,
        reason: &str,
        with: Option<&str>,
    ) -> Result<Body, Refusal> {
        use ChecklistState::{Held, Open, Queued};
        self.control.holds(by)?;
        let run = self.run_in(checklist, &[Queued, Open, Held], "nothing is left to override")?;
        let reason = required(reason, "reason")?;
        let unfinished = run.unfinished();
        let grave = run.items().any(|(_, item, _)| item.needs_second() && unfinished.contains(&item.id));
        let with = second(grave, by, with, checklist.as_str())?;
        let reason = with.map_or_else(|| reason.clone(), |with| format!("{reason} (with {with})"));
        Ok(Body::ChecklistOverridden { checklist: checklist.clone(), reason, unfinished })
    }

    fn close(&self, summary: String, confirm: bool) -> Result<Vec<Body>, Refusal> {
        let unfinished: Vec<(&Run, Vec<String>)> = self
            .board
            .runs
            .values()
            .filter(|run| !matches!(run.state, ChecklistState::Complete | ChecklistState::Abandoned))
            .map(|run| match run.state {
                // What does not apply asks for nothing, but what it left for later still does.
                ChecklistState::Overridden => (run, deferred_left(run)),
                _ => (run, run.unfinished()),
            })
            .filter(|(run, items)| !(run.state == ChecklistState::Overridden && items.is_empty()))
            .collect();
        if !unfinished.is_empty() && !confirm {
            let list = unfinished
                .iter()
                .map(|(run, items)| format!("{} is {} ({})", run.name, run.state.word(), items.join(", ")));
            return Err(Refusal::Unfinished(list.collect()));
        }
        let mut bodies: Vec<Body> = unfinished
            .into_iter()
            .map(|(run, unfinished)| Body::ChecklistAbandoned { checklist: run.name.clone(), unfinished })
            .collect();
        bodies.push(Body::IncidentClosed { summary });
        Ok(bodies)
    }

    /// What the receiver of control must know: open checklists with their lines, deferred items, waits, unknown probes.
    fn brief(&self) -> String {
        let mut parts = Vec::new();
        for run in self.board.runs.values().filter(|run| !run.is_finished()) {
            let at = run.current().and_then(|n| run.items().nth(n));
            let at = at.map(|(_, item, _)| format!(" at \"{}\"", item.text)).unwrap_or_default();
            parts.push(format!("{} {}{at}", run.name, run.state.word()));
        }
        let marked = |wanted: Marker| {
            let items = self.board.runs.values().flat_map(move |run| {
                let markers = run.markers();
                run.items()
                    .filter(move |(n, ..)| markers[*n] == wanted)
                    .map(move |(_, item, _)| run.id(item).to_string())
            });
            items.collect::<Vec<_>>()
        };
        for (marker, word) in
            [(Marker::Deferred, "deferred"), (Marker::Waiting, "waiting"), (Marker::Unknown, "unknown")]
        {
            let items = marked(marker);
            if !items.is_empty() {
                parts.push(format!("{word}: {}", items.join(", ")));
            }
        }
        if parts.is_empty() { "nothing is open".to_owned() } else { parts.join("; ") }
    }

    pub(super) fn run(&self, checklist: &Name) -> Result<&Run, Refusal> {
        self.board.runs.get(checklist).ok_or_else(|| Refusal::NoSuchChecklist(checklist.clone()))
    }

    /// A checklist, if it is in one of these states.
    pub(super) fn run_in(
        &self,
        checklist: &Name,
        states: &[ChecklistState],
        hint: &'static str,
    ) -> Result<&Run, Refusal> {
        let run = self.run(checklist)?;
        if states.contains(&run.state) {
            return Ok(run);
        }
        Err(Refusal::WrongState { checklist: checklist.clone(), state: run.state.word(), hint })
    }
}

/// Items left for later that nobody has disposed of.
fn deferred_left(run: &Run) -> Vec<String> {
    let left = run.items().filter(|(_, _, state)| state.is_left_for_later());
    left.map(|(_, item, _)| item.id.clone()).collect()
}

/// A text that must be there; printable and trimmed.
pub(super) fn required(text: &str, what: &'static str) -> Result<String, Refusal> {
    let text = printable(text).trim().to_owned();
    if text.is_empty() { Err(Refusal::Missing(what)) } else { Ok(text) }
}

/// When it happened: now, or earlier.
pub(super) fn past(occurred: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Refusal> {
    match occurred {
        Some(occurred) if occurred > now => Err(Refusal::InFuture),
        Some(occurred) => Ok(occurred),
        None => Ok(now),
    }
}

/// The second person: somebody else, where one is needed.
pub(super) fn second(
    needed: bool,
    by: &Actor,
    with: Option<&str>,
    what: &str,
) -> Result<Option<String>, Refusal> {
    let with = with.map(Actor::person).filter(|with| !with.as_str().is_empty());
    let other = with.filter(|with| !with.as_str().eq_ignore_ascii_case(by.as_str()));
    if needed && other.is_none() {
        return Err(Refusal::NeedsSecond(what.to_owned()));
    }
    Ok(other.map(|with| with.to_string()))
}
