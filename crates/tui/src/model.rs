//! Everything the screen remembers.
//!
//! Owns the state and the questions asked about it by update and view alike. Leaves changing it to
//! [`crate::update`], so that nothing else can move a cursor or take half-typed text away.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use chrono::{DurationRound, TimeDelta};
use deadstick_core::Timestamp;
use deadstick_core::event::ItemId;
use deadstick_core::incident::view::{ChecklistState, ChecklistView, ItemRow, Marker, QueueRow};
use deadstick_core::incident::{Act, Incident, Senses};
use deadstick_core::units::Name;

use crate::finder::Finder;
use crate::guide::{self, Next};
use crate::intent::Intent;
use crate::keymap::{Action, BINDINGS, Place};
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
    /// Acts on their way with what was typed for them, so that a refusal gives it back.
    pub(crate) sent: VecDeque<(Act, Purpose, Vec<String>)>,
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

    pub(crate) fn next(&self) -> Next<'_> {
        let in_list = self.place == Place::Checklist;
        let selected = if in_list { self.row().filter(|row| !self.finished(row)) } else { None };
        guide::next(
            self.snapshot.as_ref(),
            self.me(),
            self.list().filter(|_| self.place != Place::Queue),
            selected,
        )
    }

    /// What to do next, in a sentence.
    pub(crate) fn hint(&self) -> String {
        let keys = &self.settings.keys;
        let next = self.next();
        let sentence = match &next {
            Next::Open(row) if self.place != Place::Timeline => {
                let here = match self.place {
                    Place::Checklist => self.shown.is_some() && self.shown == row.checklist,
                    _ => self.queue_row().and_then(subject) == subject(row),
                };
                let (back, open) = (keys.shown(Action::Back), keys.shown(Action::Open));
                let way = if self.place == Place::Checklist {
                    format!("{back} goes to the queue; c")
                } else {
                    "C".to_owned()
                };
                if here {
                    guide::on_screen(&next, keys)
                } else {
                    format!("Another alert has come in: {}. {way}hoose it and press {open}.", row.title)
                }
            }
            _ => guide::on_screen(&next, keys),
        };
        if self.place == Place::Timeline {
            return format!("{} goes back to the checklists. {sentence}", keys.shown(Action::Back));
        }
        sentence
    }

    /// Why an action does nothing here.
    pub(crate) fn why_not(&self, action: Action) -> String {
        let keys = &self.settings.keys;
        let name = BINDINGS.iter().find(|b| b.action == action).map_or("", |b| b.name);
        let general =
            || format!("\"{name}\" does not apply here; {} shows what does", keys.shown(Action::Help));
        let commanders = matches!(action, Action::Severity | Action::Close | Action::OverrideChecklist);
        let Some(snapshot) = &self.snapshot else { return general() };
        match &snapshot.bar.holder {
            _ if snapshot.bar.closed_at.is_some() => {
                "The incident is closed; only notes can be added".to_owned()
            }
            None if commanders => format!("Nobody has control; {} takes it", keys.shown(Action::Assume)),
            Some(holder) if commanders && holder != self.me() => {
                format!("That is for {holder}, who has control")
            }
            _ => general(),
        }
    }

    /// Whether a line asks for nothing while nothing else on its checklist does either: then the end is what counts.
    fn finished(&self, row: &ItemRow) -> bool {
        row.marker.is_terminal() && self.list().is_some_and(|list| !rows(list).any(|row| row.current))
    }

    /// Whether an action can do something here, now.
    pub(crate) fn applies(&self, action: Action) -> bool {
        if !BINDINGS.iter().any(|b| b.action == action && b.at(self.place)) {
            return false;
        }
        let Some(snapshot) = &self.snapshot else {
            return matches!(
                action,
                Action::Help
                    | Action::Palette
                    | Action::Quit
                    | Action::QuitNow
                    | Action::Suspend
                    | Action::Back
            );
        };
        let open = snapshot.bar.closed_at.is_none();
        let row = self.row();
        let actionable = row.is_some_and(|r| !matches!(r.marker, Marker::Inactive)) && open;
        let has = |answer: &str| row.is_some_and(|r| r.answers.iter().any(|a| a == answer));
        let state = match self.place {
            Place::Queue => self.queue_row().and_then(|row| row.state),
            _ => self.list().map(|list| list.state),
        };
        match action {
            Action::Open => self.queue_row().is_some_and(|row| row.checklist.is_some()),
            Action::Confirm => row.is_some(),
            Action::Yes => actionable && has("yes"),
            Action::No => actionable && has("no"),
            Action::Choose => actionable && row.is_some_and(|r| !r.answers.is_empty()),
            Action::Run => actionable && row.is_some_and(|r| r.command.is_some()),
            Action::BackDate => {
                actionable && row.is_some_and(|r| !r.answers.is_empty() || takes_confirmation(r))
            }
            Action::Override => actionable && row.is_some_and(|r| r.marker != Marker::Overridden),
            Action::Undo => open && self.undoable().is_some(),
            Action::Defer => {
                actionable && row.is_some_and(|r| r.kind == "deferred" && !r.marker.is_terminal())
            }
            Action::Details => self.timeline.selected_entry().is_some(),
            Action::NextMatch | Action::PrevMatch => !self.timeline.filtered_by().is_empty(),
            Action::Fold => self.queue_row().is_some_and(|row| !row.folded.is_empty()),
            Action::Assume => open && snapshot.bar.holder.is_none(),
            Action::Control => open && !Menu::control(snapshot, self.me()).choices.is_empty(),
            Action::Severity | Action::Close => open && snapshot.commands(self.me()),
            Action::Hold => open && state == Some(ChecklistState::Open),
            Action::Reset => {
                open && state.is_some_and(|s| s != ChecklistState::Inhibited && s != ChecklistState::Queued)
            }
            Action::OverrideChecklist => {
                use ChecklistState::{Held, Inhibited, Open, Queued};
                let unfinished = state.is_some_and(|s| matches!(s, Queued | Open | Held | Inhibited));
                open && unfinished && snapshot.commands(self.me())
            }
            Action::ClearAlert => {
                let active = |row: &QueueRow| row.alert_active;
                open && match self.place {
                    Place::Queue => self.queue_row().is_some_and(active),
                    _ => self.meant_alert().is_some(),
                }
            }
            Action::Note
            | Action::NextPane
            | Action::PrevPane
            | Action::Up
            | Action::Down
            | Action::PageUp
            | Action::PageDown
            | Action::First
            | Action::Last
            | Action::Filter
            | Action::Help
            | Action::Palette
            | Action::Back
            | Action::Quit
            | Action::QuitNow
            | Action::Suspend => true,
        }
    }

    /// What Enter would do to a line.
    pub(crate) fn enter(&self, row: &ItemRow) -> Enter {
        use ChecklistState::{Held, Inhibited, Queued};
        if self.list().is_some_and(|list| matches!(list.state, Queued | Held | Inhibited)) {
            return Enter::Open;
        }
        match row.marker {
            _ if takes_confirmation(row) => Enter::Confirm,
            Marker::Open | Marker::Unknown | Marker::Regressed if !row.answers.is_empty() => Enter::Answer,
            Marker::Open | Marker::Unknown | Marker::Regressed | Marker::Waiting => Enter::Explain,
            Marker::Inactive | Marker::Overridden | Marker::Deferred | Marker::Sensed | Marker::Done => {
                Enter::Next
            }
        }
    }

    /// What taking back would take back: the selected line, or what was confirmed a moment ago.
    pub(crate) fn undoable(&self) -> Option<(&ItemRow, Intent)> {
        let of = |row: &ItemRow| match row.marker {
            Marker::Overridden => Some(Intent::ClearOverride(row.id.clone())),
            Marker::Done if row.answers.is_empty() && row.kind != "wait" => {
                Some(Intent::Reopen(row.id.clone()))
            }
            _ => None,
        };
        let selected = self.row().and_then(|row| Some((row, of(row)?)));
        selected.or_else(|| {
            let (item, _) = self.undo.as_ref().filter(|(_, until)| self.now < *until)?;
            let row = self.snapshot.as_ref()?.row(item)?;
            Some((row, of(row)?))
        })
    }
}

/// What Enter does to a line: what the line asks for, else say why nothing can be done, else go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enter {
    Open,
    Confirm,
    Answer,
    Explain,
    Next,
}

/// Whether a person can say that a line is done.
pub(crate) fn takes_confirmation(row: &ItemRow) -> bool {
    matches!(row.kind, "do" | "deferred") && matches!(row.marker, Marker::Open | Marker::Deferred)
}
