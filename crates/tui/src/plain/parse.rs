//! The commands of the plain mode.
//!
//! Owns the grammar: an optional time, a verb, its words. Leaves which words an act needs to [`crate::intent`].

use deadstick_core::Timestamp;
use deadstick_core::event::ItemId;
use deadstick_core::incident::Act;
use deadstick_core::incident::view::{ChecklistState, ItemRow, Marker};
use deadstick_core::units::Name;

use crate::here::takes_confirmation;
use crate::intent::{Intent, Words};
use crate::menu::SEVERITIES;
use crate::snapshot::rows;
use crate::update::Effect;
use crate::when;
use crate::words::status;

use super::{Hint, Plain, clean, lines};

/// The first word and the rest.
fn first(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

fn hint<T>(text: impl Into<String>) -> Result<T, Hint> {
    Err(Hint(text.into()))
}

/// Reads one line.
pub(super) fn line(plain: &mut Plain, text: &str, now: Timestamp) -> Result<Vec<Effect>, Hint> {
    let pending = plain.pending.take();
    let (when, rest) = when::leading(text, now);
    let (verb, rest) = first(rest);
    if verb.is_empty() {
        return if when.is_some() {
            hint("what happened then? Such as: -3m note TEXT")
        } else {
            Ok(Vec::new())
        };
    }
    if let Some(intent) = simple(verb) {
        let words = Words { when, main: rest.to_owned(), ..Words::default() };
        return act(plain, intent, words);
    }
    match verb {
        "yes" => match pending {
            Some((intent, words)) => finish(plain, &intent, &words),
            None => hint("nothing was asked"),
        },
        "note" => {
            let (inner, text) = if when.is_none() { when::leading(rest, now) } else { (None, rest) };
            act(
                plain,
                Intent::Note,
                Words { when: when.or(inner), main: text.to_owned(), ..Words::default() },
            )
        }
        "offer" => {
            let (to, brief) = first(rest);
            let words = Words { when, main: to.to_owned(), extra: brief.to_owned(), ..Words::default() };
            act(plain, Intent::Offer, words)
        }
        "severity" => {
            let given = rest.trim_start_matches("sev").trim_start_matches("SEV");
            match SEVERITIES.iter().find(|(key, ..)| given == key.to_string()) {
                Some((_, severity, _)) => {
                    act(plain, Intent::Severity(*severity), Words { when, ..Words::default() })
                }
                None => hint("write severity 1, 2, 3 or 4; 1 is the worst"),
            }
        }
        "close" => {
            let intent = Intent::Close { abandon: plain.abandon };
            act(plain, intent, Words { when, main: rest.to_owned(), ..Words::default() })
        }
        "confirm" | "answer" | "override" | "reopen" | "clear-override" | "defer" | "cancel-deferral"
        | "run" => on_item(plain, verb, rest, when),
        "open" | "hold" | "reset" | "override-checklist" => on_list(plain, verb, rest, when),
        "clear-alert" => match rest.parse() {
            Ok(alert) => act(plain, Intent::ClearAlert(alert), Words { when, ..Words::default() }),
            Err(error) => hint(format!("{error}")),
        },
        "status" => told(match &plain.snapshot {
            Some(snapshot) => {
                let mut told = lines::status_lines(snapshot, &plain.settings, now);
                told.extend(lines::next(&plain.next(), plain.list()));
                told
            }
            None => vec!["There is no incident yet.".to_owned()],
        }),
        "show" => {
            if !rest.is_empty() {
                plain.shown = Some(checklist(plain, rest)?);
            }
            match plain.list() {
                Some(list) => told(lines::checklist(list)),
                None => hint("no checklist is open; status lists them"),
            }
        }
        "help" => told(lines::help()),
        "quit" => {
            let open = plain.snapshot.as_ref().is_some_and(|s| s.bar.closed_at.is_none());
            let state = if open { "The incident stays open. " } else { "" };
            Ok(vec![Effect::Quit { farewell: format!("{state}To come back: {}", plain.settings.resume) }])
        }
        number if number.chars().all(|c| c.is_ascii_digit()) => bare(plain, number, rest, when),
        other => hint(format!("{other:?} is no command; help lists them")),
    }
}

/// Verbs that are followed by nothing or by one text.
fn simple(verb: &str) -> Option<Intent> {
    Some(match verb {
        "assume" => Intent::Assume,
        "accept" => Intent::Accept,
        "transfer" => Intent::Transfer,
        "decline" => Intent::Decline,
        _ => return None,
    })
}

fn told(lines: Vec<String>) -> Result<Vec<Effect>, Hint> {
    Ok(vec![Effect::Print(clean(lines))])
}

/// Sends an act, or asks once more where that is due: running a command and closing. Everything else was typed out.
fn act(plain: &mut Plain, intent: Intent, words: Words) -> Result<Vec<Effect>, Hint> {
    if words.when.is_some() && !intent.dated() {
        return hint("only confirm, answer, override and note can have happened earlier");
    }
    if matches!(intent, Intent::Run(_) | Intent::Close { .. }) {
        let snapshot = plain.snapshot.as_ref();
        intent.act(&words, snapshot).map_err(|lacking| Hint(lacking.to_string()))?;
        let Some(question) = intent.sure(snapshot, &words) else {
            return hint("that item has no command");
        };
        plain.pending = Some((intent, words));
        return told(vec![format!("{question}. To do it: yes.")]);
    }
    finish(plain, &intent, &words)
}

fn finish(plain: &mut Plain, intent: &Intent, words: &Words) -> Result<Vec<Effect>, Hint> {
    let act = intent.act(words, plain.snapshot.as_ref()).map_err(|lacking| Hint(lacking.to_string()))?;
    if matches!(act, Act::Close { .. }) {
        plain.abandon = false;
    }
    Ok(vec![Effect::Act(act)])
}

/// The item a word names: its number or id on the shown checklist, or `CHECKLIST/ITEM`.
fn item<'a>(plain: &'a Plain, word: &str) -> Result<&'a ItemRow, Hint> {
    if let Ok(id) = word.parse::<ItemId>() {
        let row = plain.snapshot.as_ref().and_then(|s| s.row(&id));
        return row.ok_or_else(|| Hint(format!("no item {id}; show lists them")));
    }
    let Some(list) = plain.list() else { return hint("no checklist is open; open CHECKLIST first") };
    let by_id = rows(list).find(|row| row.id.item == word);
    // Ids that are numbers count by position, as they are shown.
    let by_number = word.parse::<usize>().ok().and_then(|n| rows(list).nth(n.checked_sub(1)?));
    by_number
        .or(by_id)
        .ok_or_else(|| Hint(format!("no item {word:?} on {}; show lists them", list.checklist)))
}

fn on_item(plain: &mut Plain, verb: &str, rest: &str, when: Option<Timestamp>) -> Result<Vec<Effect>, Hint> {
    let (word, rest) = first(rest);
    if word.is_empty() {
        return hint(format!("{verb} which item? Such as: {verb} 1"));
    }
    let row = item(plain, word)?;
    let id = row.id.clone();
    let intent = match verb {
        "confirm" => Intent::Confirm(id),
        "answer" => Intent::Answer(id),
        "override" => Intent::Override(id),
        "reopen" => Intent::Reopen(id),
        "clear-override" => Intent::ClearOverride(id),
        "defer" => Intent::Defer(id),
        "cancel-deferral" => Intent::CancelDeferral(id),
        _ => Intent::Run(id),
    };
    let second = row.needs_second && matches!(verb, "confirm" | "override" | "run");
    let (main, with) = if second { with_name(rest) } else { (rest, "") };
    act(plain, intent, Words { when, main: main.to_owned(), with: with.to_owned(), ..Words::default() })
}

/// Words split into what stands before the last `with`, and the name behind it.
fn with_name(rest: &str) -> (&str, &str) {
    match rest.rsplit_once(" with ") {
        Some((main, name)) => (main.trim_end(), name.trim()),
        None => rest.strip_prefix("with ").map_or((rest, ""), |name| ("", name.trim())),
    }
}

/// A number alone does what the item asks for, like Enter on the screen.
fn bare(plain: &mut Plain, word: &str, rest: &str, when: Option<Timestamp>) -> Result<Vec<Effect>, Hint> {
    let row = item(plain, word)?;
    if !row.answers.is_empty() {
        if rest.is_empty() {
            let numbered = |(n, answer): (usize, &String)| format!("{} {answer}", n + 1);
            let choices: Vec<_> = row.answers.iter().enumerate().map(numbered).collect();
            return told(vec![format!(
                "{} Choices: {}. To decide: answer {word} CHOICE.",
                row.text,
                choices.join(", ")
            )]);
        }
        return on_item(plain, "answer", &format!("{word} {rest}"), when);
    }
    if takes_confirmation(row) {
        return on_item(plain, "confirm", &format!("{word} {rest}"), when);
    }
    match row.marker {
        Marker::Waiting => hint(format!("{}; to cut it short: override {word} REASON", status(row))),
        _ if row.kind == "sensed" => hint(format!("{} is {}. {}", row.text, status(row), row.explains)),
        marker => hint(format!("{} is {} already", row.text, marker.word())),
    }
}

/// The checklist a word names: its name, or its number in the status with a # before it.
fn checklist(plain: &Plain, word: &str) -> Result<Name, Hint> {
    let Some(snapshot) = &plain.snapshot else { return hint("there is no incident yet") };
    if let Some(n) = word.strip_prefix('#') {
        let queue = snapshot.queue_rows(|_| true);
        let at = n.parse::<usize>().ok().and_then(|n| queue.get(n.checked_sub(1)?));
        let name = at.and_then(|(_, row)| row.checklist.clone());
        return name.ok_or_else(|| Hint(format!("no checklist has the number {word}; status lists them")));
    }
    let name = word.parse::<Name>().ok().filter(|name| snapshot.list(name).is_some());
    name.ok_or_else(|| Hint(format!("no checklist {word:?} in this incident; status lists them")))
}

fn on_list(plain: &mut Plain, verb: &str, rest: &str, when: Option<Timestamp>) -> Result<Vec<Effect>, Hint> {
    let (word, rest) = first(rest);
    if word.is_empty() {
        return hint(format!("{verb} which checklist? status lists them"));
    }
    let name = checklist(plain, word)?;
    let (intent, words) = match verb {
        "open" => {
            if when.is_some() {
                return hint("only confirm, answer, override and note can have happened earlier");
            }
            return open(plain, name);
        }
        "hold" => {
            let (span, reason) = first(rest);
            let words = Words { main: span.to_owned(), extra: reason.to_owned(), ..Words::default() };
            (Intent::Hold(name), words)
        }
        "reset" => (Intent::Reset(name), Words { main: rest.to_owned(), ..Words::default() }),
        _ => {
            let intent = Intent::OverrideChecklist(name);
            let second = intent.asks(plain.snapshot.as_ref()).len() > 1;
            let (main, with) = if second { with_name(rest) } else { (rest, "") };
            (intent, Words { main: main.to_owned(), with: with.to_owned(), ..Words::default() })
        }
    };
    act(plain, intent, Words { when, ..words })
}

/// Opens a checklist that waits; one that is open or finished is only shown.
fn open(plain: &mut Plain, name: Name) -> Result<Vec<Effect>, Hint> {
    use ChecklistState::{Held, Inhibited, Queued};
    plain.shown = Some(name.clone());
    let state = plain.list().map(|list| list.state);
    if matches!(state, Some(Queued | Held | Inhibited)) {
        return finish(plain, &Intent::Open(name), &Words::default());
    }
    plain.told = Some(name);
    told(plain.list().map(lines::checklist).unwrap_or_default())
}
