//! Rules that good checklists keep: cheap to check, each with its source in human-factors practice.
//!
//! Owns the table of rules, the waivers and the rules about structure; the rules about wording are in [`words`]. Leaves
//! what makes a file unusable to [`super::Checklist::read`]. Thresholds marked "ours" have no source but experience.

mod structure;
mod words;

use crate::source::{Diagnostic, Place, Severity, Source};

use super::Checklist;

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, as in `allow: { L01: reason }`.
    pub id: &'static str,
    /// What it asks for.
    pub asks: &'static str,
    /// Where it comes from.
    pub source: &'static str,
}

/// Every rule, in the order of reports.
pub const RULES: [Rule; 21] = [
    rule("L01", "at most 7 actionable items between pause points, never more than 9", "Gawande"),
    rule(
        "L02",
        "at most 20 items on the longest path, never more than 40",
        "Degani and Wiener; numbers ours",
    ),
    rule("L05", "at most 3 memory items, never more than 5", "Burian; EASA on memory items; numbers ours"),
    rule("L06", "a challenge of at most 6 words, a response of at most 4", "Degani and Wiener; numbers ours"),
    rule("L07", "decisions nested at most 2 deep", "Burian; number ours"),
    rule("W01", "a response that names a state", "Degani and Wiener"),
    rule("W02", "one action per item", "Gawande; Degani and Wiener"),
    rule("W04", "actions without negation", "CAP 676"),
    rule("W06", "amounts and times, not vague words", "Gawande"),
    rule("W08", "a role, not somebody", "PagerDuty"),
    rule("O04", "irreversible steps behind a decision", "ECAM cross-check"),
    rule("O07", "a completion call", "Degani and Wiener; Boeing"),
    rule("B01", "decisions that say where the answer is seen", "CAP 676"),
    rule("B07", "condition, objective and when not to use it", "handbook form; Gawande"),
    rule("B08", "inhibits that exist and form no cycle", "Boeing"),
    rule("S01", "killer items sensed, or done by two, or a reason why not", "Kulp and others, 2020"),
    rule("S02", "probes that state how often they ask, and a timeout of at most 10 s", "ours"),
    rule("S04", "what to do while a probe does not answer", "ours"),
    rule("D02", "an owner for each deferred item", "ours"),
    rule("M01", "version, day of revision, owner", "Gawande"),
    rule("M06", "a role for each item that a person does", "FAA on pilot monitoring"),
];

const fn rule(id: &'static str, asks: &'static str, source: &'static str) -> Rule {
    Rule { id, asks, source }
}

/// Judges a set of checklists that are used together; rules a checklist waives are left out for it.
#[must_use]
pub fn lint(checklists: &[(&Source, &Checklist)]) -> Vec<Diagnostic> {
    let all: Vec<&Checklist> = checklists.iter().map(|(_, checklist)| *checklist).collect();
    let mut diagnostics = Vec::new();
    for (source, checklist) in checklists {
        let mut findings = Findings::default();
        structure::check(checklist, &all, &mut findings);
        words::check(checklist, &mut findings);
        findings
            .0
            .retain(|finding| finding.rule.as_ref().is_none_or(|rule| !checklist.allow.contains_key(rule)));
        findings.0.sort_by_key(|finding| (finding.line, finding.column));
        diagnostics.extend(findings.0.into_iter().map(|finding| finding.in_source(source)));
    }
    diagnostics
}

/// What was found in one checklist.
#[derive(Default)]
struct Findings(Vec<Diagnostic>);

impl Findings {
    fn error(&mut self, rule: &str, place: &Place, message: impl Into<String>, hint: impl Into<String>) {
        self.add(rule, Severity::Error, place, message, hint);
    }

    fn warning(&mut self, rule: &str, place: &Place, message: impl Into<String>, hint: impl Into<String>) {
        self.add(rule, Severity::Warning, place, message, hint);
    }

    /// An error above one number, a warning above another.
    fn limit(
        &mut self,
        rule: &str,
        place: &Place,
        found: usize,
        limits: (usize, usize),
        what: &str,
        hint: &str,
    ) {
        let (warn, fail) = limits;
        if found > warn {
            let severity = if found > fail { Severity::Error } else { Severity::Warning };
            self.add(rule, severity, place, format!("{found} {what}: more than {warn}"), hint);
        }
    }

    fn add(
        &mut self,
        rule: &str,
        severity: Severity,
        place: &Place,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.0.push(Diagnostic::new(message, place.clone()).hint(hint).rule(rule, severity));
    }
}

#[cfg(test)]
mod tests;
