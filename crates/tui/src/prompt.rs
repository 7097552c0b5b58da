//! Questions on one line: what is typed for an act, kept until it is used.
//!
//! Owns the fields, their order, the leading time and the second press. Leaves building the act to
//! [`crate::intent`], and keeping what was typed when the prompt goes away to the model.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use deadstick_core::Timestamp;
use deadstick_core::text::printable;
use ratatui::style::Style;
use ratatui_textarea::{CursorMove, TextArea};

use crate::intent::{Ask, Intent, Slot, Words};
use crate::snapshot::Snapshot;
use crate::when;

/// What a prompt is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    Act { intent: Intent, dated: bool },
    Filter,
    Quit,
}

/// One thing asked for, with what is typed so far.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) ask: Ask,
    pub(crate) input: TextArea<'static>,
}

impl Field {
    fn new(ask: Ask, text: &str) -> Self {
        Self { ask, input: line(text) }
    }

    pub(crate) fn text(&self) -> &str {
        self.input.lines().first().map_or("", String::as_str)
    }
}

/// An input of one line with a text in it, the cursor behind it.
pub(crate) fn line(text: &str) -> TextArea<'static> {
    let mut input = TextArea::new(vec![printable(text)]);
    input.set_cursor_line_style(Style::default());
    input.move_cursor(CursorMove::End);
    input
}

/// Edits an input of one line, with the keys of a shell; whatever would make a second line does nothing.
pub(crate) fn edit(input: &mut TextArea<'static>, key: &KeyEvent) {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    if ctrl && key.code == KeyCode::Char('u') {
        input.delete_line_by_head();
        return;
    }
    let breaks = matches!(key.code, KeyCode::Enter | KeyCode::Tab | KeyCode::BackTab)
        || (ctrl && matches!(key.code, KeyCode::Char('m' | 'j' | 'y' | 'r')));
    if !breaks {
        input.input(*key);
    }
}

/// Puts pasted text in; line breaks become spaces.
pub(crate) fn paste(input: &mut TextArea<'static>, text: &str) {
    input.insert_str(printable(&text.replace("\r\n", "\n")));
}

/// An open prompt.
#[derive(Clone, Debug)]
pub(crate) struct Prompt {
    pub(crate) purpose: Purpose,
    pub(crate) fields: Vec<Field>,
    /// Which field is typed in; behind the last one, the question of the second press is asked.
    pub(crate) at: usize,
    pub(crate) error: Option<String>,
}

/// What a key did to a prompt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Turn {
    Stay,
    Cancel,
    Submit(Words),
}

impl Prompt {
    /// A prompt with what was typed before, if anything was.
    pub(crate) fn new(purpose: Purpose, snapshot: Option<&Snapshot>, kept: Option<&[String]>) -> Self {
        let asks = match &purpose {
            Purpose::Act { intent, dated } => {
                let label = "When was it, such as -3m or 14:03 (UTC)".to_owned();
                let when = dated.then_some(Ask { slot: Slot::When, label, required: true });
                when.into_iter().chain(intent.asks(snapshot)).collect()
            }
            Purpose::Filter => {
                vec![Ask { slot: Slot::Main, label: "Filter".to_owned(), required: false }]
            }
            Purpose::Quit => Vec::new(),
        };
        let text = |n: usize, ask: &Ask| match kept.and_then(|kept| kept.get(n)) {
            Some(text) => text.clone(),
            None if ask.slot == Slot::When => "-".to_owned(),
            None => String::new(),
        };
        let fields = asks.into_iter().enumerate().map(|(n, ask)| (text(n, &ask), ask));
        let fields = fields.map(|(text, ask)| Field::new(ask, &text)).collect();
        Self { purpose, fields, at: 0, error: None }
    }

    /// What is typed so far, field by field.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.fields.iter().map(|field| field.text().to_owned()).collect()
    }

    pub(crate) fn field(&self) -> Option<&Field> {
        self.fields.get(self.at)
    }

    /// The words as they stand; the leading time of the first field is taken off where one may stand.
    pub(crate) fn words(&self, now: Timestamp) -> Words {
        let mut words = Words::default();
        let dated = matches!(&self.purpose, Purpose::Act { intent, .. } if intent.dated());
        for (n, field) in self.fields.iter().enumerate() {
            let text = field.text();
            match field.ask.slot {
                Slot::When => words.when = when::moment(text.trim(), now),
                Slot::Main if n == 0 && dated => {
                    let (at, rest) = when::leading(text, now);
                    words.when = at;
                    rest.clone_into(&mut words.main);
                }
                Slot::Main => text.clone_into(&mut words.main),
                Slot::With if n == 0 && dated => {
                    let (at, rest) = when::leading(text, now);
                    words.when = at;
                    rest.clone_into(&mut words.with);
                }
                Slot::With => text.clone_into(&mut words.with),
                Slot::Extra => text.clone_into(&mut words.extra),
            }
        }
        words
    }

    /// The question of the second press, when it is asked now.
    pub(crate) fn question(&self, snapshot: Option<&Snapshot>, now: Timestamp) -> Option<String> {
        if self.at < self.fields.len() {
            return None;
        }
        match &self.purpose {
            Purpose::Act { intent, .. } => intent.sure(snapshot, &self.words(now)),
            Purpose::Quit => Some(match snapshot {
                Some(snapshot) if snapshot.bar.closed_at.is_none() => {
                    "Leave the screen? The incident stays open".to_owned()
                }
                _ => "Leave the screen".to_owned(),
            }),
            Purpose::Filter => None,
        }
    }

    /// Takes a key. `yes` keys answer the question of the second press.
    pub(crate) fn key(&mut self, key: &KeyEvent, snapshot: Option<&Snapshot>, now: Timestamp) -> Turn {
        self.error = None;
        let asked = self.question(snapshot, now).is_some();
        match key.code {
            KeyCode::Esc => Turn::Cancel,
            KeyCode::Char('n') if asked => Turn::Cancel,
            KeyCode::Char('y') if asked => Turn::Submit(self.words(now)),
            KeyCode::Enter if asked && self.takes_enter() => Turn::Submit(self.words(now)),
            KeyCode::Char('q') if asked && self.purpose == Purpose::Quit => Turn::Submit(Words::default()),
            KeyCode::Enter if !asked => self.enter(snapshot, now),
            KeyCode::BackTab | KeyCode::Up => {
                self.at = self.at.saturating_sub(1);
                Turn::Stay
            }
            _ => {
                if let Some(field) = self.fields.get_mut(self.at) {
                    edit(&mut field.input, key);
                }
                Turn::Stay
            }
        }
    }

    /// Running a command was announced by another key already, so Enter is a second, distinct press.
    fn takes_enter(&self) -> bool {
        let runs = matches!(&self.purpose, Purpose::Act { intent: Intent::Run(_), .. });
        runs && self.fields.is_empty()
    }

    fn enter(&mut self, snapshot: Option<&Snapshot>, now: Timestamp) -> Turn {
        if let Some(field) = self.field() {
            let text = field.text().trim();
            let first =
                self.at == 0 && matches!(&self.purpose, Purpose::Act { intent, .. } if intent.dated());
            let missing = match field.ask.slot {
                Slot::When => when::moment(text, now).is_none(),
                _ if first => when::leading(text, now).1.is_empty(),
                _ => text.is_empty(),
            };
            if field.ask.required && missing {
                self.error = Some(match field.ask.slot {
                    Slot::When => "write -3m, -90s, 14:03 or 14:03:20 (UTC)".to_owned(),
                    _ => "this cannot be left empty; Esc goes back".to_owned(),
                });
                return Turn::Stay;
            }
            self.at += 1;
        }
        if self.at < self.fields.len() || self.question(snapshot, now).is_some() {
            return Turn::Stay;
        }
        Turn::Submit(self.words(now))
    }

    /// The submission was refused before it became an act: back to the last field.
    pub(crate) fn refuse(&mut self, why: String) {
        self.at = self.fields.len().saturating_sub(1);
        self.error = Some(why);
    }
}
