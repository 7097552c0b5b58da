//! The timeline: what has happened, the newest at the bottom, in UTC.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::keymap::Place;
use crate::model::Model;
use crate::text::{width, wrap};
use crate::timeline::Entry;
use crate::words::clock;

use super::paint::{Paint, line, lines};

/// Lines that one entry may take, where there are many, and where there are few.
const MOST: (usize, usize) = (4, 2);
/// So many lines are many.
const TALL: usize = 12;
/// Below so many cells an entry takes one line: beside the time there is no room for words.
const NARROW: usize = 30;

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
    let most = if usize::from(area.height) < TALL { MOST.1 } else { MOST.0 };
    let (mut all, mut reader) = (Vec::new(), 0);
    for (n, entry) in window.filter_map(|n| Some((n, timeline.entry(n)?))) {
        all.extend(rows(entry, shows_place && n == selected, paint, (cells, most)));
        if n <= selected {
            reader = all.len();
        }
    }
    // The newest at the bottom; for a reader, the entry that is read.
    let height = usize::from(area.height);
    let end = if timeline.follows() { all.len() } else { reader.max(height.min(all.len())) };
    lines(frame, area, all.drain(end.saturating_sub(height)..end).collect());
}

/// An entry over a few lines; what is longer is read in full by opening it.
fn rows(entry: &Entry, selected: bool, paint: &Paint, (cells, most): (usize, usize)) -> Vec<Line<'static>> {
    let cursor = if selected { "> " } else { "  " };
    let late = entry.back_dated();
    let mark = if late { "<" } else { " " };
    let recorded = if late { format!(" (recorded {})", clock(entry.recorded)) } else { String::new() };
    let time = format!("{}{mark}", clock(entry.occurred));
    let by = format!("{} ", entry.by);
    let indent = width(cursor) + width(&time);
    let whole = format!("{by}{}{recorded}", entry.what);
    let mut texts = if cells < NARROW { vec![whole] } else { wrap(&whole, cells - indent) };
    if texts.len() > most {
        let rest = texts.split_off(most - 1).join(" ");
        texts.push(rest);
    }
    let line_of = |(n, text): (usize, String)| {
        if n > 0 {
            return line([(" ".repeat(indent), paint.plain()), (text, paint.tone(entry.tone))], cells);
        }
        // A name longer than a line is shown with what follows it.
        let (who, what) = match text.strip_prefix(&by) {
            Some(what) => (by.clone(), what.to_owned()),
            None => (String::new(), text),
        };
        line(
            [
                (cursor.to_owned(), paint.bold()),
                (time.clone(), if late { paint.bold() } else { paint.dim() }),
                (who, paint.dim()),
                (what, paint.tone(entry.tone)),
            ],
            cells,
        )
    };
    texts.into_iter().enumerate().map(line_of).collect()
}
