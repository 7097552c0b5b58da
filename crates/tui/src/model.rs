//! Everything the screen remembers.
//!
//! Owns the state and the questions asked about it by update and view alike. Leaves changing it to
//! [`crate::update`], so that nothing else can move a cursor or take half-typed text away.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use chrono::{DurationRound, TimeDelta};
use deadstick_core::Timestamp;
use deadstick_core::event::ItemId;
use deadstick_core::incident::view::{ChecklistView, ItemRow, QueueRow};
use deadstick_core::incident::{Act, Incident, Senses};
use deadstick_core::units::Name;

use crate::finder::Finder;
use crate::intent::Intent;
use crate::keymap::Place;
use crate::menu::Menu;
use crate::news::News;
use crate::prompt::{Prompt, Purpose};
use crate::settings::Settings;
use crate::snapshot::{Snapshot, Subject, rows, subject};
use crate::timeline::Timeline;

/// What the keys go to, when not to the pane in focus.
#[derive(Clone, Debug, Default)]
pub(crate) enum Mode {
    #[default]
    Panes,
    Prompt(Box<Prompt>),
    Finder(Box<Finder>),
    Menu(Menu),
    /// One entry of the timeline, whole.
    Entry,
}

/// A command of an item, as it runs.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) item: ItemId,
    pub(crate) command: Vec<String>,
    pub(crate) lines: VecDeque<String>,
    /// How it ended, once it has.
    pub(crate) ended: Option<Option<i32>>,
}

/// An act that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) act: Act,
    pub(crate) purpose: Purpose,
    pub(crate) typed: Vec<String>,
    /// Something was recorded since: a failure after that is not about this act.
    pub(crate) settled: bool,
}

/// The state of the screen. Made by [`Model::new`], changed by [`crate::update`], drawn by [`crate::view()`].
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) settings: Settings,
    pub(crate) now: Timestamp,
    pub(crate) size: (u16, u16),
    pub(crate) incident: Option<Arc<Incident>>,
    pub(crate) senses: Arc<Senses>,
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) timeline: Timeline,
    pub(crate) place: Place,
    /// The selected row of the queue, by what it is about, so that new rows never move it.
    pub(crate) queue_at: Option<Subject>,
    pub(crate) unfolded: BTreeSet<Subject>,
    /// The checklist that is looked at.
    pub(crate) shown: Option<Name>,
    /// The selected item, for each checklist that was looked at.
    pub(crate) cursors: BTreeMap<Name, ItemId>,
    /// An item this person has just acted on: when it is through, the cursor goes on to the next line.
    pub(crate) acted: Option<ItemId>,
    pub(crate) mode: Mode,
    /// What was typed in prompts that went away unused.
    pub(crate) drafts: BTreeMap<Purpose, Vec<String>>,
    /// The last acts with what was typed for them, so that a refusal or a failure gives it back.
    pub(crate) sent: VecDeque<Sent>,
    pub(crate) news: News,
    pub(crate) drill: Option<String>,
    pub(crate) running: Option<Running>,
    /// An item just confirmed, and until when taking that back is one key away.
    pub(crate) undo: Option<(ItemId, Timestamp)>,
    /// Closing was refused because something is unfinished: the next time it may be abandoned.
    pub(crate) abandon: bool,
}

impl Model {
    /// A screen before anything has arrived.
    #[must_use]
    pub fn new(settings: Settings, now: Timestamp) -> Self {
        let timeline = Timeline::new(settings.facilitator);
        let mut drafts = BTreeMap::new();
        if !settings.draft.is_empty() {
            drafts.insert(Self::note(), vec![settings.draft.clone()]);
        }
        Self {
            settings,
            now,
            size: (80, 24),
            incident: None,
            senses: Arc::default(),
            snapshot: None,
            timeline,
            place: Place::Queue,
            queue_at: None,
            unfolded: BTreeSet::new(),
            shown: None,
            cursors: BTreeMap::new(),
            acted: None,
            mode: Mode::Panes,
            drafts,
            sent: VecDeque::new(),
            news: News::default(),
            drill: None,
            running: None,
            undo: None,
            abandon: false,
        }
    }

    /// A note that is half typed, to be kept if the session dies and given back in [`Settings::draft`].
    #[must_use]
    pub fn draft(&self) -> &str {
        let kept =
            || self.drafts.get(&Self::note()).and_then(|texts| texts.first()).map_or("", String::as_str);
        match &self.mode {
            Mode::Prompt(prompt) if prompt.purpose == Self::note() => {
                prompt.fields.first().map_or("", |field| field.text())
            }
            _ => kept(),
        }
    }

    /// When the next [`crate::Msg::Tick`] is due: the next whole second.
    #[must_use]
    pub fn next_wake(&self) -> Timestamp {
        let second = TimeDelta::seconds(1);
        self.now.duration_trunc(second).unwrap_or(self.now) + second
    }

    /// The purpose of writing a note.
    pub(crate) const fn note() -> Purpose {
        Purpose::Act { intent: Intent::Note, dated: false }
    }

    pub(crate) fn me(&self) -> &str {
        self.settings.me.as_str()
    }

    pub(crate) fn queue_rows(&self) -> Vec<(usize, &QueueRow)> {
        self.snapshot.as_ref().map(|s| s.queue_rows(|row| self.unfolded.contains(row))).unwrap_or_default()
    }

    /// The position of the selected row; the first when there is none or it is gone.
    pub(crate) fn queue_position(&self, rows: &[(usize, &QueueRow)]) -> usize {
        let at = self.queue_at.as_ref();
        at.and_then(|at| rows.iter().position(|(_, row)| subject(row).as_ref() == Some(at))).unwrap_or(0)
    }

    pub(crate) fn queue_row(&self) -> Option<&QueueRow> {
        let rows = self.queue_rows();
        rows.get(self.queue_position(&rows)).map(|(_, row)| *row)
    }

    /// The checklist that is looked at.
    pub(crate) fn list(&self) -> Option<&ChecklistView> {
        self.snapshot.as_ref()?.list(self.shown.as_ref()?)
    }

    /// The selected item: the one the cursor was put on, else the line that is next, else the first.
    pub(crate) fn row(&self) -> Option<&ItemRow> {
        let list = self.list()?;
        let cursor = self.cursors.get(&list.checklist);
        let on = cursor.and_then(|cursor| rows(list).find(|row| row.id == *cursor));
        on.or_else(|| rows(list).find(|row| row.current)).or_else(|| rows(list).next())
    }

    /// The checklist an action on checklists means: the selected one of the queue, or the one looked at.
    pub(crate) fn meant_list(&self) -> Option<Name> {
        match self.place {
            Place::Queue => self.queue_row()?.checklist.clone(),
            Place::Checklist => self.shown.clone(),
            Place::Timeline => None,
        }
    }

    /// The alert an action on alerts means.
    pub(crate) fn meant_alert(&self) -> Option<Name> {
        match self.place {
            Place::Queue => self.queue_row()?.alert.clone(),
            Place::Checklist => self.list()?.alert.clone(),
            Place::Timeline => None,
        }
    }
}
