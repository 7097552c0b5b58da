//! Which key does what: the one table that help, footer, palette and the plain mode's help read.
//!
//! Owns keys, bindings and rebinding. Leaves whether an action applies at this moment to the screen.

mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

pub use table::{Action, BINDINGS, Binding, Place};

/// One key, as the terminal reports it: capitals are characters of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Which.
    pub code: KeyCode,
    /// With Ctrl held.
    pub ctrl: bool,
}

impl From<&KeyEvent> for Key {
    fn from(event: &KeyEvent) -> Self {
        Self { code: event.code, ctrl: event.modifiers.contains(KeyModifiers::CONTROL) }
    }
}

/// Names of keys that are no characters.
const NAMED: [(&str, KeyCode); 13] = [
    ("Enter", KeyCode::Enter),
    ("Space", KeyCode::Char(' ')),
    ("Esc", KeyCode::Esc),
    ("Tab", KeyCode::Tab),
    ("BackTab", KeyCode::BackTab),
    ("Up", KeyCode::Up),
    ("Down", KeyCode::Down),
    ("Left", KeyCode::Left),
    ("Right", KeyCode::Right),
    ("PgUp", KeyCode::PageUp),
    ("PgDn", KeyCode::PageDown),
    ("Home", KeyCode::Home),
    ("End", KeyCode::End),
];

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("Ctrl-")?;
        }
        match (NAMED.iter().find(|(_, code)| *code == self.code), self.code) {
            (Some((name, _)), _) => f.write_str(name),
            (None, KeyCode::Char(c)) => write!(f, "{c}"),
            (None, other) => write!(f, "{other}"),
        }
    }
}

impl FromStr for Key {
    type Err = KeymapError;
    fn from_str(text: &str) -> Result<Self, KeymapError> {
        let (ctrl, name) = match text.get(..5) {
            Some(prefix) if prefix.eq_ignore_ascii_case("ctrl-") => (true, &text[5..]),
            _ => (false, text),
        };
        let mut chars = name.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_control() => Some(KeyCode::Char(c)),
            _ => NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, code)| *code),
        };
        code.map(|code| Self { code, ctrl }).ok_or_else(|| KeymapError::NoSuchKey(text.to_owned()))
    }
}

/// Why keys could not be bound so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeymapError {
    /// No action has that name.
    #[error("no action is called {0:?}")]
    NoSuchAction(String),
    /// No key has that name.
    #[error("{0:?} is no key; write a character, Enter, PgUp or Ctrl-x")]
    NoSuchKey(String),
    /// Another action has the key already, where both could be meant.
    #[error("{key} is taken by {by}; give that another key first")]
    Taken {
        /// The key.
        key: Key,
        /// Who has it.
        by: &'static str,
    },
    /// An action without which nobody gets anywhere would have no key.
    #[error("{0} needs a key")]
    Unreachable(&'static str),
}

/// Every action with its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap {
    keys: BTreeMap<Action, Vec<Key>>,
}

impl Default for Keymap {
    fn default() -> Self {
        let keys = BINDINGS
            .iter()
            .map(|b| (b.action, b.keys.iter().filter_map(|key| key.parse().ok()).collect()))
            .collect();
        Self { keys }
    }
}

impl Keymap {
    /// Gives an action, by its id in [`BINDINGS`], other keys instead of those it has.
    ///
    /// # Errors
    ///
    /// When there is no such action or key, when another action that could be meant at the same place has the key, or
    /// when `help`, `palette` or `quit` would be left without any.
    pub fn rebind(&mut self, action: &str, keys: &[&str]) -> Result<(), KeymapError> {
        let binding = BINDINGS
            .iter()
            .find(|b| b.id == action)
            .ok_or_else(|| KeymapError::NoSuchAction(action.to_owned()))?;
        let keys = keys.iter().map(|key| key.parse()).collect::<Result<Vec<Key>, _>>()?;
        if keys.is_empty() && matches!(binding.action, Action::Help | Action::Palette | Action::Quit) {
            return Err(KeymapError::Unreachable(binding.id));
        }
        for other in BINDINGS.iter().filter(|b| b.action != binding.action && b.meets(binding)) {
            if let Some(key) = keys.iter().find(|key| self.keys(other.action).contains(key)) {
                return Err(KeymapError::Taken { key: *key, by: other.id });
            }
        }
        self.keys.insert(binding.action, keys);
        Ok(())
    }

    /// The keys of an action.
    #[must_use]
    pub fn keys(&self, action: Action) -> &[Key] {
        self.keys.get(&action).map_or(&[], Vec::as_slice)
    }

    /// The first key of an action, for people to read; a dash when it has none.
    #[must_use]
    pub fn shown(&self, action: Action) -> String {
        self.keys(action).first().map_or_else(|| "-".to_owned(), Key::to_string)
    }

    /// All keys of an action, for people to read.
    #[must_use]
    pub fn all_shown(&self, action: Action) -> String {
        let keys = self.keys(action);
        match (keys.first(), keys.last()) {
            (Some(first), Some(last)) if action == Action::Choose && keys.len() > 2 => {
                format!("{first}-{last}")
            }
            _ => keys.iter().map(Key::to_string).collect::<Vec<_>>().join(" "),
        }
    }

    /// What a key may mean at a place.
    pub(crate) fn action(&self, key: Key, place: Place) -> Option<Action> {
        BINDINGS.iter().filter(|b| b.at(place) && self.keys(b.action).contains(&key)).map(|b| b.action).next()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_of_the_table_reads_and_prints() {
        for binding in BINDINGS {
            assert!(!binding.keys.is_empty(), "{} has no key", binding.id);
            for key in binding.keys {
                let parsed: Key = key.parse().expect("a key of the table");
                assert_eq!(parsed.to_string(), *key);
            }
        }
    }

    #[test]
    fn no_key_means_two_things_at_one_place() {
        let map = Keymap::default();
        for (n, one) in BINDINGS.iter().enumerate() {
            for other in BINDINGS.iter().skip(n + 1).filter(|b| b.meets(one)) {
                let shared: Vec<_> =
                    map.keys(one.action).iter().filter(|k| map.keys(other.action).contains(k)).collect();
                assert!(shared.is_empty(), "{} and {} share {shared:?}", one.id, other.id);
            }
        }
    }

    #[test]
    fn every_action_is_in_the_table_once() {
        let actions: BTreeSet<_> = BINDINGS.iter().map(|b| b.action).collect();
        let ids: BTreeSet<_> = BINDINGS.iter().map(|b| b.id).collect();
        assert_eq!((actions.len(), ids.len()), (BINDINGS.len(), BINDINGS.len()));
    }

    #[test]
    fn rebinding_refuses_what_would_be_ambiguous() {
        let mut map = Keymap::default();
        assert_eq!(map.rebind("note", &["Ctrl-n"]), Ok(()));
        assert_eq!(map.shown(Action::Note), "Ctrl-n");
        assert_eq!(map.action("i".parse().expect("a key"), Place::Queue), None);
        assert!(matches!(map.rebind("confirm", &["b"]), Err(KeymapError::Taken { by: "back-date", .. })));
        assert_eq!(map.rebind("quit", &[]), Err(KeymapError::Unreachable("quit")));
        assert!(matches!(map.rebind("note", &["Hyper-n"]), Err(KeymapError::NoSuchKey(_))));
        assert!(matches!(map.rebind("notes", &["m"]), Err(KeymapError::NoSuchAction(_))));
    }
}
