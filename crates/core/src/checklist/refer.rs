//! What a checklist refers to: variables of the lab, readings of its own items, other checklists.
//!
//! Owns the checks that need more than one line; what is not known (no list given) is not checked.

use std::collections::BTreeSet;

use crate::probe::Probe;
use crate::source::{Diagnostic, Located, did_you_mean};
use crate::template;
use crate::units::Name;

use super::{ANCHORS, Checklist, Item, Kind};

/// What stands before an item's id where a command takes that item's reading: `{{reading:head}}`.
pub(crate) const READING: &str = "reading:";

/// What a checklist may refer to. What is `None` is not checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    /// The names of all checklists.
    pub checklists: Option<BTreeSet<Name>>,
    /// The names of all variables.
    pub variables: Option<BTreeSet<String>>,
}

/// What is wrong within the checklist itself.
pub(super) fn within(checklist: &Checklist) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for inhibited in &checklist.inhibits {
        if inhibited.value == checklist.name.value {
            let message = format!("`{inhibited}` inhibits itself");
            problems.push(Diagnostic::new(message, inhibited.place.clone()).hint("leave it out"));
        }
    }
    for (n, item) in checklist.items.iter().enumerate() {
        for argument in item.run.iter().flatten() {
            for id in template::names(&argument.value).filter_map(|name| name.strip_prefix(READING)) {
                problems.extend(reading(checklist, n, argument, id.trim()));
            }
        }
        if probe_texts(item).iter().any(|text| template::names(text).any(|name| name.starts_with(READING))) {
            let message = "a reading cannot be put into a probe";
            let hint = "readings are typed by people; they can be used in `run:` only";
            problems.push(Diagnostic::new(message, item.place.clone()).hint(hint));
        }
    }
    problems
}

/// What is wrong with the reading `id` in a command of item `n`.
fn reading(checklist: &Checklist, n: usize, argument: &Located<String>, id: &str) -> Option<Diagnostic> {
    let problem =
        |message: String, hint: String| Some(Diagnostic::new(message, argument.place.clone()).hint(hint));
    match checklist.item(id) {
        None => {
            let with_reading = checklist.items.iter().filter(|item| item.reading.is_some());
            let hint = did_you_mean(id, with_reading.map(|item| item.id.as_str()));
            problem(format!("there is no item `{id}` to take a reading from"), hint)
        }
        Some((_, other)) if other.reading.is_none() => {
            problem(format!("item `{id}` asks for no reading"), format!("add `reading:` to `{id}`"))
        }
        Some((position, _)) if position >= n => {
            problem(format!("item `{id}` comes later"), "readings come from items before this one".to_owned())
        }
        Some(_) => None,
    }
}

/// What is wrong with what lies outside.
pub(super) fn beyond(checklist: &Checklist, world: &World) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    if let Some(variables) = &world.variables {
        for item in &checklist.items {
            problems.extend(unknown_variables(item, variables));
        }
    }
    if let Some(checklists) = &world.checklists {
        let known = || checklists.iter().map(Name::as_str);
        let here = &checklist.name.value;
        for name in checklist.inhibits.iter().filter(|n| n.value != *here && !checklists.contains(&n.value)) {
            let message = format!("there is no checklist `{name}`");
            let hint = did_you_mean(name.value.as_str(), known());
            problems.push(Diagnostic::new(message, name.place.clone()).hint(hint));
        }
        for item in &checklist.items {
            if let Kind::Deferred { to } = &item.kind
                && !ANCHORS.contains(&to.value.as_str())
                && !checklists.contains(&to.value)
            {
                let message = format!("`{to}` is neither a checklist nor a moment to defer to");
                let hint = did_you_mean(to.value.as_str(), ANCHORS.into_iter().chain(known()));
                problems.push(Diagnostic::new(message, to.place.clone()).hint(hint));
            }
        }
    }
    problems
}

fn unknown_variables(item: &Item, variables: &BTreeSet<String>) -> Vec<Diagnostic> {
    let arguments = item.run.iter().flatten().map(|argument| (argument.value.as_str(), &argument.place));
    let probe = probe_texts(item);
    let texts = arguments.chain(probe.iter().map(|text| (text.as_str(), &item.place)));
    let mut problems = Vec::new();
    for (text, place) in texts {
        for name in template::names(text) {
            if !variables.contains(name) && !name.starts_with(READING) {
                let hint = did_you_mean(name, variables.iter().map(String::as_str));
                let message = format!("nothing is known as {{{{{name}}}}}");
                problems.push(Diagnostic::new(message, place.clone()).hint(hint));
            }
        }
    }
    problems
}

/// The texts of an item's probe that may hold placeholders.
fn probe_texts(item: &Item) -> Vec<String> {
    let mut probe: Option<Probe> = item.sense().map(|sense| sense.probe.clone());
    probe.iter_mut().flat_map(|probe| probe.texts_mut().into_iter().map(|text| text.clone())).collect()
}
