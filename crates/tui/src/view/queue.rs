//! The queue: which checklists ask for attention, the loudest first.

use deadstick_core::incident::view::{ChecklistState, QueueRow};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::keymap::Place;
use crate::model::Model;
use crate::news::{Tone, level_word};
use crate::text::{column, fit, width};
use crate::words::queue_status;

use super::paint::{Paint, line, lines};

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, paint: &Paint, area: Rect) {
    let focus = model.place == Place::Queue;
    let rows = model.queue_rows();
    let waiting = rows.iter().filter(|(_, row)| row.state == Some(ChecklistState::Queued)).count();
    let title = match waiting {
        0 => "Queue".to_owned(),
        n => format!("Queue ({n} not opened)"),
    };
    let area = paint.heading(frame, area, &title, focus);
    if rows.is_empty() {
        lines(frame, area, vec![line([("  no alerts".to_owned(), paint.dim())], usize::from(area.width))]);
        return;
    }
    let at = model.queue_position(&rows);
    let height = usize::from(area.height);
    let top = at.saturating_sub(height / 2).min(rows.len().saturating_sub(height));
    let shown = rows.iter().enumerate().skip(top).take(height);
    let drawn = shown
        .map(|(n, (depth, row))| entry(row, *depth, n == at && focus, model, paint, usize::from(area.width)));
    lines(frame, area, drawn.collect());
}

fn entry(
    row: &QueueRow,
    depth: usize,
    selected: bool,
    model: &Model,
    paint: &Paint,
    cells: usize,
) -> Line<'static> {
    let tone = match row.state {
        Some(ChecklistState::Queued | ChecklistState::Open | ChecklistState::Held) | None => row.level.into(),
        Some(_) => Tone::Quiet,
    };
    let cursor = if selected { "> " } else { "  " };
    let looked_at = if row.checklist.is_some() && row.checklist == model.shown { "* " } else { "  " };
    let indent = "  ".repeat(depth.min(8));
    let status = queue_status(row);
    let fixed = width(cursor) + width(looked_at) + width(&indent) + 9;
    let status_cells = width(&status).min(cells / 2);
    let title_cells = cells.saturating_sub(fixed + status_cells + 2);
    let strong = if selected { paint.bold() } else { paint.plain() };
    line(
        [
            (cursor.to_owned(), paint.bold()),
            (looked_at.to_owned(), paint.plain()),
            (indent, paint.plain()),
            (column(level_word(row.level), 9), paint.tone(tone)),
            (column(&row.title, title_cells), strong),
            ("  ".to_owned(), paint.plain()),
            (
                fit(&status, status_cells),
                paint.tone(if tone == Tone::Quiet { Tone::Quiet } else { Tone::Plain }),
            ),
        ],
        cells,
    )
}
