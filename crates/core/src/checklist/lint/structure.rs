//! Rules about length, order, branching, sensing and the header.

use std::time::Duration;

use crate::checklist::{Checklist, Item, Kind, Part, Sense};
use crate::units::Name;

use super::Findings;

/// The longest a probe may take to answer.
const LONGEST_PROBE: Duration = Duration::from_secs(10);

pub(super) fn check(checklist: &Checklist, all: &[&Checklist], findings: &mut Findings) {
    header(checklist, findings);
    length(checklist, findings);
    inhibits(checklist, all, findings);
    for (n, item) in checklist.items.iter().enumerate() {
        findings.limit(
            "L07",
            &item.place,
            item.depth,
            (2, 2),
            "decisions above this item",
            "split the checklist",
        );
        roles(item, findings);
        if item.irreversible && !checklist.items[..n].iter().any(is_decision) {
            let hint = "put the question that justifies it before it";
            findings.error("O04", &item.place, "an irreversible step without a decision before it", hint);
        }
        if item.killer && matches!(item.kind, Kind::Do) && !item.irreversible && item.why.is_none() {
            let hint = "make it `sensed:` or `irreversible:`, or say in `why:` why neither will do";
            findings.error("S01", &item.place, "a killer item that one person ticks", hint);
        }
        if let Kind::Decide { observe: None, sense: None, .. } = item.kind {
            let hint = "add `observe:`, or a probe";
            findings.error("B01", &item.place, "a decision that does not say where its answer is seen", hint);
        }
        if let Some(sense) = item.sense() {
            sensing(item, sense, findings);
        }
    }
}

const fn is_decision(item: &Item) -> bool {
    matches!(item.kind, Kind::Decide { .. })
}

fn header(checklist: &Checklist, findings: &mut Findings) {
    let place = &checklist.name.place;
    let missing = |fields: [(&'static str, bool); 3]| {
        let missing: Vec<&str> = fields.into_iter().filter(|(_, there)| !there).map(|(key, _)| key).collect();
        (!missing.is_empty()).then(|| missing.join(", "))
    };
    let fields = [
        ("condition", checklist.condition.is_some()),
        ("objective", checklist.objective.is_some()),
        ("not-when", checklist.not_when.is_some()),
    ];
    if let Some(missing) = missing(fields) {
        let hint = "say when to use it, what it achieves, and when to use something else";
        findings.error("B07", place, format!("the header lacks {missing}"), hint);
    }
    let fields = [
        ("version", checklist.version.is_some()),
        ("revised", checklist.revised.is_some()),
        ("owner", checklist.owner.is_some()),
    ];
    if let Some(missing) = missing(fields) {
        findings.error(
            "M01",
            place,
            format!("the header lacks {missing}"),
            "say which text this is, and whose",
        );
    }
    if checklist.complete.is_none() {
        findings.error("O07", place, "nothing is said at the end", "add `complete:` with the call");
    }
}

fn length(checklist: &Checklist, findings: &mut Findings) {
    let memory: Vec<&Item> = checklist.items.iter().filter(|item| item.part == Part::Memory).collect();
    if let Some(first) = memory.first() {
        let hint = "memory holds few: keep what cannot wait for reading";
        findings.limit("L05", &first.place, memory.len(), (3, 5), "memory items", hint);
    }
    // A pause point is a decision, a wait, or the end of a branch or part.
    let mut since_pause = 0;
    let mut last: Option<&Item> = None;
    let mut longest: Option<&Item> = None;
    let mut most = 0;
    for item in &checklist.items {
        if last.is_some_and(|last| last.part != item.part || last.under != item.under) {
            since_pause = 0;
        }
        since_pause = match item.kind {
            Kind::Do | Kind::Sensed(_) => since_pause + 1,
            Kind::Decide { .. } | Kind::Wait(_) | Kind::Deferred { .. } => 0,
        };
        if since_pause > most {
            (most, longest) = (since_pause, Some(item));
        }
        last = Some(item);
    }
    if let Some(item) = longest {
        let hint = "let people pause: put a decision or a wait between, or split the checklist";
        findings.limit("L01", &item.place, most, (7, 9), "items without a pause", hint);
    }
    let path = longest_path(checklist, None);
    let hint = "subdivide it into checklists of their own";
    findings.limit("L02", &checklist.name.place, path, (20, 40), "items on the longest path", hint);
}

/// How many items the longest path below a decision's answer has; of the whole list for `None`.
fn longest_path(checklist: &Checklist, under: Option<&(usize, String)>) -> usize {
    let here = checklist.items.iter().enumerate();
    here.filter(|(_, item)| item.under.as_ref() == under && !matches!(item.kind, Kind::Deferred { .. }))
        .map(|(n, item)| match &item.kind {
            Kind::Decide { answers, .. } => {
                let branches = answers.iter().map(|a| longest_path(checklist, Some(&(n, a.clone()))));
                1 + branches.max().unwrap_or(0)
            }
            _ => 1,
        })
        .sum()
}

fn inhibits(checklist: &Checklist, all: &[&Checklist], findings: &mut Findings) {
    let named = |name: &Name| all.iter().find(|other| other.name.value == *name);
    for inhibited in &checklist.inhibits {
        if named(&inhibited.value).is_none() {
            let hint = crate::source::did_you_mean(
                inhibited.value.as_str(),
                all.iter().map(|other| other.name.value.as_str()),
            );
            findings.error("B08", &inhibited.place, format!("there is no checklist `{inhibited}`"), hint);
        }
        // Whatever this inhibits, directly or not, must not inhibit this.
        let mut seen = std::collections::BTreeSet::new();
        let mut next = vec![&inhibited.value];
        while let Some(name) = next.pop() {
            if *name == checklist.name.value {
                let message = format!("`{inhibited}` inhibits this checklist in turn");
                findings.error("B08", &inhibited.place, message, "one of them must stay visible");
                break;
            }
            if seen.insert(name) {
                next.extend(named(name).into_iter().flat_map(|c| c.inhibits.iter().map(|i| &i.value)));
            }
        }
    }
}

fn roles(item: &Item, findings: &mut Findings) {
    if item.by.is_some() {
        return;
    }
    match item.kind {
        Kind::Deferred { .. } => {
            findings.warning("D02", &item.place, "nobody owns this deferred item", "add `by:` with a role");
        }
        Kind::Do | Kind::Decide { sense: None, .. } => {
            let hint = "add `by:` with a role, such as reader or operator";
            findings.warning("M06", &item.place, "no role is named for this item", hint);
        }
        Kind::Decide { .. } | Kind::Sensed(_) | Kind::Wait(_) => {}
    }
}

fn sensing(item: &Item, sense: &Sense, findings: &mut Findings) {
    if !sense.declared.every || !sense.declared.timeout {
        let hint = "write `every:` and `timeout:` beside the probe";
        findings.error("S02", &item.place, "the probe does not state its times", hint);
    } else if sense.probe.timeout() > LONGEST_PROBE {
        findings.error("S02", &item.place, "a probe that may take more than 10 s", "shorten `timeout:`");
    }
    if sense.unknown.is_none() {
        let hint = "add `unknown:` with what to do then, such as whom to ask";
        findings.error("S04", &item.place, "nothing is said for when the probe does not answer", hint);
    }
}
