//! What can be done here, now, and what comes next.
//!
//! Owns the one judgement that keys, footer, help and palette share. Leaves the rules to the engine, which refuses in
//! its own words what is offered here all the same.

use deadstick_core::incident::view::{ChecklistState, ItemRow, Marker, QueueRow};

use crate::guide::{self, Next};
use crate::intent::Intent;
use crate::keymap::{Action, BINDINGS, Place};
use crate::menu::Menu;
use crate::model::Model;
use crate::snapshot::{rows, subject};

impl Model {
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

    /// Whether there is an incident that is not closed.
    pub(crate) fn goes_on(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|snapshot| snapshot.bar.closed_at.is_none())
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
