//! What to do next, for somebody who sees this for the first time.
//!
//! Owns the judgement of what comes next and its two wordings: with keys for the screen, with commands for the plain
//! mode. Leaves the rules of what is allowed to the engine.

use deadstick_core::incident::view::{ChecklistState, ChecklistView, ItemRow, Marker, QueueRow};

use crate::intent::argv;
use crate::keymap::{Action, Keymap};
use crate::snapshot::{Snapshot, rows};
use crate::text::{count, span};

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next<'a> {
    NoIncident,
    Closed,
    /// Somebody offers control to this person.
    Accept {
        from: &'a str,
    },
    /// The receiver has answered; this person makes the third call.
    HandOver {
        to: &'a str,
    },
    /// Nobody commands; whether something waits to be opened.
    TakeControl {
        alert: bool,
    },
    Open(&'a QueueRow),
    /// A checklist is open, and this person looks elsewhere.
    GoOn(&'a QueueRow),
    Item(&'a ItemRow),
    /// The checklist that is looked at asks for nothing more.
    ListDone {
        list: &'a ChecklistView,
        others: usize,
    },
    /// Nothing asks for attention; how many deferred items are left.
    Quiet {
        deferred: usize,
    },
}

/// What comes next, given the checklist that is looked at and the item that is selected on it.
pub(crate) fn next<'a>(
    snapshot: Option<&'a Snapshot>,
    me: &str,
    shown: Option<&'a ChecklistView>,
    selected: Option<&'a ItemRow>,
) -> Next<'a> {
    let Some(snapshot) = snapshot else { return Next::NoIncident };
    let bar = &snapshot.bar;
    if bar.closed_at.is_some() {
        return Next::Closed;
    }
    match &bar.pending {
        Some(offer) if offer.to == me && !offer.accepted => return Next::Accept { from: &offer.from },
        Some(offer) if offer.from == me && offer.accepted => return Next::HandOver { to: &offer.to },
        _ => {}
    }
    let waits = |row: &&QueueRow| row.state == Some(ChecklistState::Queued);
    let queued = snapshot.queue.iter().find(waits);
    if bar.holder.is_none() {
        return Next::TakeControl { alert: queued.is_some() };
    }
    use ChecklistState::{CompleteExceptDeferred, Open};
    if let Some(list) = shown.filter(|list| matches!(list.state, Open | CompleteExceptDeferred)) {
        return match selected.or_else(|| rows(list).find(|row| row.current)) {
            Some(row) => Next::Item(row),
            None => Next::ListDone { list, others: snapshot.queue.iter().filter(waits).count() },
        };
    }
    let open = snapshot.queue.iter().find(|row| row.state == Some(Open));
    match (queued, open, shown) {
        (Some(row), _, _) => Next::Open(row),
        (None, Some(row), _) => Next::GoOn(row),
        (None, None, Some(list)) => Next::ListDone { list, others: 0 },
        (None, None, None) => Next::Quiet { deferred: snapshot.deferred.len() },
    }
}

/// The sentence with keys.
pub(crate) fn on_screen(next: &Next<'_>, keys: &Keymap) -> String {
    let key = |action| keys.shown(action);
    match next {
        Next::NoIncident => format!("Nothing has happened yet. {} shows the keys.", key(Action::Help)),
        Next::Closed => {
            format!(
                "The incident is closed. {} adds a note, {} leaves.",
                key(Action::Note),
                key(Action::Quit)
            )
        }
        Next::Accept { from } => format!(
            "{from} offers you control. Press {} then a to say \"I have control\", or d to decline.",
            key(Action::Control)
        ),
        Next::HandOver { to } => {
            format!("{to} says \"I have control\". Press {} then t to hand it over.", key(Action::Control))
        }
        Next::TakeControl { alert: true } => format!(
            "An alert has come in. Press {} to take control, then {} to open its checklist.",
            key(Action::Assume),
            key(Action::Open)
        ),
        Next::TakeControl { alert: false } => {
            format!("Nobody has control. Press {} to take it.", key(Action::Assume))
        }
        Next::Open(_) => {
            format!("An alert has come in. Press {} to open its checklist.", key(Action::Open))
        }
        Next::GoOn(row) => format!("{} goes on with {}.", key(Action::Open), row.title),
        Next::Item(row) => item_on_screen(row, keys),
        Next::ListDone { list, others: 0 } if left_over(list) > 0 => format!(
            "{}. {} goes there, {} closes the incident.",
            at_the_end(list),
            key(Action::Confirm),
            key(Action::Close)
        ),
        Next::ListDone { list, others: 0 } => {
            format!("{}. {} closes the incident.", at_the_end(list), key(Action::Close))
        }
        Next::ListDone { list, others } => format!(
            "{}. {} goes back: {} in the queue.",
            at_the_end(list),
            key(Action::Back),
            if *others == 1 { "another waits".to_owned() } else { format!("{others} others wait") }
        ),
        Next::Quiet { deferred: 0 } => {
            format!(
                "Nothing waits. {} writes a note, {} closes the incident.",
                key(Action::Note),
                key(Action::Close)
            )
        }
        Next::Quiet { deferred } => format!(
            "{} left for later. {} writes a note, {} closes the incident.",
            count(*deferred, "item"),
            key(Action::Note),
            key(Action::Close)
        ),
    }
}

/// What is said at the end of a checklist, and what of it is left for later.
fn at_the_end(list: &ChecklistView) -> String {
    let say = list.complete.as_deref().unwrap_or("Nothing is left to do on this checklist");
    match left_over(list) {
        0 => say.trim_end_matches('.').to_owned(),
        n => format!("{}; {} left for later", say.trim_end_matches('.'), count(n, "item")),
    }
}

/// How many items of it are left for later.
fn left_over(list: &ChecklistView) -> usize {
    rows(list).filter(|row| row.kind == "deferred" && !row.marker.is_terminal()).count()
}

fn item_on_screen(row: &ItemRow, keys: &Keymap) -> String {
    let key = |action| keys.shown(action);
    let (act, over) = (key(Action::Confirm), key(Action::Override));
    match (row.marker, row.kind) {
        (Marker::Inactive, _) => format!("This line does not apply. {act} goes to the line that is next."),
        (Marker::Overridden, _) => {
            format!("Overridden. {} takes that back, {act} goes to the line that is next.", key(Action::Undo))
        }
        (Marker::Deferred, _) => {
            let drop = key(Action::Defer);
            format!(
                "Left for later. {act} says it is done now; {drop}, with a reason, that it is needed no more."
            )
        }
        (Marker::Sensed, "decide") => {
            format!("Its probe has answered. {act} goes to the line that is next.")
        }
        (Marker::Sensed, _) => format!("Its probe says it is so. {act} goes to the line that is next."),
        (Marker::Done, _) if !row.answers.is_empty() => {
            format!("Answered. Press the key of another answer to change it; {act} goes on.")
        }
        (Marker::Done, _) => {
            format!("Done. {} takes it back, {act} goes to the line that is next.", key(Action::Undo))
        }
        (Marker::Waiting, _) => {
            let left = row.remaining.map(|s| format!(" {} left.", span(s.0))).unwrap_or_default();
            format!("Wait.{left} {over} cuts it short, with a reason.")
        }
        (Marker::Unknown | Marker::Open | Marker::Regressed, "decide") => decide_on_screen(row, keys),
        (Marker::Unknown, _) => {
            format!(
                "Nobody knows: its probe does not answer. Look yourself, or {over} overrides with a reason."
            )
        }
        (Marker::Open | Marker::Regressed, "sensed") => {
            format!("Its probe watches this; wait until it is so. {over} overrides with a reason.")
        }
        (Marker::Open | Marker::Regressed, _) => {
            let first = match &row.command {
                Some(_) => format!("{} runs its command. Then", key(Action::Run)),
                None => "Do it, then".to_owned(),
            };
            let asked = match (&row.reading, row.needs_second) {
                (Some(reading), _) => format!(" and give the {reading}"),
                (None, true) => " and name the second person who agrees".to_owned(),
                (None, false) => String::new(),
            };
            format!("{first} press {act}{asked}.")
        }
    }
}

fn decide_on_screen(row: &ItemRow, keys: &Keymap) -> String {
    let choice = |(n, answer): (usize, &String)| match answer.as_str() {
        "yes" => format!("{} yes", keys.shown(Action::Yes)),
        "no" => format!("{} no", keys.shown(Action::No)),
        other => format!("{} {other}", n + 1),
    };
    let choices: Vec<_> = row.answers.iter().enumerate().map(choice).collect();
    format!("Decide: {}.", choices.join(", "))
}

/// The sentence with commands; `number` is the item's on its checklist.
pub(crate) fn in_plain(next: &Next<'_>, number: impl Fn(&ItemRow) -> usize) -> String {
    match next {
        Next::NoIncident => "Nothing has happened yet. Type help for the commands.".to_owned(),
        Next::Closed => "The incident is closed. You can add notes: note TEXT. To leave: quit.".to_owned(),
        Next::Accept { from } => {
            format!("{from} offers you control. To say \"I have control\": accept. Otherwise: decline WHY.")
        }
        Next::HandOver { to } => format!("{to} says \"I have control\". To hand it over: transfer."),
        Next::TakeControl { alert: true } => {
            "An alert has come in and nobody has control. To take it: assume.".to_owned()
        }
        Next::TakeControl { alert: false } => "Nobody has control. To take it: assume.".to_owned(),
        Next::Open(row) => match &row.checklist {
            Some(name) => format!("An alert has come in. To open its checklist: open {name}."),
            None => format!("An alert has come in that has no checklist: {}.", row.title),
        },
        Next::GoOn(row) => match &row.checklist {
            Some(name) => format!("Open is {}. To go on with it: open {name}.", row.title),
            None => format!("Open is {}.", row.title),
        },
        Next::Item(row) => item_in_plain(row, number(row)),
        Next::ListDone { list, others } => {
            let say = at_the_end(list);
            match others {
                0 => format!("{say}. To close the incident: close SUMMARY."),
                n => format!("{say}. {} in the queue: status.", count(*n, "checklist")),
            }
        }
        Next::Quiet { deferred: 0 } => {
            "Nothing waits. To write a note: note TEXT. To close the incident: close SUMMARY.".to_owned()
        }
        Next::Quiet { deferred } => {
            format!(
                "{} left for later: status. To close the incident: close SUMMARY.",
                count(*deferred, "item")
            )
        }
    }
}

fn item_in_plain(row: &ItemRow, n: usize) -> String {
    let with = if row.needs_second { " with NAME" } else { "" };
    match (row.marker, row.kind) {
        (Marker::Waiting, _) => {
            let left = row.remaining.map(|s| format!(", {} left", span(s.0))).unwrap_or_default();
            format!("Wait{left}. To cut it short: override {n} REASON.")
        }
        (_, "decide") => {
            let numbered = |(at, answer): (usize, &String)| format!("{} {answer}", at + 1);
            let answers: Vec<_> = row.answers.iter().enumerate().map(numbered).collect();
            format!("To decide: answer {n} CHOICE. The choices: {}.", answers.join(", "))
        }
        (Marker::Unknown, _) => {
            format!("Its probe does not answer. Look yourself, or: override {n} REASON{with}.")
        }
        (_, "sensed") => format!("Its probe watches this. Wait, or: override {n} REASON{with}."),
        _ => {
            let run = match &row.command {
                Some(command) => format!("Its command is {}: run {n}{with}. ", argv(command)),
                None => String::new(),
            };
            match &row.reading {
                Some(reading) => {
                    format!("{run}When it is done: confirm {n} READING{with}. The reading: {reading}.")
                }
                None if row.needs_second => {
                    format!("{run}When it is done: confirm {n} with NAME, who agrees.")
                }
                None => format!("{run}When it is done: {n}."),
            }
        }
    }
}
