//! Styles, and lines cut to size.
//!
//! Owns the sixteen colours and the modifiers. The background and the colour of plain text are the terminal's own;
//! nothing is said by colour alone.

use deadstick_core::incident::view::Marker;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::news::Tone;
use crate::settings::{Colour, Settings};
use crate::text::{fit, width};

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    colour: bool,
    ascii: bool,
}

/// Text with a style.
pub(super) type Part = (String, Style);

impl Paint {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { colour: settings.colour == Colour::Always, ascii: settings.ascii }
    }

    fn tint(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    pub(super) const fn plain(self) -> Style {
        Style::new()
    }

    pub(super) const fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) const fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) const fn reversed(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(super) fn tone(self, tone: Tone) -> Style {
        match tone {
            Tone::Warning => self.tint(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Caution => self.tint(Color::Yellow).add_modifier(Modifier::BOLD),
            Tone::Good => self.tint(Color::Green),
            Tone::Quiet => self.dim(),
            Tone::Plain => self.plain(),
        }
    }

    pub(super) fn marker(self, marker: Marker) -> Style {
        match marker {
            Marker::Done | Marker::Sensed => self.tint(Color::Green),
            Marker::Regressed => self.tint(Color::Red).add_modifier(Modifier::BOLD),
            Marker::Unknown => self.tint(Color::Magenta).add_modifier(Modifier::BOLD),
            Marker::Overridden => self.tint(Color::Cyan),
            Marker::Deferred | Marker::Waiting => self.tint(Color::Yellow),
            Marker::Inactive => self.dim(),
            Marker::Open => self.plain(),
        }
    }

    /// The heading of a pane: its name on a rule, louder when it is in focus. Returns what is left of the area.
    pub(super) fn heading(self, frame: &mut Frame<'_>, area: Rect, title: &str, focus: bool) -> Rect {
        if area.is_empty() {
            return area;
        }
        let rule = if self.ascii { "-" } else { "\u{2500}" };
        let (style, mark) = if focus { (self.bold(), ">") } else { (self.dim(), rule) };
        let mut text = fit(&format!("{mark} {title} "), usize::from(area.width));
        let left = usize::from(area.width).saturating_sub(width(&text));
        text.push_str(&rule.repeat(left));
        let row = Rect { height: 1, ..area };
        frame.render_widget(Paragraph::new(Line::styled(text, style)), row);
        Rect { y: area.y + 1, height: area.height - 1, ..area }
    }

    /// A line between panes that stand side by side.
    pub(super) fn separator(self, frame: &mut Frame<'_>, area: Rect) {
        let bar = if self.ascii { "|" } else { "\u{2502}" };
        let lines: Vec<_> = (0..area.height).map(|_| Line::styled(bar, self.dim())).collect();
        frame.render_widget(Paragraph::new(lines), area);
    }
}

/// A line of parts, cut to so many cells.
pub(super) fn line(parts: impl IntoIterator<Item = Part>, cells: usize) -> Line<'static> {
    let mut left = cells;
    let mut spans = Vec::new();
    for (text, style) in parts {
        let text = fit(&text, left);
        left = left.saturating_sub(width(&text));
        spans.push(Span::styled(text, style));
    }
    Line::from(spans)
}

/// Draws lines from the top of an area.
pub(super) fn lines(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'static>>) {
    frame.render_widget(Paragraph::new(lines), area);
}
