//! What opens over the panes: the list of actions, menus, one entry of the timeline.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::Clear;

use crate::finder::{Finder, Scope};
use crate::keymap::Binding;
use crate::menu::Menu;
use crate::model::Model;
use crate::text::{column, width, wrap};
use crate::words::clock;

use super::paint::{Paint, line, lines};

/// Help and palette.
pub(super) fn finder(frame: &mut Frame<'_>, model: &Model, finder: &Finder, paint: &Paint, area: Rect) {
    frame.render_widget(Clear, area);
    let title = match finder.scope {
        Scope::Help => format!("Keys that work in the {} now; type to search", model.place.word()),
        Scope::Palette => "Every action; type to search".to_owned(),
    };
    let mut area = paint.heading(frame, area, &title, true);
    if area.is_empty() {
        return;
    }
    let input = Rect { height: 1, ..area };
    lines(frame, input, vec![line([("search: ".to_owned(), paint.bold())], usize::from(area.width))]);
    let typed = Rect { x: input.x + 8.min(input.width), width: input.width.saturating_sub(8), ..input };
    if !typed.is_empty() {
        frame.render_widget(&finder.query, typed);
    }
    area.y += 1;
    area.height -= 1;
    let found = finder.found(&model.settings.keys, |action| model.applies(action));
    let cells = usize::from(area.width);
    if found.is_empty() {
        lines(frame, area, vec![line([("  nothing matches".to_owned(), paint.dim())], cells)]);
        return;
    }
    let height = usize::from(area.height);
    let selected = finder.selected.min(found.len() - 1);
    let top = selected.saturating_sub(height / 2).min(found.len().saturating_sub(height));
    let entry = |(n, binding): (usize, &&Binding)| {
        let here = n == selected;
        let other =
            if finder.scope == Scope::Palette && !model.applies(binding.action) { "not here. " } else { "" };
        let style = if other.is_empty() { paint.plain() } else { paint.dim() };
        line(
            [
                (if here { "> " } else { "  " }.to_owned(), paint.bold()),
                (column(&model.settings.keys.all_shown(binding.action), 12), paint.bold()),
                (format!(" {}", column(binding.name, 16)), if here { paint.bold() } else { style }),
                (format!(" {other}{}", binding.does), style),
            ],
            cells,
        )
    };
    lines(frame, area, found.iter().enumerate().skip(top).take(height).map(entry).collect());
}

/// A small menu at the bottom of the panes.
pub(super) fn menu(frame: &mut Frame<'_>, menu: &Menu, paint: &Paint, area: Rect) {
    let rows = u16::try_from(menu.choices.len()).unwrap_or(u16::MAX).saturating_add(1).min(area.height);
    let area = Rect { y: area.y + area.height - rows, height: rows, ..area };
    frame.render_widget(Clear, area);
    let area = paint.heading(frame, area, menu.title, true);
    let cells = usize::from(area.width);
    let choice = |(n, choice): (usize, &crate::menu::Choice)| {
        let cursor = if n == menu.selected { "> " } else { "  " };
        let parts = [
            (cursor.to_owned(), paint.bold()),
            (format!("{}  ", choice.key), paint.bold()),
            (choice.label.clone(), paint.plain()),
        ];
        line(parts, cells)
    };
    lines(frame, area, menu.choices.iter().enumerate().map(choice).collect());
}

/// One entry of the timeline, whole.
pub(super) fn entry(frame: &mut Frame<'_>, model: &Model, paint: &Paint, area: Rect) {
    let Some(entry) = model.timeline.selected_entry() else { return };
    let cells = usize::from(area.width);
    let mut all = vec![format!("happened  {}", entry.occurred.format("%Y-%m-%d %H:%M:%S%.3fZ"))];
    let late = if entry.back_dated() { " (back-dated)" } else { "" };
    all.push(format!("recorded  {}{late}", entry.recorded.format("%Y-%m-%d %H:%M:%S%.3fZ")));
    all.push(format!("by        {}", entry.by));
    all.push(String::new());
    all.extend(wrap(&entry.what, cells.saturating_sub(2)));
    let rows = u16::try_from(all.len() + 1).unwrap_or(u16::MAX).min(area.height);
    let area = Rect { y: area.y + area.height - rows, height: rows, ..area };
    frame.render_widget(Clear, area);
    let area = paint.heading(frame, area, &format!("Entry of {}", clock(entry.occurred)), true);
    let widest = all.iter().map(|text| width(text)).max().unwrap_or(0).min(cells);
    let drawn = all.into_iter().map(|text| line([(column(&text, widest), paint.plain())], cells));
    lines(frame, area, drawn.collect());
}
