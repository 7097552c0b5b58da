//! The policy's text: TOML, with errors that point.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Deserialize;
use toml::Spanned;

use super::{Allowance, Kinds, Policy};
use crate::fault::FaultKind;
use crate::source::{Diagnostic, Place, Source};
use crate::units::HumanDuration;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct PolicyFile {
    allow_all: bool,
    longest_lease: Option<Spanned<String>>,
    at_once: Option<usize>,
    windows: Vec<Spanned<String>>,
    allow: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
}

/// What a target in a policy may begin with.
const TARGETS: [&str; 10] =
    ["pid", "process", "unit", "cgroup", "container", "user", "netns", "dsn", "path", "host"];

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// Everything that is wrong with it: the first syntax or type error alone, or all bad values.
    pub fn read(source: &Source) -> Result<Self, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let place = |bytes: std::ops::Range<usize>| place_of(&source.text, bytes);
        let file: PolicyFile = toml::from_str(&source.text).map_err(|error| {
            let place = error.span().map(place).unwrap_or_default();
            let hint = "keys are allow-all, longest-lease, at-once, windows and [allow]";
            vec![Diagnostic::new(error.message(), place).hint(hint).in_source(source)]
        })?;
        let longest_lease =
            file.longest_lease.and_then(|text| parse::<HumanDuration>(&text, &place, &mut problems));
        let windows = file.windows.iter().filter_map(|text| parse(text, &place, &mut problems)).collect();
        let mut allow = Vec::new();
        for (target, kinds) in file.allow {
            let word = target.get_ref().split(':').next().unwrap_or_default();
            if !TARGETS.contains(&word) && !word.contains('*') {
                let hint = format!("write one of {}, with its name behind a colon", TARGETS.join(", "));
                let message = format!("`{}` is no target", target.get_ref());
                problems.push(Diagnostic::new(message, place(target.span())).hint(hint));
            }
            let all = kinds.iter().any(|kind| kind.get_ref() == "*");
            let these = kinds.iter().filter(|kind| kind.get_ref() != "*");
            let these: Vec<FaultKind> = these.filter_map(|kind| parse(kind, &place, &mut problems)).collect();
            let kinds = if all { Kinds::All } else { Kinds::These(these) };
            allow.push(Allowance { target: target.into_inner(), kinds });
        }
        if !problems.is_empty() {
            return Err(problems.into_iter().map(|problem| problem.in_source(source)).collect());
        }
        Ok(Self {
            name: Some(source.name.clone()),
            allow_all: file.allow_all,
            longest_lease,
            at_once: file.at_once,
            windows,
            allow,
        })
    }
}

/// A value by its own rules; what is wrong with it is added to the list.
fn parse<T: FromStr<Err: std::fmt::Display>>(
    text: &Spanned<String>,
    place: &impl Fn(std::ops::Range<usize>) -> Place,
    problems: &mut Vec<Diagnostic>,
) -> Option<T> {
    match text.get_ref().parse() {
        Ok(value) => Some(value),
        Err(error) => {
            let message = error.to_string();
            let (what, hint) = message.split_once("; ").unwrap_or((&message, "check the value"));
            problems.push(Diagnostic::new(what, place(text.span())).hint(hint));
            None
        }
    }
}

fn place_of(text: &str, bytes: std::ops::Range<usize>) -> Place {
    let before = text.get(..bytes.start).unwrap_or_default();
    let line = 1 + before.matches('\n').count();
    let column = 1 + before.chars().rev().take_while(|c| *c != '\n').count();
    Place { line, column, bytes: Some(bytes) }
}
