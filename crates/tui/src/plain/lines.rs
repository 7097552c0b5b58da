//! The longer texts of the plain mode: where things stand, a checklist, the commands.
//!
//! Owns their wording. Leaves saying each only once to [`super::Plain`].

use deadstick_core::Timestamp;
use deadstick_core::incident::view::ChecklistView;

use crate::guide::{Next, in_plain};
use crate::keymap::BINDINGS;
use crate::news::level_word;
use crate::settings::Settings;
use crate::snapshot::Snapshot;
use crate::text::span;
use crate::timeline::Entry;
use crate::words::{clock, condition, control, gravity, queue_status, status};

use super::number;

/// One entry of the timeline.
pub(super) fn entry(entry: &Entry) -> String {
    let late =
        if entry.back_dated() { format!(" (recorded {}Z)", clock(entry.recorded)) } else { String::new() };
    format!("{}Z {} {}{late}", clock(entry.occurred), entry.by, entry.what)
}

/// What this is, how bad it is, and who commands.
pub(super) fn head(snapshot: &Snapshot, settings: &Settings, now: Timestamp) -> Vec<String> {
    let bar = &snapshot.bar;
    let until = bar.closed_at.unwrap_or(now);
    let since = bar.opened_at.map(|at| format!(", for {}", span((until - at).num_seconds().max(0))));
    let mut told = vec![
        format!("Incident: {}. {}{}.", bar.title, gravity(bar), since.unwrap_or_default()),
        format!("At {}Z, {}.", clock(now), control(bar, settings.me.as_str(), now)),
    ];
    let condition = condition(bar, snapshot.hides_staging(settings.facilitator));
    if !condition.is_empty() {
        told.push(format!("{condition}."));
    }
    told
}

/// Everything that asks for attention, numbered.
pub(super) fn status_lines(snapshot: &Snapshot, settings: &Settings, now: Timestamp) -> Vec<String> {
    let mut told = head(snapshot, settings, now);
    let queue = snapshot.queue_rows(|_| true);
    told.push(if queue.is_empty() { "No alerts.".to_owned() } else { "Checklists:".to_owned() });
    for (n, (depth, row)) in queue.iter().enumerate() {
        let name = row.checklist.as_ref().map(|name| format!(" [{name}]")).unwrap_or_default();
        let below = if *depth > 0 { "inhibited: " } else { "" };
        let (level, state) = (level_word(row.level), queue_status(row));
        told.push(format!("#{} {below}{level}: {}{name}, {state}", n + 1, row.title));
    }
    if !snapshot.deferred.is_empty() {
        told.push("Left for later:".to_owned());
        for row in &snapshot.deferred {
            told.push(format!(
                "- {} [{}], by {}, for {}, from {}",
                row.text, row.id, row.by, row.to, row.from
            ));
        }
    }
    told
}

/// A checklist, whole, its items numbered.
pub(super) fn checklist(list: &ChecklistView) -> Vec<String> {
    let mut told = vec![format!("{}: {}. {}.", level_word(list.level), list.title, list.state.word())];
    for (label, text) in [("When", &list.condition), ("Goal", &list.objective), ("Not when", &list.not_when)]
    {
        told.extend(text.as_ref().map(|text| format!("{label}: {text}")));
    }
    if let Some(why) = &list.unreadable {
        told.push(format!("This checklist cannot be read here; work it on paper, or override it. {why}"));
    }
    let mut n = 0;
    for section in &list.sections {
        told.push(format!("{}:", section.heading));
        for row in &section.rows {
            n += 1;
            let branch = row.branch.as_ref().map(|answer| format!("if {answer}: ")).unwrap_or_default();
            let state = status(row);
            let state = if state.is_empty() { state } else { format!(" - {state}") };
            let indent = "  ".repeat(row.depth);
            told.push(format!("{indent}{} {n}. {branch}{}{state}", row.marker.glyph(), row.text));
        }
    }
    told.extend(list.complete.as_ref().map(|text| format!("End: {text}")));
    told
}

/// What comes next.
pub(super) fn next(next: &Next<'_>, list: Option<&ChecklistView>) -> Vec<String> {
    let number = |row: &deadstick_core::incident::view::ItemRow| number(list, &row.id);
    let mut told = Vec::new();
    if let Next::Item(row) = next {
        let state = status(row);
        let state = if state.is_empty() { state } else { format!(" - {state}") };
        told.push(format!("Next: {} {}. {}{state}", row.marker.glyph(), number(row), row.text));
        told.extend(row.detail.clone());
    }
    told.push(in_plain(next, number));
    told
}

/// The commands.
pub(super) fn help() -> Vec<String> {
    let mut told = vec![
        "N is an item's number or id on the checklist. Begin a line with -3m or 14:03 (UTC) for what happened earlier."
            .to_owned(),
        "N [WORDS]: what the item asks for: confirm it, with its reading; answer it".to_owned(),
    ];
    let mut known: Vec<&str> = Vec::new();
    for binding in BINDINGS.iter().filter(|b| !b.plain.is_empty() && b.plain != "help") {
        if !known.contains(&binding.plain) {
            known.push(binding.plain);
            told.push(format!("{}: {}", binding.plain, binding.does));
        }
    }
    told.push("show [CHECKLIST]: Tells the checklist whole".to_owned());
    told.push("yes: Does what was asked about".to_owned());
    told.push("help: Tells the commands".to_owned());
    told
}
