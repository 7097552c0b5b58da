//! The model, drawn.
//!
//! Owns the order in which the parts are drawn; each part has a file of its own. Pure, and total: whatever the size of
//! the frame, every part is cut to the area [`layout`] gives it.

mod bar;
mod foot;
pub(crate) mod layout;
mod list;
mod overlay;
mod paint;
mod queue;
mod timeline;

use ratatui::Frame;
use ratatui::widgets::Clear;

use crate::keymap::Place;
use crate::model::{Mode, Model};

use layout::{Class, Layout};
use paint::Paint;

/// Draws the model.
pub fn view(frame: &mut Frame<'_>, model: &Model) {
    let area = frame.area();
    if area.is_empty() {
        return;
    }
    let layout = Layout::new(model, area);
    let paint = Paint::new(&model.settings);
    frame.render_widget(Clear, area);
    if layout.class == Class::Line {
        foot::one_line(frame, model, &paint, area);
        return;
    }
    bar::draw(frame, model, &paint, &layout);
    if layout.shows(Place::Queue) {
        queue::draw(frame, model, &paint, layout.queue);
    }
    if layout.shows(Place::Checklist) {
        list::draw(frame, model, &paint, layout.list);
    }
    if layout.shows(Place::Timeline) {
        timeline::draw(frame, model, &paint, layout.timeline);
    }
    paint.separator(frame, layout.separator);
    match &model.mode {
        Mode::Finder(finder) => overlay::finder(frame, model, finder, &paint, layout.body),
        Mode::Menu(menu) => overlay::menu(frame, menu, &paint, layout.body),
        Mode::Entry => overlay::entry(frame, model, &paint, layout.body),
        Mode::Panes | Mode::Prompt(_) => {}
    }
    foot::draw(frame, model, &paint, &layout);
}
