//! Where everything goes on a frame of a given size.
//!
//! Owns the three classes of screen and the areas; the update asks it too, to know how far a page is. Every area lies
//! within the frame, and may be empty.

use ratatui::layout::Rect;

use crate::keymap::Place;
use crate::model::Model;

/// How much fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Every pane.
    Full,
    /// One column with the pane in focus; below 60 by 16.
    Column,
    /// One line; below 20 by 4.
    Line,
}

/// The areas of a frame.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) class: Class,
    focus: Place,
    /// Clock, severity, title, control.
    pub(crate) bar: Rect,
    /// The lasting line on the drill.
    pub(crate) drill: Rect,
    /// What has come in, and answers to keys.
    pub(crate) news: Rect,
    /// All panes together; lists and menus open over it.
    pub(crate) body: Rect,
    pub(crate) queue: Rect,
    pub(crate) list: Rect,
    pub(crate) timeline: Rect,
    /// Between the panes that stand side by side.
    pub(crate) separator: Rect,
    /// What to do next, or the prompt.
    pub(crate) hint: Rect,
    /// The keys that work.
    pub(crate) keys: Rect,
}

/// The layout at the size the terminal last said it has.
pub(crate) fn of(model: &Model) -> Layout {
    Layout::new(model, Rect::new(0, 0, model.size.0, model.size.1))
}

/// Cuts so many rows off the top.
fn top(area: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    let cut = Rect { height: rows, ..*area };
    area.y += rows;
    area.height -= rows;
    cut
}

/// Cuts so many rows off the bottom.
fn bottom(area: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    area.height -= rows;
    Rect { y: area.y + area.height, height: rows, ..*area }
}

impl Layout {
    pub(crate) fn new(model: &Model, area: Rect) -> Self {
        let class = match (area.width, area.height) {
            (0..20, _) | (_, 0..4) => Class::Line,
            (0..60, _) | (_, 0..16) => Class::Column,
            _ => Class::Full,
        };
        let mut rest = area;
        let none = Rect::new(area.x, area.y, 0, 0);
        let bar = top(&mut rest, if class == Class::Full { 2 } else { 1 });
        let drill = if model.drill.is_some() && area.height > 8 { top(&mut rest, 1) } else { none };
        let keys = bottom(&mut rest, 1);
        let hint = bottom(&mut rest, if area.height > 8 { 2 } else { 1 });
        let news = if class == Class::Full || (model.news.line().is_some() && rest.height > 1) {
            top(&mut rest, 1)
        } else {
            none
        };
        let mut layout = Self {
            class,
            focus: model.place,
            bar,
            drill,
            news,
            body: rest,
            queue: none,
            list: none,
            timeline: none,
            separator: none,
            hint,
            keys,
        };
        match class {
            Class::Full => layout.panes(model, rest),
            Class::Column | Class::Line => match model.place {
                Place::Queue => layout.queue = rest,
                Place::Checklist => layout.list = rest,
                Place::Timeline => layout.timeline = rest,
            },
        }
        layout
    }

    fn panes(&mut self, model: &Model, mut rest: Rect) {
        let share = |rows: u16, of: u16| u16::try_from(u32::from(rows) * u32::from(of) / 100).unwrap_or(rows);
        if rest.width >= 110 {
            let right = share(rest.width, 42);
            let left = rest.width - right - 1;
            self.timeline = Rect { x: rest.x + left + 1, width: right, ..rest };
            self.separator = Rect { x: rest.x + left, width: 1, ..rest };
            rest.width = left;
        } else {
            let rows = match model.place {
                Place::Timeline => share(rest.height, 50),
                _ if rest.height < 16 => 3,
                _ => share(rest.height, 30),
            };
            self.timeline = bottom(&mut rest, rows.max(3));
        }
        let rows = u16::try_from(model.queue_rows().len()).unwrap_or(u16::MAX).max(1).saturating_add(1);
        let most = match model.place {
            Place::Queue => share(rest.height, 50),
            _ => share(rest.height, 30),
        };
        self.queue = top(&mut rest, rows.min(most.max(2)));
        self.list = rest;
    }

    /// Whether a pane is drawn.
    pub(crate) fn shows(&self, place: Place) -> bool {
        self.class == Class::Full || self.focus == place
    }

    pub(crate) const fn pane(&self, place: Place) -> Rect {
        match place {
            Place::Queue => self.queue,
            Place::Checklist => self.list,
            Place::Timeline => self.timeline,
        }
    }

    /// How many entries of the timeline are drawn, below its heading.
    pub(crate) const fn timeline_rows(&self) -> u16 {
        self.timeline.height.saturating_sub(1)
    }
}
