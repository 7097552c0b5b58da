//! From typed words to acts: the same for prompts and for the plain mode (design law 11).
//!
//! Owns which words each act needs, how they are checked and put together, and which acts ask once more. Leaves
//! whether an act is allowed to the engine, which says so in its own words.

use deadstick_core::Timestamp;
use deadstick_core::event::{IncidentSeverity, ItemId};
use deadstick_core::incident::Act;
use deadstick_core::units::{Name, UnitError};

use crate::snapshot::{Snapshot, rows};

/// An act that is meant, before its words are there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Intent {
    Note,
    Confirm(ItemId),
    Answer(ItemId),
    Override(ItemId),
    Reopen(ItemId),
    ClearOverride(ItemId),
    Defer(ItemId),
    CancelDeferral(ItemId),
    Run(ItemId),
    Open(Name),
    Hold(Name),
    Reset(Name),
    OverrideChecklist(Name),
    ClearAlert(Name),
    Assume,
    Offer,
    Accept,
    Transfer,
    Decline,
    Severity(IncidentSeverity),
    Close { abandon: bool },
}

/// The words for an act. What `main` and `extra` are depends on the act: see [`Intent::asks`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) when: Option<Timestamp>,
    pub(crate) main: String,
    pub(crate) with: String,
    pub(crate) extra: String,
}

/// Which of the words is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    When,
    Main,
    With,
    Extra,
}

/// One thing to ask a person for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) slot: Slot,
    pub(crate) label: String,
    pub(crate) required: bool,
}

/// A word that is missing or cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Lacking(String);

fn ask(slot: Slot, label: impl Into<String>) -> Ask {
    Ask { slot, label: label.into(), required: true }
}

const SECOND: &str = "Second person, who agrees";

impl Intent {
    /// Whether it can be said to have happened earlier.
    pub(crate) const fn dated(&self) -> bool {
        matches!(self, Self::Note | Self::Confirm(_) | Self::Answer(_) | Self::Override(_))
    }

    /// What to ask for, in this order.
    pub(crate) fn asks(&self, snapshot: Option<&Snapshot>) -> Vec<Ask> {
        let row = |item| snapshot.and_then(|s| s.row(item));
        let second = |item| row(item).is_some_and(|r| r.needs_second).then(|| ask(Slot::With, SECOND));
        match self {
            Self::Note => vec![ask(Slot::Main, "Note")],
            Self::Confirm(item) => {
                let reading = row(item).and_then(|r| r.reading.as_ref());
                reading.map(|r| ask(Slot::Main, r)).into_iter().chain(second(item)).collect()
            }
            Self::Answer(item) => {
                let answers = row(item).map(|r| r.answers.join(", ")).unwrap_or_default();
                vec![ask(Slot::Main, format!("Answer ({answers})"))]
            }
            Self::Override(item) => {
                std::iter::once(ask(Slot::Main, "Override, because")).chain(second(item)).collect()
            }
            Self::Reopen(_) => vec![ask(Slot::Main, "Take the confirmation back, because")],
            Self::CancelDeferral(_) => vec![ask(Slot::Main, "Needed no more, because")],
            Self::Run(item) => second(item).into_iter().collect(),
            Self::Hold(_) => vec![
                ask(Slot::Main, "Hold for how long, such as 10m"),
                Ask { slot: Slot::Extra, label: "Why (may be empty)".to_owned(), required: false },
            ],
            Self::Reset(_) => vec![ask(Slot::Main, "Begin anew, because")],
            Self::OverrideChecklist(name) => {
                let list = snapshot.and_then(|s| s.list(name));
                let second = list.is_some_and(|l| rows(l).any(|r| r.needs_second && !r.marker.is_terminal()));
                let reason = ask(Slot::Main, "The whole checklist does not apply, because");
                std::iter::once(reason).chain(second.then(|| ask(Slot::With, SECOND))).collect()
            }
            Self::Offer => vec![
                ask(Slot::Main, "Offer control to"),
                Ask {
                    slot: Slot::Extra,
                    label: "What they must know (empty: written for you)".to_owned(),
                    required: false,
                },
            ],
            Self::Decline => vec![ask(Slot::Main, "Decline, because")],
            Self::Close { abandon: false } => vec![ask(Slot::Main, "Close; how did it end")],
            Self::Close { abandon: true } => {
                vec![ask(Slot::Main, "Close, abandon rest; how did it end")]
            }
            Self::ClearOverride(_)
            | Self::Defer(_)
            | Self::Open(_)
            | Self::ClearAlert(_)
            | Self::Assume
            | Self::Accept
            | Self::Transfer
            | Self::Severity(_) => Vec::new(),
        }
    }

    /// The question to answer with a second, distinct press; none for acts that need no such care.
    pub(crate) fn sure(&self, snapshot: Option<&Snapshot>, words: &Words) -> Option<String> {
        let text =
            |item: &ItemId| snapshot.and_then(|s| s.row(item)).map_or(item.to_string(), |r| r.text.clone());
        match self {
            Self::Run(item) => {
                let row = snapshot.and_then(|s| s.row(item))?;
                Some(format!("Run: {}", argv(row.command.as_ref()?)))
            }
            Self::Override(item) => Some(format!("Override \"{}\", because {}", text(item), words.main)),
            Self::ClearOverride(item) => Some(format!("Take the override back: \"{}\"", text(item))),
            Self::OverrideChecklist(name) => {
                Some(format!("Override every unfinished item of {name}, because {}", words.main))
            }
            Self::ClearAlert(alert) => Some(format!("The condition of {alert} is gone")),
            Self::Transfer => Some("\"You have control\"".to_owned()),
            Self::Close { abandon: false } => Some(format!("Close the incident: {}", words.main)),
            Self::Close { abandon: true } => {
                Some(format!("Close the incident and abandon what is unfinished: {}", words.main))
            }
            _ => None,
        }
    }

    /// The act, once its words are there.
    pub(crate) fn act(&self, words: &Words, snapshot: Option<&Snapshot>) -> Result<Act, Lacking> {
        for ask in self.asks(snapshot).into_iter().filter(|ask| ask.required) {
            let word = match ask.slot {
                Slot::Main => &words.main,
                Slot::With => &words.with,
                Slot::When | Slot::Extra => continue,
            };
            if word.trim().is_empty() {
                return Err(Lacking(format!("something is missing: {}", ask.label)));
            }
        }
        let text = words.main.trim().to_owned();
        let given = |word: &str| Some(word.trim().to_owned()).filter(|word| !word.is_empty());
        let (with, occurred) = (given(&words.with), words.when);
        Ok(match self.clone() {
            Self::Note => Act::Note { text, occurred },
            Self::Confirm(item) => Act::Confirm { item, reading: given(&text), with, occurred },
            Self::Answer(item) => {
                let answers = snapshot.and_then(|s| s.row(&item)).map_or(&[][..], |r| &r.answers);
                Act::Answer { answer: chosen(&text, answers)?, item, occurred }
            }
            Self::Override(item) => Act::Override { item, reason: text, with, occurred },
            Self::Reopen(item) => Act::Reopen { item, reason: text },
            Self::ClearOverride(item) => Act::ClearOverride { item },
            Self::Defer(item) => Act::Defer { item },
            Self::CancelDeferral(item) => Act::CancelDeferral { item, reason: text },
            Self::Run(item) => Act::Run { item, with },
            Self::Open(checklist) => Act::Open { checklist },
            Self::Hold(checklist) => {
                let resume_in = text.parse().map_err(|error: UnitError| Lacking(error.to_string()))?;
                Act::Hold { checklist, resume_in, reason: words.extra.trim().to_owned() }
            }
            Self::Reset(checklist) => Act::Reset { checklist, reason: text },
            Self::OverrideChecklist(checklist) => Act::OverrideChecklist { checklist, reason: text, with },
            Self::ClearAlert(alert) => Act::ClearAlert { alert },
            Self::Assume => Act::AssumeControl,
            Self::Offer => Act::Offer { to: text, brief: given(&words.extra) },
            Self::Accept => Act::Accept,
            Self::Transfer => Act::Transfer,
            Self::Decline => Act::Decline { because: text },
            Self::Severity(severity) => Act::SetSeverity { severity },
            Self::Close { abandon } => Act::Close { summary: text, confirm: abandon },
        })
    }
}

/// An answer as people shorten it: itself in any case, its number, or a beginning that only one answer has.
fn chosen(text: &str, answers: &[String]) -> Result<String, Lacking> {
    let number = text.parse::<usize>().ok().and_then(|n| answers.get(n.checked_sub(1)?));
    let same = || answers.iter().find(|answer| answer.eq_ignore_ascii_case(text));
    let beginning = || {
        let low = text.to_lowercase();
        let mut fitting = answers.iter().filter(|answer| answer.to_lowercase().starts_with(&low));
        fitting.next().filter(|_| fitting.next().is_none())
    };
    same()
        .or(number)
        .or_else(beginning)
        .cloned()
        .ok_or_else(|| Lacking(format!("{text:?} is none of its answers: {}", answers.join(", "))))
}

/// An argument list as it would have to be typed: arguments that hold more than plain characters stand in quotes.
pub(crate) fn argv(command: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+{}".contains(c);
    let quoted = |arg: &String| {
        if !arg.is_empty() && arg.chars().all(plain) {
            arg.clone()
        } else {
            format!("'{}'", arg.replace('\'', r"'\''"))
        }
    };
    command.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_may_be_shortened_but_not_guessed() {
        let answers = ["yes".to_owned(), "no".to_owned(), "not known".to_owned()];
        assert_eq!(chosen("Y", &answers), Ok("yes".to_owned()));
        assert_eq!(chosen("no", &answers), Ok("no".to_owned()));
        assert_eq!(chosen("3", &answers), Ok("not known".to_owned()));
        for unclear in ["n", "4", "0", "maybe", ""] {
            assert!(chosen(unclear, &answers).is_err(), "{unclear:?}");
        }
    }

    #[test]
    fn argument_lists_show_where_each_argument_ends() {
        let command = ["psql", "-c", "select 'a b'", ""].map(str::to_owned);
        assert_eq!(argv(&command), r"psql -c 'select '\''a b'\''' ''");
    }
}
