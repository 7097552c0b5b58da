//! Help and palette: one list of actions, searched by typing.
//!
//! Owns the query and the place in the list; what is listed comes from [`crate::keymap`]. Leaves doing the chosen
//! action to the update.

use ratatui_textarea::TextArea;

use crate::keymap::{Action, BINDINGS, Binding, Keymap};
use crate::prompt::line;

/// Which list is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// What works here, now.
    Help,
    /// Everything.
    Palette,
}

/// An open list of actions.
#[derive(Clone, Debug)]
pub(crate) struct Finder {
    pub(crate) scope: Scope,
    pub(crate) query: TextArea<'static>,
    pub(crate) selected: usize,
}

impl Finder {
    pub(crate) fn new(scope: Scope) -> Self {
        Self { scope, query: line(""), selected: 0 }
    }

    pub(crate) fn text(&self) -> &str {
        self.query.lines().first().map_or("", String::as_str)
    }

    /// The actions that match the query by name, sentence or key; in help, only those that apply.
    pub(crate) fn found(&self, keys: &Keymap, applies: impl Fn(Action) -> bool) -> Vec<&'static Binding> {
        let query = self.text().trim().to_lowercase();
        let matches = |b: &&Binding| {
            let own = keys.keys(b.action);
            let words = [b.name, b.id, b.does].iter().any(|text| text.to_lowercase().contains(&query));
            words || own.iter().any(|key| key.to_string().to_lowercase() == query)
        };
        let in_scope = |b: &&Binding| self.scope == Scope::Palette || applies(b.action);
        BINDINGS.iter().filter(in_scope).filter(matches).collect()
    }
}
