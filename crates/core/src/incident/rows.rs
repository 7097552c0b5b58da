//! From the state to the rows that people look at.
//!
//! Owns the read-only accessors of [`Incident`]; the row types are in [`super::view`]. Nothing here decides anything.

use crate::Timestamp;
use crate::checklist::{Kind, Method, Part};
use crate::event::IncidentSeverity;
use crate::units::Name;

use super::Incident;
use super::lines::rows;
use super::run::{Run, Status};
use super::sense::Senses;
use super::view::{
    AlertRow, ChecklistState, ChecklistView, DeferredRow, FaultRow, IncidentBar, Marker, NoteRow, OfferRow,
    QueueRow, Section, SteadyRow,
};

impl Incident {
    /// What this is, and who commands.
    #[must_use]
    pub fn bar(&self) -> IncidentBar {
        let opened = self.opened.as_ref();
        let pending = self.control.offer.as_ref().map(|offer| OfferRow {
            from: offer.from.to_string(),
            to: offer.to.to_string(),
            accepted: offer.accepted,
            brief: offer.brief.clone(),
            expires: offer.expires,
        });
        IncidentBar {
            title: opened.map_or_else(|| "no incident".to_owned(), |opened| opened.title.clone()),
            // Unsure is worse: nobody said how bad it is.
            severity: opened.map_or(IncidentSeverity::Sev1, |opened| opened.severity),
            exercise: opened.is_some_and(|opened| opened.exercise),
            playbook: opened.and_then(|opened| opened.playbook.clone()),
            opened_at: opened.map(|opened| opened.at),
            closed_at: self.closed_at,
            holder: self.control.holder.as_ref().map(ToString::to_string),
            dual_control: self.control.dual.iter().map(ToString::to_string).collect(),
            pending,
            phase: self.phase,
            verdict: self.verdict,
            faults_active: self.faults.values().filter(|fault| fault.stage.is_active()).count(),
            steady_state_lost_at: self.steady.values().filter(|row| row.lost).map(|row| row.since).min(),
        }
    }

    /// What asks for attention: warning, caution, advisory, then by onset; inhibited checklists under the one that
    /// inhibits them.
    #[must_use]
    pub fn queue(&self) -> Vec<QueueRow> {
        let mut rows: Vec<QueueRow> = self
            .board
            .runs
            .values()
            .filter(|run| {
                matches!(run.state, ChecklistState::Queued | ChecklistState::Open | ChecklistState::Held)
            })
            .map(|run| self.queue_row(run, &mut vec![&run.name]))
            .collect();
        // Inhibited by what is not in the queue (finished with its alert still on): visible all the same.
        let listed = |rows: &[QueueRow], name: &Name| rows.iter().any(|row| row.holds(name));
        for run in self.board.runs.values().filter(|run| run.state == ChecklistState::Inhibited) {
            if !listed(&rows, &run.name) {
                rows.push(self.queue_row(run, &mut vec![&run.name]));
            }
        }
        let spoken_for = |alert: &AlertRow| {
            self.board.runs.values().any(|run| {
                let listed = alert.checklist.as_ref() == Some(&run.name) && !run.is_finished();
                listed || run.alert.as_ref() == Some(&alert.alert)
            })
        };
        let alone = self.board.alerts.values().filter(|row| row.cleared_at.is_none() && !spoken_for(row));
        rows.extend(alone.map(|row| QueueRow {
            checklist: row.checklist.clone(),
            title: row.title.clone(),
            level: row.level,
            state: None,
            alert: Some(row.alert.clone()),
            alert_active: true,
            since: row.raised_at,
            resume_by: None,
            left: 0,
            total: 0,
            folded: Vec::new(),
        }));
        rows.sort_by(|a, b| (a.level, a.since, &a.title).cmp(&(b.level, b.since, &b.title)));
        rows
    }

    /// Checklists that are done, overridden or abandoned, by onset.
    #[must_use]
    pub fn finished(&self) -> Vec<QueueRow> {
        let finished = self.board.runs.values().filter(|run| run.is_finished());
        let mut rows: Vec<QueueRow> = finished.map(|run| self.queue_row(run, &mut vec![&run.name])).collect();
        rows.sort_by_key(|row| row.since);
        rows
    }

    fn queue_row<'a>(&'a self, run: &'a Run, above: &mut Vec<&'a Name>) -> QueueRow {
        let markers = run.markers();
        let applying = || markers.iter().filter(|marker| **marker != Marker::Inactive);
        let mut folded = Vec::new();
        for other in self.board.runs.values() {
            if other.state == ChecklistState::Inhibited
                && other.inhibited_by.as_ref() == Some(&run.name)
                && !above.contains(&&other.name)
            {
                above.push(&other.name);
                folded.push(self.queue_row(other, above));
            }
        }
        QueueRow {
            checklist: Some(run.name.clone()),
            title: run.title.clone(),
            level: run.level,
            state: Some(run.state),
            alert: run.alert.clone(),
            alert_active: run.alert.as_ref().is_some_and(|alert| self.board.alert_active(alert)),
            since: run.queued_at,
            resume_by: run.resume_by,
            left: applying().filter(|marker| !marker.is_terminal()).count(),
            total: applying().count(),
            folded,
        }
    }

    /// One checklist to read and work; `senses` adds what probes said last (an empty one will do).
    #[must_use]
    pub fn checklist(&self, name: &Name, now: Timestamp, senses: &Senses) -> Option<ChecklistView> {
        let run = self.board.runs.get(name)?;
        let definition = run.definition.as_ref().ok();
        Some(ChecklistView {
            checklist: name.clone(),
            title: run.title.clone(),
            level: run.level,
            state: run.state,
            run: run.number,
            condition: definition.and_then(|d| d.condition.clone()),
            objective: definition.and_then(|d| d.objective.clone()),
            not_when: definition.and_then(|d| d.not_when.clone()),
            method: definition.map_or(Method::ReadDo, |d| d.method),
            version: run.version.clone(),
            digest: run.digest.clone(),
            inhibits: definition.iter().flat_map(|d| d.inhibits.iter().map(|i| i.value.clone())).collect(),
            sections: self.sections(run, now, senses),
            complete: definition.and_then(|d| d.complete.clone()),
            alert: run.alert.clone(),
            unreadable: run.definition.as_ref().err().cloned(),
        })
    }

    fn sections(&self, run: &Run, now: Timestamp, senses: &Senses) -> Vec<Section> {
        let mut sections = Vec::new();
        for part in [Part::Memory, Part::Items, Part::Deferred] {
            let rows = rows(run, now, senses, |item, _| item.part == part);
            if !rows.is_empty() {
                sections.push(Section { part, heading: part.word().to_owned(), rows });
            }
        }
        for source in self.board.runs.values() {
            let rows = rows(source, now, senses, |item, state| {
                matches!(&item.kind, Kind::Deferred { to } if to.value == run.name)
                    && (state.due || state.status == Status::Deferred)
            });
            if !rows.is_empty() {
                let alert =
                    source.alert.as_ref().map(|alert| format!(" (alert {alert})")).unwrap_or_default();
                let heading = format!("left by {}{alert}", source.title);
                sections.push(Section { part: Part::Deferred, heading, rows });
            }
        }
        sections
    }

    /// The names of the checklists in this incident.
    pub fn checklists(&self) -> impl Iterator<Item = &Name> {
        self.board.runs.keys()
    }

    /// Deferred items that nobody has disposed of.
    #[must_use]
    pub fn deferred(&self) -> Vec<DeferredRow> {
        let mut deferred = Vec::new();
        for run in self.board.runs.values() {
            for (_, item, state) in run.items() {
                if let Kind::Deferred { to } = &item.kind
                    && state.is_left_for_later()
                {
                    deferred.push(DeferredRow {
                        id: run.id(item),
                        text: item.text.clone(),
                        by: item.by.clone().unwrap_or_else(|| "nobody in particular".to_owned()),
                        to: to.value.clone(),
                        from: run.title.clone(),
                        since: state.since,
                    });
                }
            }
        }
        deferred
    }

    /// What was written down, in the order of the log.
    #[must_use]
    pub fn notes(&self) -> &[NoteRow] {
        &self.notes
    }

    /// Every alert, by onset.
    #[must_use]
    pub fn alerts(&self) -> Vec<AlertRow> {
        let mut alerts: Vec<AlertRow> = self.board.alerts.values().cloned().collect();
        alerts.sort_by_key(|row| row.raised_at);
        alerts
    }

    /// Every fault of the drill, in the order of the log.
    pub fn faults(&self) -> impl Iterator<Item = &FaultRow> {
        self.faults.values()
    }

    /// What users see, probe by probe, once it was lost for the first time.
    pub fn steady_state(&self) -> impl Iterator<Item = &SteadyRow> {
        self.steady.values()
    }

    /// The reading given for an item, if it is confirmed.
    #[must_use]
    pub fn reading(&self, item: &crate::event::ItemId) -> Option<&str> {
        let (_, _, state) = self.board.runs.get(&item.checklist)?.find(&item.item)?;
        (state.status == Status::Done).then_some(state.value.as_deref()).flatten()
    }
}

impl QueueRow {
    /// Whether a checklist is this row or folded under it.
    fn holds(&self, name: &Name) -> bool {
        self.checklist.as_ref() == Some(name) || self.folded.iter().any(|row| row.holds(name))
    }
}
