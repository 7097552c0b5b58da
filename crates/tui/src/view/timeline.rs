//! The timeline: what has happened, the newest at the bottom, in UTC.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::keymap::Place;
use crate::model::Model;
use crate::timeline::Entry;
use crate::words::clock;

use super::paint::{Paint, line, lines};

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, paint: &Paint, area: Rect) {
    let focus = model.place == Place::Timeline;
    let timeline = &model.timeline;
    let (visible, all) = timeline.counts();
    let title = match (timeline.filtered_by(), timeline.follows()) {
        ("", true) => "Timeline (UTC)".to_owned(),
        ("", false) => format!("Timeline (UTC), {} of {visible}; End follows", timeline.selected() + 1),
        (filter, _) => format!("Timeline (UTC), {visible} of {all} contain \"{filter}\""),
    };
    let area = paint.heading(frame, area, &title, focus);
    let cells = usize::from(area.width);
    let window = timeline.window(usize::from(area.height));
    if window.is_empty() {
        let text = if all == 0 { "  nothing yet" } else { "  nothing contains that; Esc shows all" };
        lines(frame, area, vec![line([(text.to_owned(), paint.dim())], cells)]);
        return;
    }
    let shows_place = focus && !timeline.follows();
    let selected = timeline.selected();
    let drawn = window.filter_map(|n| Some((n, timeline.entry(n)?)));
    let drawn = drawn.map(|(n, entry)| row(entry, shows_place && n == selected, paint, cells));
    lines(frame, area, drawn.collect());
}

fn row(entry: &Entry, selected: bool, paint: &Paint, cells: usize) -> Line<'static> {
    let cursor = if selected { "> " } else { "  " };
    let late = entry.back_dated();
    let mark = if late { "<" } else { " " };
    let recorded = if late { format!(" (recorded {})", clock(entry.recorded)) } else { String::new() };
    line(
        [
            (cursor.to_owned(), paint.bold()),
            (format!("{}{mark}", clock(entry.occurred)), if late { paint.bold() } else { paint.dim() }),
            (format!("{} ", entry.by), paint.dim()),
            (entry.what.clone(), paint.tone(entry.tone)),
            (recorded, paint.dim()),
        ],
        cells,
    )
}
