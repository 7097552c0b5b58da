//! What happens to the model, message by message.
//!
//! Owns the messages, the effects and everything that arrives by itself; keys are in [`keys`], what they do in
//! [`acts`]. What arrives by itself never touches the mode, the focus, a cursor or half-typed text.

mod acts;
mod keys;

use std::sync::Arc;

use crossterm::event::{KeyEvent, KeyEventKind};
use deadstick_core::Timestamp;
use deadstick_core::event::{ItemId, Record};
use deadstick_core::incident::view::{ChecklistState, ItemRow, Marker};
use deadstick_core::incident::{Act, Incident, Refusal, Senses};

use crate::model::{Mode, Model, Running, Sent};
use crate::news;
use crate::prompt::{self, Purpose};
use crate::snapshot::{Snapshot, Subject, rows, subject};

/// Something that happened to the screen.
#[derive(Clone, Debug)]
pub enum Msg {
    /// A key was pressed; releases are ignored.
    Key(KeyEvent),
    /// A text was pasted.
    Paste(String),
    /// The terminal has so many columns and rows.
    Resize(u16, u16),
    /// It is now so late.
    Tick(Timestamp),
    /// The incident, after records were folded into it.
    Incident(Arc<Incident>),
    /// What probes said last; looked at with the next [`Msg::Tick`] or [`Msg::Incident`].
    Senses(Arc<Senses>),
    /// Records that are new on the timeline, in any order.
    Records(Vec<Record>),
    /// An act was not allowed. What was typed for it comes back.
    Refused {
        /// Which.
        act: Act,
        /// Why.
        refusal: Refusal,
    },
    /// Something else went wrong, such as a log that cannot be written: stays until it is taken away with Esc, and gives
    /// back what was typed for the last act, unless a [`Msg::Incident`] came since.
    Failed(String),
    /// A passing line.
    Notice(String),
    /// A command of an item goes on.
    Ran {
        /// Which item's.
        item: ItemId,
        /// How.
        what: Ran,
    },
    /// A lasting line about the drill; none takes it away.
    Drill(Option<String>),
}

/// How a command goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// It was started, with these arguments.
    Started(Vec<String>),
    /// It printed a line.
    Line(String),
    /// It ended with this status; none when it could not be started or a signal ended it.
    Ended(Option<i32>),
}

/// What the caller is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Decide this act, record what follows from it, and send the incident and the records back, or the refusal.
    /// [`Act::Run`] also has its command run and then reported with [`Act::Ran`], which the screen never sends.
    Act(Act),
    /// Print these lines; only the plain mode asks for it.
    Print(Vec<String>),
    /// Put the session in the background; draw everything anew when it comes back.
    Suspend,
    /// End the session. The incident stays as it is.
    Quit {
        /// How to come back, to be printed once the terminal is restored.
        farewell: String,
    },
}

/// Lines of a command's output that are kept.
const KEPT_LINES: usize = 200;
/// Acts on their way that are remembered.
const KEPT_SENT: usize = 16;

/// Changes the model by one message.
pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Key(key) if key.kind == KeyEventKind::Release => {}
        Msg::Key(key) => return keys::key(model, &key),
        Msg::Paste(text) => paste(model, &text),
        Msg::Resize(columns, rows) => model.size = (columns, rows),
        Msg::Tick(now) => {
            model.now = now;
            model.news.tick(now);
            model.undo.take_if(|(_, until)| *until <= now);
            let incident = model.incident.as_ref();
            // Without an incident there is nothing to bring up to date.
            if let Some(snapshot) = incident.and_then(|incident| Snapshot::of(incident, &model.senses, now)) {
                model.snapshot = Some(snapshot);
            }
        }
        Msg::Incident(incident) => {
            let snapshot = Snapshot::of(&incident, &model.senses, model.now);
            model.incident = Some(incident);
            model.sent.iter_mut().for_each(|sent| sent.settled = true);
            if let Some(snapshot) = snapshot {
                see(model, snapshot);
            }
        }
        Msg::Senses(senses) => model.senses = senses,
        Msg::Records(records) => model.timeline.extend(&records),
        Msg::Refused { act, refusal } => refused(model, &act, &refusal),
        Msg::Failed(text) => failed(model, text),
        Msg::Notice(text) => model.news.notice(text, model.now),
        Msg::Ran { item, what } => ran(model, item, what),
        Msg::Drill(line) => model.drill = line,
    }
    Vec::new()
}

/// Takes the incident's new rows in.
pub(crate) fn see(model: &mut Model, new: Snapshot) {
    if let Some(old) = &model.snapshot {
        model.news.add(news::changes(old, &new, model.me()));
    }
    model.snapshot = Some(new);
    if model.shown.is_none() {
        // Somebody coming back to a running incident sees the checklist that is being worked on.
        let open = model.snapshot.as_ref().and_then(Snapshot::first_open);
        model.shown = open.map(|list| list.checklist.clone());
    }
    if model.queue_at.is_none() {
        // Pinned from the first on, so that a louder alert does not come to lie under the cursor.
        let rows = model.queue_rows();
        let waiting = rows.iter().find(|(_, row)| row.state == Some(ChecklistState::Queued)).or(rows.first());
        model.queue_at = waiting.and_then(|(_, row)| subject(row));
    }
    if let Some(shown) = &model.shown {
        model.news.seen(&Subject::Checklist(shown.clone()));
    }
    follow(model);
}

/// After this person's own act, the cursor goes on to the next line; nothing else moves it.
fn follow(model: &mut Model) {
    let Some(item) = &model.acted else { return };
    let through = |row: &ItemRow| row.marker.is_terminal() && !row.current;
    if model.snapshot.as_ref().and_then(|s| s.row(item)).is_some_and(through) {
        model.acted = None;
        to_next(model);
    }
}

/// Puts the cursor on the line that is next.
fn to_next(model: &mut Model) {
    let Some(list) = model.list() else { return };
    let name = list.checklist.clone();
    let next =
        rows(list).find(|row| row.current).or_else(|| rows(list).find(|row| row.marker == Marker::Deferred));
    let next = next.map(|row| row.id.clone());
    if let Some(next) = next {
        model.cursors.insert(name, next);
    }
}

fn paste(model: &mut Model, text: &str) {
    match &mut model.mode {
        Mode::Prompt(open) => {
            if let Some(field) = open.fields.get_mut(open.at) {
                prompt::paste(&mut field.input, text);
            }
            keys::live_filter(model);
        }
        Mode::Finder(finder) => prompt::paste(&mut finder.query, text),
        Mode::Panes | Mode::Menu(_) | Mode::Entry => {
            model
                .news
                .notice("Nothing is being typed here; press a key for a note first, then paste", model.now);
        }
    }
}

/// An act was not allowed: says why, and keeps what was typed for the next try.
fn refused(model: &mut Model, act: &Act, refusal: &Refusal) {
    model.abandon = matches!(refusal, Refusal::Unfinished(_));
    if let Some(at) = model.sent.iter().rposition(|sent| sent.act == *act)
        && let Some(Sent { purpose, typed, .. }) = model.sent.remove(at)
    {
        let purpose = match (act, model.abandon) {
            (Act::Close { .. }, abandon) => {
                Purpose::Act { intent: crate::intent::Intent::Close { abandon }, dated: false }
            }
            _ => purpose,
        };
        model.drafts.entry(purpose).or_insert(typed);
    }
    if matches!(act, Act::Confirm { .. }) {
        model.undo = None;
    }
    model.acted = None;
    let key = model.settings.keys.shown(crate::keymap::Action::Close);
    let hint = if model.abandon { format!("; {key} again leaves it so") } else { String::new() };
    model.news.notice(format!("Not done: {refusal}{hint}"), model.now);
}

/// Something could not be done: what was typed for an act that may not have been recorded comes back.
fn failed(model: &mut Model, text: String) {
    if let Some(at) = model.sent.iter().rposition(|sent| !sent.settled)
        && let Some(Sent { purpose, typed, .. }) = model.sent.remove(at)
    {
        model.drafts.entry(purpose).or_insert(typed);
    }
    model.news.fail(text);
}

/// Sends an act, remembering what was typed for it.
fn send(model: &mut Model, act: Act, typed: Option<(Purpose, Vec<String>)>) -> Vec<Effect> {
    model.news.moved_on();
    match &act {
        Act::Confirm { item, .. } => {
            model.undo = Some((item.clone(), model.now + chrono::TimeDelta::seconds(10)));
            model.acted = Some(item.clone());
        }
        Act::Answer { item, .. } | Act::Override { item, .. } => model.acted = Some(item.clone()),
        Act::Close { .. } => model.abandon = false,
        _ => {}
    }
    if let Some((purpose, typed)) = typed {
        model.sent.push_back(Sent { act: act.clone(), purpose, typed, settled: false });
        while model.sent.len() > KEPT_SENT {
            model.sent.pop_front();
        }
    }
    vec![Effect::Act(act)]
}

fn ran(model: &mut Model, item: ItemId, what: Ran) {
    match what {
        Ran::Started(command) => {
            model.running =
                Some(Running { item, command, lines: std::collections::VecDeque::new(), ended: None });
        }
        Ran::Line(line) => {
            if let Some(running) = model.running.as_mut().filter(|r| r.item == item) {
                running.lines.push_back(line);
                if running.lines.len() > KEPT_LINES {
                    running.lines.pop_front();
                }
            }
        }
        Ran::Ended(exit) => {
            if let Some(running) = model.running.as_mut().filter(|r| r.item == item) {
                running.ended = Some(exit);
            }
        }
    }
}
