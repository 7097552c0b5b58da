//! The head of the screen: what this is, how bad it is, who commands, and what has just come in.

use ratatui::Frame;

use crate::model::Model;
use crate::news::Tone;
use crate::text::{span, width};
use crate::words::{clock, condition, control, gravity};

use super::layout::{Class, Layout};
use super::paint::{Paint, line, lines};

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, paint: &Paint, layout: &Layout) {
    let cells = usize::from(layout.bar.width);
    let time = format!("{}Z", clock(model.now));
    let Some(snapshot) = &model.snapshot else {
        let parts = [(time, paint.bold()), ("  no incident yet".to_owned(), paint.plain())];
        lines(frame, layout.bar, vec![line(parts, cells)]);
        news(frame, model, paint, layout);
        return;
    };
    let bar = &snapshot.bar;
    let elapsed = bar.opened_at.map(|at| {
        let until = bar.closed_at.unwrap_or(model.now);
        format!("  +{}", span((until - at).num_seconds().max(0)))
    });
    let severity = if bar.closed_at.is_some() { Tone::Quiet } else { Tone::Warning };
    let dual = !bar.dual_control.is_empty();
    // On one line there is room for either the title or what must be settled first.
    let title = if dual && layout.class != Class::Full {
        (control(bar, model.me(), model.now), paint.tone(Tone::Warning).patch(paint.reversed()))
    } else {
        (bar.title.clone(), paint.bold())
    };
    let first = [
        (time, paint.bold()),
        (elapsed.unwrap_or_default(), paint.plain()),
        (format!("  {}", gravity(bar)), paint.tone(severity)),
        ("  ".to_owned(), paint.plain()),
        title,
    ];
    let commands = control(bar, model.me(), model.now);
    let style = match (dual, bar.holder.is_none() || bar.pending.is_some()) {
        (true, _) => paint.tone(Tone::Warning).patch(paint.reversed()),
        (false, true) => paint.tone(Tone::Caution),
        (false, false) => paint.plain(),
    };
    let hurt = condition(bar, snapshot.hides_staging(model.settings.facilitator));
    let hurt_style = if bar.steady_state_lost_at.is_some() { Tone::Warning } else { Tone::Plain };
    let gap = cells.saturating_sub(width(&commands) + width(&hurt)).max(2);
    let second = [(commands, style), (" ".repeat(gap), paint.plain()), (hurt, paint.tone(hurt_style))];
    let mut all = vec![line(first, cells)];
    if layout.class == Class::Full {
        all.push(line(second, cells));
    }
    lines(frame, layout.bar, all);
    news(frame, model, paint, layout);
}

fn news(frame: &mut Frame<'_>, model: &Model, paint: &Paint, layout: &Layout) {
    if let Some(text) = &model.drill {
        let parts = [("drill: ".to_owned(), paint.bold()), (text.clone(), paint.plain())];
        lines(frame, layout.drill, vec![line(parts, usize::from(layout.drill.width))]);
    }
    if let Some((text, tone)) = model.news.line() {
        let parts = [("! ".to_owned(), paint.tone(tone)), (text, paint.tone(tone))];
        lines(frame, layout.news, vec![line(parts, usize::from(layout.news.width))]);
    }
}
