//! A checklist on paper: what is left when the screen is not.
//!
//! Owns the printed form: boxes to tick, what is inhibited (a person must keep track of that by hand), room for notes, an
//! end mark. Plain text, at most 78 columns, so that any printer and any pager will do.

use super::{Checklist, Item, Kind, Part};

const WIDTH: usize = 78;
const NOTES: usize = 6;

/// The printed form.
#[must_use]
pub fn print(checklist: &Checklist) -> String {
    let mut out = String::new();
    let rule = "=".repeat(WIDTH);
    let about = [
        ("Condition", checklist.condition.as_deref()),
        ("Objective", checklist.objective.as_deref()),
        ("Not when", checklist.not_when.as_deref()),
        ("Method", Some(checklist.method.word())),
    ];
    line(&mut out, &rule);
    line(&mut out, &format!("{:?}: {}", checklist.level, checklist.title).to_uppercase());
    let version = checklist.version.as_deref().unwrap_or("-");
    let revised = checklist.revised.as_deref().unwrap_or("-");
    let owner = checklist.owner.as_deref().unwrap_or("-");
    line(&mut out, &format!("{}  version {version}, revised {revised}, owner {owner}", checklist.name));
    line(&mut out, &rule);
    for (word, text) in about {
        if let Some(text) = text {
            wrapped(&mut out, &format!("{word}: "), text);
        }
    }
    if !checklist.inhibits.is_empty() {
        let names: Vec<String> = checklist.inhibits.iter().map(ToString::to_string).collect();
        wrapped(&mut out, "Leave alone meanwhile: ", &names.join(", "));
    }
    for part in [Part::Memory, Part::Items, Part::Deferred] {
        let items: Vec<&Item> = checklist.items.iter().filter(|item| item.part == part).collect();
        if items.is_empty() {
            continue;
        }
        line(&mut out, "");
        line(&mut out, &format!("--- {} {}", part.word(), "-".repeat(WIDTH - 5 - part.word().len())));
        for item in items {
            print_item(&mut out, checklist, item);
        }
    }
    line(&mut out, "");
    line(&mut out, "Notes (time, who, what):");
    for _ in 0..NOTES {
        line(&mut out, &"_".repeat(WIDTH));
    }
    if let Some(complete) = &checklist.complete {
        line(&mut out, "");
        wrapped(&mut out, "", complete);
    }
    line(&mut out, &format!("{rule}\nEND OF {}", checklist.name));
    out
}

fn print_item(out: &mut String, checklist: &Checklist, item: &Item) {
    let indent = "    ".repeat(item.depth);
    if let Some((decision, answer)) = &item.under {
        let first = checklist.items.iter().find(|other| other.under == item.under);
        if first.is_some_and(|first| first.id == item.id) {
            let asked = checklist.items.get(*decision).map_or("", |asked| asked.id.as_str());
            line(out, &format!("{}if {asked} is {}:", "    ".repeat(item.depth - 1), answer.to_uppercase()));
        }
    }
    let end = match &item.kind {
        Kind::Do | Kind::Deferred { .. } => item.response.clone().unwrap_or_default(),
        Kind::Sensed(_) => "SEEN BY".to_owned(),
        Kind::Decide { answers, .. } => answers.join(" / ").to_uppercase(),
        Kind::Wait(length) => format!("WAIT {length}"),
    };
    let mark = if item.irreversible { "[ ][ ] two people: " } else { "[ ] " };
    let text = format!("{indent}{mark}{}", item.text);
    let dots = WIDTH.saturating_sub(text.chars().count() + end.chars().count() + 2).max(2);
    line(out, &format!("{text} {} {end}", ".".repeat(dots)));
    let under = format!("{indent}      ");
    if let Some(reading) = &item.reading {
        line(out, &format!("{under}{reading}: ____________________"));
    }
    if let Kind::Decide { observe: Some(observe), .. } = &item.kind {
        wrapped(out, &format!("{under}look: "), observe);
    }
    if let Some(unknown) = item.sense().and_then(|sense| sense.unknown.as_ref()) {
        wrapped(out, &format!("{under}if nobody answers: "), unknown);
    }
    if let Kind::Deferred { to } = &item.kind {
        line(out, &format!("{under}left for: {to}"));
    }
    if let Some(run) = &item.run {
        let words: Vec<&str> = run.iter().map(|word| word.value.as_str()).collect();
        wrapped(out, &format!("{under}run: "), &words.join(" "));
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

/// A text over as many lines as it needs, each after the first under the head's end.
fn wrapped(out: &mut String, head: &str, text: &str) {
    let room = WIDTH.saturating_sub(head.chars().count()).max(20);
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].chars().count() + 1 + word.chars().count() > room {
            lines.push(word.to_owned());
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    for (number, text) in lines.iter().enumerate() {
        let head = if number == 0 { head.to_owned() } else { " ".repeat(head.chars().count()) };
        line(out, &format!("{head}{text}"));
    }
}
