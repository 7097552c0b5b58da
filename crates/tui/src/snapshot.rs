//! What is shown of an incident at one moment.
//!
//! Owns the one place where rows are taken from the engine, and how they are looked up. Leaves what they mean to
//! [`deadstick_core::incident`], and drawing them to the screen and the plain mode.

use deadstick_core::Timestamp;
use deadstick_core::event::ItemId;
use deadstick_core::incident::view::{
    ChecklistState, ChecklistView, DeferredRow, IncidentBar, ItemRow, QueueRow,
};
use deadstick_core::incident::{Incident, Senses};
use deadstick_core::units::Name;

/// The rows of an incident at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) bar: IncidentBar,
    pub(crate) queue: Vec<QueueRow>,
    /// Checklists that ask for nothing more, to be looked at again.
    pub(crate) finished: Vec<QueueRow>,
    pub(crate) lists: Vec<ChecklistView>,
    pub(crate) deferred: Vec<DeferredRow>,
}

/// What a row of the queue is about, whatever its position: its checklist, or the alert without one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Checklist(Name),
    Alert(Name),
}

/// What a row of the queue is about.
pub(crate) fn subject(row: &QueueRow) -> Option<Subject> {
    let checklist = row.checklist.clone().map(Subject::Checklist);
    checklist.or_else(|| row.alert.clone().map(Subject::Alert))
}

/// The items of a checklist in reading order.
pub(crate) fn rows(list: &ChecklistView) -> impl Iterator<Item = &ItemRow> {
    list.sections.iter().flat_map(|section| &section.rows)
}

impl Snapshot {
    /// The rows at one moment; none before the incident is opened.
    pub(crate) fn of(incident: &Incident, senses: &Senses, now: Timestamp) -> Option<Self> {
        let bar = incident.bar();
        bar.opened_at?;
        let lists = incident.checklists().filter_map(|name| incident.checklist(name, now, senses)).collect();
        let (queue, finished) = (incident.queue(), incident.finished());
        Some(Self { bar, queue, finished, lists, deferred: incident.deferred() })
    }

    pub(crate) fn list(&self, name: &Name) -> Option<&ChecklistView> {
        self.lists.iter().find(|list| list.checklist == *name)
    }

    /// An item, wherever it stands: one that was left for another checklist stands there.
    pub(crate) fn row(&self, item: &ItemId) -> Option<&ItemRow> {
        self.lists.iter().flat_map(rows).find(|row| row.id == *item)
    }

    /// The queue as it is drawn: each row with its depth, folded ones only below those that are unfolded; behind it
    /// what is finished.
    pub(crate) fn queue_rows(&self, unfolded: impl Fn(&Subject) -> bool) -> Vec<(usize, &QueueRow)> {
        let mut all = Vec::new();
        let mut waiting: Vec<_> = self.queue.iter().chain(&self.finished).rev().map(|row| (0, row)).collect();
        while let Some((depth, row)) = waiting.pop() {
            all.push((depth, row));
            if subject(row).is_some_and(|s| unfolded(&s)) {
                waiting.extend(row.folded.iter().rev().map(|folded| (depth + 1, folded)));
            }
        }
        all
    }

    /// Whether something could still be staged that this person must not see.
    pub(crate) fn hides_staging(&self, facilitator: bool) -> bool {
        self.bar.exercise && !facilitator && self.bar.verdict.is_none()
    }

    /// Whether this person commands.
    pub(crate) fn commands(&self, me: &str) -> bool {
        self.bar.holder.as_deref() == Some(me)
    }

    /// The first checklist that is being worked on.
    pub(crate) fn first_open(&self) -> Option<&ChecklistView> {
        self.lists.iter().find(|list| list.state == ChecklistState::Open)
    }
}
