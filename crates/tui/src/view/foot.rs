//! The foot of the screen: what to do next or what is asked, and the keys that work here, now.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::here::Enter;
use crate::keymap::{Action, BINDINGS, Binding};
use crate::model::{Mode, Model};
use crate::news::Tone;
use crate::prompt::{Prompt, Purpose};
use crate::text::{fit, width, wrap};
use crate::words::clock;

use super::layout::Layout;
use super::paint::{Paint, Part, line, lines};

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, paint: &Paint, layout: &Layout) {
    if let Mode::Prompt(open) = &model.mode {
        prompt(frame, model, open, paint, layout.hint);
    } else {
        let rows = usize::from(layout.hint.height);
        let cells = usize::from(layout.hint.width);
        let mut shown = Vec::new();
        if let Some(answer) = model.news.answer() {
            shown.extend(wrap(answer, cells).into_iter().map(|l| Line::styled(l, paint.tone(Tone::Caution))));
        }
        shown.extend(wrap(&model.hint(), cells).into_iter().map(|l| Line::styled(l, paint.bold())));
        shown.truncate(rows);
        lines(frame, layout.hint, shown);
    }
    let cells = usize::from(layout.keys.width);
    lines(frame, layout.keys, vec![line(keys(model, paint, cells), cells)]);
}

/// The keys, the likeliest first, as many as fit; the one for help always does.
fn keys(model: &Model, paint: &Paint, cells: usize) -> Vec<Part> {
    let fixed: Option<&[(&str, &str)]> = match &model.mode {
        Mode::Prompt(open) if open.question(model.snapshot.as_ref(), model.now).is_some() => {
            Some(&[("y", "yes"), ("Esc", "no")])
        }
        Mode::Prompt(open) if open.purpose == Purpose::Filter => {
            Some(&[("Enter", "keep"), ("Esc", "show all")])
        }
        Mode::Prompt(_) => Some(&[("Enter", "go on"), ("Esc", "back, keeps what is typed")]),
        Mode::Finder(_) => Some(&[("Enter", "do it"), ("Esc", "back"), ("Up/Down", "choose")]),
        Mode::Menu(_) => Some(&[("Enter", "choose"), ("Esc", "back")]),
        Mode::Entry => Some(&[("Up/Down", "entry"), ("Esc", "back")]),
        Mode::Panes => None,
    };
    let mut pairs: Vec<(String, String)> = Vec::new();
    match fixed {
        Some(fixed) => pairs.extend(fixed.iter().map(|(key, name)| ((*key).to_owned(), (*name).to_owned()))),
        None => {
            let map = &model.settings.keys;
            let pair = |action: Action, name: &str| (map.shown(action), name.to_owned());
            let shown = |b: &&Binding| !matches!(b.action, Action::Back | Action::Help);
            pairs.push(pair(Action::Help, "help"));
            let here = BINDINGS.iter().filter(shown).filter(|b| model.applies(b.action));
            pairs.extend(here.filter_map(|b| Some(pair(b.action, name(model, b)?))));
        }
    }
    let mut parts = Vec::new();
    let mut left = cells;
    for (key, name) in pairs {
        let needs = width(&key) + 1 + width(&name) + 2;
        if needs > left && !parts.is_empty() {
            break;
        }
        left = left.saturating_sub(needs);
        parts.push((key, paint.bold()));
        parts.push((format!(" {name}  "), paint.plain()));
    }
    parts
}

/// The name of an action in the footer: what it would do to the selected line. None for what another key says better.
fn name(model: &Model, binding: &'static Binding) -> Option<&'static str> {
    let row = model.row();
    match (binding.action, row) {
        (Action::Confirm, Some(row)) => Some(match model.enter(row) {
            Enter::Open => "open",
            Enter::Confirm => "confirm",
            Enter::Answer => "answer",
            Enter::Explain => "why",
            Enter::Next => "next line",
        }),
        (Action::Choose, Some(row)) if row.answers.iter().all(|a| a == "yes" || a == "no") => None,
        _ => Some(binding.name),
    }
}

/// The prompt: the question with what is typed, then an error, the time meant, or how far it is.
fn prompt(frame: &mut Frame<'_>, model: &Model, open: &Prompt, paint: &Paint, area: Rect) {
    if area.is_empty() {
        return;
    }
    let cells = usize::from(area.width);
    let snapshot = model.snapshot.as_ref();
    if let Some(question) = open.question(snapshot, model.now) {
        let asked = wrap(&format!("{question}? y / Esc"), cells);
        let rows = usize::from(area.height);
        let mut shown: Vec<_> = asked.into_iter().collect();
        if shown.len() > rows {
            // The key to press matters more than the end of a long command, which the checklist shows whole.
            shown.truncate(rows);
            if let Some(last) = shown.last_mut() {
                *last = format!("{} ? y / Esc", fit(last, cells.saturating_sub(10)));
            }
        }
        lines(frame, area, shown.into_iter().map(|l| Line::styled(l, paint.bold())).collect());
        return;
    }
    let Some(field) = open.field() else { return };
    let label = fit(&format!("{}: ", field.ask.label), cells / 2);
    let label_cells = u16::try_from(width(&label)).unwrap_or(area.width).min(area.width);
    lines(frame, Rect { height: 1, ..area }, vec![Line::styled(label, paint.bold())]);
    let input = Rect { x: area.x + label_cells, width: area.width - label_cells, height: 1, ..area };
    if !input.is_empty() {
        frame.render_widget(&field.input, input);
    }
    if area.height > 1 {
        let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
        let text = match (&open.error, open.words(model.now).when) {
            (Some(error), _) => error.clone(),
            (None, Some(at)) => format!("happened {}Z, recorded now", clock(at)),
            (None, None) => match &open.purpose {
                Purpose::Act { intent, .. } if intent.dated() => {
                    "Happened earlier? Begin with -3m or 14:03 (UTC).".to_owned()
                }
                _ => String::new(),
            },
        };
        lines(frame, below, vec![line([(text, paint.dim())], cells)]);
    }
}

/// All that fits on a screen of one line: what is typed, or the line that is next.
pub(super) fn one_line(frame: &mut Frame<'_>, model: &Model, paint: &Paint, area: Rect) {
    let row = Rect { height: 1, ..area };
    let cells = usize::from(area.width);
    if let Mode::Prompt(open) = &model.mode {
        prompt(frame, model, open, paint, row);
        return;
    }
    let text = match (model.row(), model.queue_row()) {
        (Some(item), _) if model.list().is_some() => format!("{} {}", item.marker.glyph(), item.text),
        (_, Some(queued)) => queued.title.clone(),
        _ => clock(model.now),
    };
    lines(frame, row, vec![line([(text, paint.bold())], cells)]);
}
