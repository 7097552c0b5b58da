//! One checklist in one incident: its pinned definition and how each of its items stands.
//!
//! Owns the three axes of an item (does it apply, what did people do, what does its probe say) and the one state that
//! is shown. Leaves their fold to [`super::fold`], what follows from a change to [`super::board`] and what is allowed to [`super::decide`].

use std::sync::Arc;

use crate::Timestamp;
use crate::checklist::{Checklist, Item, Kind, Part};
use crate::event::{AlertLevel, ItemId};
use crate::probe::Answer;
use crate::units::Name;

use super::view::{ChecklistState, Marker};

/// One checklist in one incident.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) name: Name,
    pub(super) title: String,
    pub(super) level: AlertLevel,
    pub(super) version: String,
    pub(super) digest: String,
    /// The pinned definition, or why it cannot be read.
    pub(super) definition: Result<Arc<Checklist>, String>,
    pub(super) alert: Option<Name>,
    pub(super) queued_at: Timestamp,
    pub(super) state: ChecklistState,
    pub(super) inhibited_by: Option<Name>,
    pub(super) resume_by: Option<Timestamp>,
    pub(super) number: u32,
    pub(super) items: Vec<ItemState>,
}

/// How one item stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ItemState {
    pub(super) status: Status,
    /// The answer of a decision.
    pub(super) answer: Option<Answered>,
    /// What its probe says, as logged.
    pub(super) sense: Answer,
    /// Its probe said satisfied since the checklist began.
    pub(super) was_satisfied: bool,
    /// Its later moment was past when it should have been left for it.
    pub(super) not_deferrable: bool,
    /// The checklist it was left for is open.
    pub(super) due: bool,
    /// The reading, or what the probe read.
    pub(super) value: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) actor: Option<String>,
    pub(super) since: Option<Timestamp>,
    pub(super) back_dated: bool,
    pub(super) ran: Option<String>,
}

/// What people (or a timer) did to an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    Waiting { until: Timestamp },
    Done,
    Overridden,
    Deferred,
}

/// The answer of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) answer: String,
    /// Whether its probe gave it.
    pub(super) by_probe: bool,
}

/// Whether an item applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applies {
    Yes,
    No,
    /// The decision at this position is not answered.
    Unless(usize),
}

impl Default for ItemState {
    fn default() -> Self {
        Self {
            status: Status::Pending,
            answer: None,
            sense: Answer::Unknown,
            was_satisfied: false,
            not_deferrable: false,
            due: false,
            value: None,
            detail: None,
            actor: None,
            since: None,
            back_dated: false,
            ran: None,
        }
    }
}

impl ItemState {
    /// Left for later, and not disposed of.
    pub(super) fn is_left_for_later(&self) -> bool {
        self.status == Status::Deferred || (self.due && self.status == Status::Pending)
    }
}

impl Run {
    pub(super) fn items(&self) -> impl Iterator<Item = (usize, &Item, &ItemState)> {
        let items = self.definition.as_ref().map_or(&[][..], |definition| &definition.items);
        items.iter().zip(&self.items).enumerate().map(|(n, (item, state))| (n, item, state))
    }

    pub(super) fn find(&self, id: &str) -> Option<(usize, &Item, &ItemState)> {
        self.items().find(|(_, item, _)| item.id == id)
    }

    pub(super) fn id(&self, item: &Item) -> ItemId {
        ItemId { checklist: self.name.clone(), item: item.id.clone() }
    }

    /// Whether nothing more is asked of people here, deferred items aside.
    pub(super) const fn is_finished(&self) -> bool {
        matches!(
            self.state,
            ChecklistState::CompleteExceptDeferred
                | ChecklistState::Complete
                | ChecklistState::Overridden
                | ChecklistState::Abandoned
        )
    }

    /// Which items apply, by position. A decision stands before its branches, so one pass is enough.
    pub(super) fn applies(&self) -> Vec<Applies> {
        let mut applies: Vec<Applies> = Vec::with_capacity(self.items.len());
        for (_, item, _) in self.items() {
            let own = item.under.as_ref().map_or(Applies::Yes, |(decision, answer)| {
                let (above, state) = (applies.get(*decision), self.items.get(*decision));
                match (above, state) {
                    (Some(Applies::Yes), Some(state)) if state.status == Status::Overridden => Applies::No,
                    (Some(Applies::Yes), Some(state)) => match &state.answer {
                        None => Applies::Unless(*decision),
                        Some(given) if given.answer == *answer => Applies::Yes,
                        Some(_) => Applies::No,
                    },
                    (Some(above), _) => *above,
                    (None, _) => Applies::No,
                }
            });
            applies.push(own);
        }
        applies
    }

    /// How every item is shown: inactive, overridden, deferred, what its probe says, done, waiting, open; in this order.
    pub(super) fn markers(&self) -> Vec<Marker> {
        let applies = self.applies();
        self.items().map(|(n, item, state)| marker(applies[n], item, state)).collect()
    }

    /// The next line to work on; nothing once only deferred items are left.
    pub(super) fn current(&self) -> Option<usize> {
        let applies = self.applies();
        let open = |n: usize, item: &Item, state: &ItemState| {
            applies[n] == Applies::Yes && {
                let marker = marker(applies[n], item, state);
                !marker.is_terminal() && marker != Marker::Deferred
            }
        };
        let deferred_too = self.items().any(|(_, _, state)| state.not_deferrable);
        self.items()
            .find(|(n, item, state)| (item.part != Part::Deferred || deferred_too) && open(*n, item, state))
            .map(|(n, _, _)| n)
    }

    /// The ids of items that still ask for something.
    pub(super) fn unfinished(&self) -> Vec<String> {
        let markers = self.markers();
        self.items()
            .filter(|(n, ..)| !markers[*n].is_terminal())
            .map(|(_, item, _)| item.id.clone())
            .collect()
    }
}

fn marker(applies: Applies, item: &Item, state: &ItemState) -> Marker {
    if applies == Applies::No {
        return Marker::Inactive;
    }
    match state.status {
        Status::Overridden => return Marker::Overridden,
        Status::Deferred => return Marker::Deferred,
        Status::Pending | Status::Done | Status::Waiting { .. } => {}
    }
    match &item.kind {
        Kind::Sensed(_) => match state.sense {
            Answer::Satisfied => Marker::Sensed,
            Answer::Unknown => Marker::Unknown,
            Answer::Unsatisfied if state.was_satisfied => Marker::Regressed,
            Answer::Unsatisfied => Marker::Open,
        },
        Kind::Decide { sense, .. } => match &state.answer {
            Some(Answered { by_probe: true, .. }) => Marker::Sensed,
            Some(_) => Marker::Done,
            None if sense.is_some() => Marker::Unknown,
            None => Marker::Open,
        },
        Kind::Do | Kind::Wait(_) | Kind::Deferred { .. } => match state.status {
            Status::Done => Marker::Done,
            Status::Waiting { .. } => Marker::Waiting,
            Status::Pending | Status::Overridden | Status::Deferred => Marker::Open,
        },
    }
}
