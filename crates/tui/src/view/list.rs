//! The open checklist: its sections and lines, one box on the line that is next, details under the cursor.

use deadstick_core::incident::view::{ChecklistState, ChecklistView, ItemRow, Marker};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::intent::argv;
use crate::keymap::Place;
use crate::model::Model;
use crate::news::Tone;
use crate::text::{fit, width, wrap};
use crate::words::status;

use super::paint::{Paint, Part, line, lines};

/// Lines of a running command that are shown.
const OUTPUT: usize = 6;
/// Lines behind the selected item that should be seen too.
const AHEAD: usize = 2;

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, paint: &Paint, area: Rect) {
    let focus = model.place == Place::Checklist;
    let Some(list) = model.list() else {
        let area = paint.heading(frame, area, "Checklist", focus);
        let parts = [("  none is open".to_owned(), paint.dim())];
        lines(frame, area, vec![line(parts, usize::from(area.width))]);
        return;
    };
    let state = match list.state {
        ChecklistState::Open => String::new(),
        other => format!(" [{}]", other.word()),
    };
    let run = if list.run > 1 { format!(", run {}", list.run) } else { String::new() };
    let area = paint.heading(frame, area, &format!("{}{run}{state}", list.title), focus);
    let (all, cursor) = page(model, list, paint, usize::from(area.width));
    let height = usize::from(area.height);
    let top = if cursor.end + AHEAD <= height {
        0
    } else {
        let middle = usize::midpoint(cursor.start, cursor.end.min(cursor.start + height));
        middle.saturating_sub(height / 2).min(all.len().saturating_sub(height))
    };
    lines(frame, area, all.into_iter().skip(top).take(height).collect());
}

/// Every line of the checklist, and which of them belong to the selected item.
fn page(
    model: &Model,
    list: &ChecklistView,
    paint: &Paint,
    cells: usize,
) -> (Vec<Line<'static>>, std::ops::Range<usize>) {
    let mut all = Vec::new();
    let mut cursor = 0..0;
    for (label, text) in [("When", &list.condition), ("Goal", &list.objective), ("Not when", &list.not_when)]
    {
        if let Some(text) = text {
            let label = format!("  {label}: ");
            let room = cells.saturating_sub(width(&label));
            for (n, text) in wrap(text, room).into_iter().enumerate() {
                let begin = if n == 0 { label.clone() } else { " ".repeat(width(&label)) };
                all.push(line([(begin, paint.dim()), (text, paint.plain())], cells));
            }
        }
    }
    if let Some(why) = &list.unreadable {
        let text = format!("This checklist cannot be read here; work it on paper, or override it. {why}");
        all.extend(wrap(&text, cells).into_iter().map(|l| line([(l, paint.tone(Tone::Warning))], cells)));
    }
    let selected = model.row().map(|row| &row.id);
    let mut number = 0;
    for section in &list.sections {
        all.push(line([(format!("  {}", section.heading.to_uppercase()), paint.bold())], cells));
        for row in &section.rows {
            number += 1;
            let here = selected == Some(&row.id) && model.place == Place::Checklist;
            let start = all.len();
            item(&mut all, row, number, here, paint, cells);
            if here {
                details(&mut all, row, model, paint, cells);
            }
            if selected == Some(&row.id) {
                cursor = start..all.len();
            }
        }
    }
    if let Some(complete) = &list.complete {
        all.push(line([(format!("  END: {complete}"), paint.dim())], cells));
    }
    (all, cursor)
}

/// One item: cursor, box, marker, number, text, dots, state. The text is wrapped, never cut.
fn item(all: &mut Vec<Line<'static>>, row: &ItemRow, number: usize, here: bool, paint: &Paint, cells: usize) {
    let cursor = if here { ">" } else { " " };
    let edge = if row.current { "|" } else { " " };
    let branch = row.branch.as_ref().map(|answer| format!("if {answer}: ")).unwrap_or_default();
    let head = format!(" {}{} {number:>2} ", "  ".repeat(row.depth.min(6)), row.marker.glyph());
    let style = match (row.marker, row.current || here) {
        (Marker::Inactive, _) => paint.dim(),
        (_, true) => paint.bold(),
        (_, false) => paint.plain(),
    };
    let state = status(row);
    let room = cells.saturating_sub(2 + width(&head) + 1);
    let state_cells = width(&state).min(room / 2);
    let text = wrap(&format!("{branch}{}", row.text), room.saturating_sub(state_cells + 3).max(1));
    let last = text.len() - 1;
    for (n, text) in text.into_iter().enumerate() {
        let begin = if n == 0 { head.clone() } else { " ".repeat(width(&head)) };
        let mut parts: Vec<Part> = vec![
            (if n == 0 { cursor } else { " " }.to_owned(), paint.bold()),
            (edge.to_owned(), paint.bold()),
            (begin, paint.marker(row.marker)),
        ];
        let used = width(&text);
        parts.push((text, style));
        let gap = room.saturating_sub(used);
        if n == last && state_cells > 0 {
            let dots = gap.saturating_sub(state_cells + 2);
            parts.push((format!(" {} ", ".".repeat(dots)), paint.dim()));
            parts.push((fit(&state, state_cells), paint.marker(row.marker)));
        } else {
            parts.push((" ".repeat(gap), paint.plain()));
        }
        parts.push((edge.to_owned(), paint.bold()));
        all.push(line(parts, cells));
    }
}

/// What there is to know about the selected item.
fn details(all: &mut Vec<Line<'static>>, row: &ItemRow, model: &Model, paint: &Paint, cells: usize) {
    let indent = 8.min(cells / 4);
    let mut tell = |text: &str, tone: Tone| {
        for text in wrap(text, cells.saturating_sub(indent + 1)) {
            let parts = [(" ".repeat(indent), paint.plain()), (text, paint.tone(tone))];
            all.push(line(parts, cells));
        }
    };
    let full = status(row);
    if width(&full) > cells / 3 {
        tell(&full, Tone::Plain);
    }
    if row.back_dated {
        tell("It was recorded later than it happened.", Tone::Quiet);
    }
    if let Some(detail) = &row.detail {
        tell(detail, if row.marker == Marker::Unknown { Tone::Caution } else { Tone::Plain });
    }
    if !row.explains.is_empty() {
        tell(&row.explains, Tone::Quiet);
    }
    if let Some(by) = &row.by {
        tell(&format!("by: {by}"), Tone::Quiet);
    }
    if row.needs_second && !row.marker.is_terminal() {
        tell("Cannot be taken back: a second person must agree.", Tone::Caution);
    }
    if let Some(command) = &row.command {
        tell(&format!("$ {}", argv(command)), Tone::Plain);
    }
    if let Some(running) = model.running.as_ref().filter(|running| running.item == row.id) {
        if running.ended.is_none() {
            tell(&format!("running: {}", argv(&running.command)), Tone::Quiet);
        }
        let skipped = running.lines.len().saturating_sub(OUTPUT);
        for text in running.lines.iter().skip(skipped) {
            tell(text, Tone::Plain);
        }
        match running.ended {
            None => {}
            Some(Some(0)) => tell("it ended well", Tone::Good),
            Some(Some(status)) => tell(&format!("it ended with status {status}"), Tone::Caution),
            Some(None) => tell("it could not be started, or was ended by a signal", Tone::Caution),
        }
    } else if let Some(ran) = &row.ran {
        tell(&format!("last run: {ran}"), Tone::Plain);
    }
}
