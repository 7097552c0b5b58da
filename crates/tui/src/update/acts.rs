//! What each action does.
//!
//! Owns moving about and turning an action on the selected line into an act or a prompt. Leaves typing to
//! [`super::keys`] and whether an act is allowed to the engine.

use deadstick_core::event::ItemId;
use deadstick_core::incident::view::{ChecklistState, ItemRow, Marker};

use crate::finder::{Finder, Scope};
use crate::here::Enter;
use crate::intent::{Intent, Words};
use crate::keymap::{Action, Place};
use crate::menu::Menu;
use crate::model::{Mode, Model};
use crate::prompt::Purpose;
use crate::snapshot::{Subject, rows, subject};
use crate::view::layout;

use super::keys::open_prompt;
use super::{Effect, send, to_next};

/// Does an action; `digit` is the number of a choice.
pub(super) fn perform(model: &mut Model, action: Action, digit: Option<usize>) -> Vec<Effect> {
    if !model.applies(action) && !explains_itself(action) {
        let why = model.why_not(action);
        model.news.notice(why, model.now);
        return Vec::new();
    }
    match action {
        Action::Open => open(model),
        Action::Confirm => confirm(model),
        Action::Yes => answer(model, "yes"),
        Action::No => answer(model, "no"),
        Action::Choose => match digit.and_then(|d| model.row()?.answers.get(d.checked_sub(1)?).cloned()) {
            Some(text) => answer(model, &text),
            None => on_item(model, Intent::Answer),
        },
        Action::Run => on_item(model, Intent::Run),
        Action::BackDate => match model.row() {
            Some(row) => {
                let item = row.id.clone();
                let decides = !row.answers.is_empty();
                let intent = if decides { Intent::Answer(item) } else { Intent::Confirm(item) };
                open_prompt(model, Purpose::Act { intent, dated: true })
            }
            None => Vec::new(),
        },
        Action::Override => on_item(model, Intent::Override),
        Action::Undo => match model.undoable().map(|(_, intent)| intent) {
            Some(intent) => prompt(model, intent),
            None => Vec::new(),
        },
        Action::Defer => match model.row() {
            Some(row) if row.marker == Marker::Deferred => on_item(model, Intent::CancelDeferral),
            _ => on_item(model, Intent::Defer),
        },
        Action::Assume => prompt(model, Intent::Assume),
        Action::Note => prompt(model, Intent::Note),
        Action::Close => prompt(model, Intent::Close { abandon: model.abandon }),
        Action::Hold => on_list(model, Intent::Hold),
        Action::Reset => on_list(model, Intent::Reset),
        Action::OverrideChecklist => on_list(model, Intent::OverrideChecklist),
        Action::ClearAlert => match model.meant_alert() {
            Some(alert) => prompt(model, Intent::ClearAlert(alert)),
            None => Vec::new(),
        },
        Action::QuitNow => {
            if let Mode::Prompt(open) = &model.mode
                && open.purpose != Purpose::Quit
                && open.purpose != Purpose::Filter
            {
                model.drafts.insert(open.purpose.clone(), open.texts());
            }
            open_prompt(model, Purpose::Quit)
        }
        Action::Suspend => vec![Effect::Suspend],
        _ => {
            look(model, action);
            Vec::new()
        }
    }
}

/// Actions that say in better words than a general one why they do nothing.
const fn explains_itself(action: Action) -> bool {
    matches!(action, Action::QuitNow | Action::Quit | Action::Control)
}

fn prompt(model: &mut Model, intent: Intent) -> Vec<Effect> {
    open_prompt(model, Purpose::Act { intent, dated: false })
}

fn on_item(model: &mut Model, intent: impl Fn(ItemId) -> Intent) -> Vec<Effect> {
    match model.row().map(|row| row.id.clone()) {
        Some(item) => prompt(model, intent(item)),
        None => Vec::new(),
    }
}

fn on_list(model: &mut Model, intent: impl Fn(deadstick_core::units::Name) -> Intent) -> Vec<Effect> {
    match model.meant_list() {
        Some(name) => prompt(model, intent(name)),
        None => Vec::new(),
    }
}

/// Opens the selected checklist: for everybody when it waits, else only to look at it.
fn open(model: &mut Model) -> Vec<Effect> {
    let Some((name, state)) = model.queue_row().and_then(|row| Some((row.checklist.clone()?, row.state)))
    else {
        return Vec::new();
    };
    model.news.seen(&Subject::Checklist(name.clone()));
    model.queue_at = Some(Subject::Checklist(name.clone()));
    model.shown = Some(name.clone());
    model.place = Place::Checklist;
    use ChecklistState::{Held, Inhibited, Queued};
    if matches!(state, Some(Queued | Held | Inhibited)) {
        prompt(model, Intent::Open(name))
    } else {
        Vec::new()
    }
}

/// Enter on a line.
fn confirm(model: &mut Model) -> Vec<Effect> {
    let Some(row) = model.row() else { return Vec::new() };
    match model.enter(row) {
        Enter::Open => return on_list(model, Intent::Open),
        Enter::Confirm => return on_item(model, Intent::Confirm),
        Enter::Answer => return on_item(model, Intent::Answer),
        Enter::Explain => {
            let why = explanation(row);
            model.news.notice(why, model.now);
        }
        Enter::Next => to_next(model),
    }
    Vec::new()
}

fn explanation(row: &ItemRow) -> String {
    match row.marker {
        Marker::Waiting => "Time must pass; an override with a reason cuts it short".to_owned(),
        _ => row.explains.clone(),
    }
}

fn answer(model: &mut Model, text: &str) -> Vec<Effect> {
    let Some(item) = model.row().map(|row| row.id.clone()) else { return Vec::new() };
    let words = Words { main: text.to_owned(), ..Words::default() };
    match Intent::Answer(item).act(&words, model.snapshot.as_ref()) {
        Ok(act) => send(model, act, None),
        Err(lacking) => {
            model.news.notice(lacking.to_string(), model.now);
            Vec::new()
        }
    }
}

/// Actions that only look.
fn look(model: &mut Model, action: Action) {
    match action {
        Action::Up => step(model, -1),
        Action::Down => step(model, 1),
        Action::PageUp => step(model, -page(model)),
        Action::PageDown => step(model, page(model)),
        Action::First => step(model, isize::MIN / 2),
        Action::Last => step(model, isize::MAX / 2),
        Action::NextMatch => scroll(model, 1),
        Action::PrevMatch => scroll(model, -1),
        Action::NextPane => turn(model, true),
        Action::PrevPane => turn(model, false),
        Action::Details => model.mode = Mode::Entry,
        Action::Fold => {
            if let Some(row) = model.queue_row().and_then(subject)
                && !model.unfolded.remove(&row)
            {
                model.unfolded.insert(row);
            }
        }
        Action::Filter => {
            model.place = Place::Timeline;
            let filter = model.timeline.filtered_by().to_owned();
            let kept = [filter];
            let open = crate::prompt::Prompt::new(Purpose::Filter, None, Some(&kept));
            model.mode = Mode::Prompt(Box::new(open));
        }
        Action::Help => model.mode = Mode::Finder(Box::new(Finder::new(Scope::Help))),
        Action::Palette => model.mode = Mode::Finder(Box::new(Finder::new(Scope::Palette))),
        Action::Severity => model.mode = Mode::Menu(Menu::severity()),
        Action::Control => control(model),
        Action::Back => back(model),
        Action::Quit if model.place != Place::Queue && model.goes_on() => model.place = Place::Queue,
        Action::Quit => {
            open_prompt(model, Purpose::Quit);
        }
        _ => {}
    }
}

fn control(model: &mut Model) {
    let Some(snapshot) = &model.snapshot else { return };
    let menu = Menu::control(snapshot, model.me());
    if menu.choices.is_empty() {
        let holder = snapshot.bar.holder.clone().unwrap_or_default();
        model.news.notice(format!("{holder} has control; ask {holder} to offer it to you"), model.now);
    } else {
        model.mode = Mode::Menu(menu);
    }
}

/// One thing at a time: the message, the filter, the place in the timeline, the pane.
fn back(model: &mut Model) {
    if model.news.dismiss() {
        return;
    }
    if model.running.as_ref().is_some_and(|running| running.ended.is_some()) {
        model.running = None;
    } else if !model.timeline.filtered_by().is_empty() {
        model.timeline.filter("");
    } else if !model.timeline.follows() && model.place == Place::Timeline {
        model.timeline.follow();
    } else {
        model.place = Place::Queue;
    }
}

/// The next pane that has something in it.
fn turn(model: &mut Model, forward: bool) {
    let panes = [Place::Queue, Place::Checklist, Place::Timeline];
    let at = panes.iter().position(|p| *p == model.place).unwrap_or(0);
    let step = if forward { 1 } else { panes.len() - 1 };
    let mut to = (at + step) % panes.len();
    if panes[to] == Place::Checklist && model.list().is_none() {
        to = (to + step) % panes.len();
    }
    model.place = panes[to];
}

fn page(model: &Model) -> isize {
    let rows = layout::of(model).pane(model.place).height.saturating_sub(2).max(1);
    isize::try_from(rows).unwrap_or(1)
}

fn step(model: &mut Model, by: isize) {
    match model.place {
        Place::Queue => {
            let all = model.queue_rows();
            let at = model.queue_position(&all).saturating_add_signed(by).min(all.len().saturating_sub(1));
            model.queue_at = all.get(at).and_then(|(_, row)| subject(row));
        }
        Place::Checklist => {
            let Some((list, on)) = model.list().zip(model.row()) else { return };
            let all: Vec<_> = rows(list).collect();
            let at = all.iter().position(|row| row.id == on.id).unwrap_or(0);
            let to = at.saturating_add_signed(by).min(all.len().saturating_sub(1));
            let (name, item) = (list.checklist.clone(), all[to].id.clone());
            model.cursors.insert(name, item);
        }
        Place::Timeline => scroll(model, by),
    }
}

/// Moves in the timeline.
pub(super) fn scroll(model: &mut Model, by: isize) {
    let height = usize::from(layout::of(model).timeline_rows());
    if by <= isize::MIN / 2 {
        model.timeline.first();
    } else {
        model.timeline.step(by, height.max(1));
    }
}
