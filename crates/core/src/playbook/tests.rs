//! What a playbook's text becomes, and what is wrong with some.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::lab::{Setting, Values};

static LAB: LabDescription = LabDescription {
    name: "toy",
    about: "a toy",
    hosts: &["job", "db"],
    settings: &[Setting {
        key: "door",
        default: "shut",
        values: Values::Words(&["shut", "open"]),
        about: "",
    }],
    commands: &[],
    variables: &["shop.url", "job.pid"],
};

const HEAD: &str = "playbook: toy\ntitle: A toy\nlab: toy\nsteady-state:\n  - probe: page\n    \
    http: { url: \"{{shop.url}}/\", timeout: 1s }\n    every: 100ms\n    \
    tolerate: { success: 90%, p95: 300ms, over: 2s }\noutage: { steady-state-lost-for: 3s }\n";

fn read(rest: &str) -> Result<Playbook, Vec<Diagnostic>> {
    let source = Source { name: "toy.yaml".to_owned(), text: format!("{HEAD}{rest}") };
    let items = BTreeSet::from(["head".to_owned(), "end".to_owned()]);
    let checklists = BTreeMap::from([("pileup".parse().expect("a name"), items)]);
    let toxics = Toxics { kinds: &[], check: |_| Ok(()) };
    Playbook::read(&source, &World { labs: &[&LAB], checklists: &checklists, toxics })
}

fn right(rest: &str) -> Playbook {
    read(rest)
        .unwrap_or_else(|problems| panic!("{}", problems.iter().map(ToString::to_string).collect::<String>()))
}

const DOOR: &str = "abort: { after: 1m }\n\
    slices: [{ slice: door, defence: shut, hole: open, open: { lab: { door: open } } }]\n";

#[test]
fn what_is_not_said_has_a_default() {
    let playbook = right(DOOR);
    let door = &playbook.slices[0];
    assert_eq!((door.kind(), door.at), (SliceKind::LatentCondition, None));
    // What is no hole is a defence: its settings go back to what the lab holds to be safe.
    assert_eq!(door.closed, vec![Step::Set(vec![("door".to_owned(), "shut".to_owned())])]);
    assert_eq!(playbook.gate, Duration::from_secs(2), "the longest window");
    assert_eq!(playbook.longest_window(), Duration::from_secs(2));
    assert_eq!(playbook.outage_after, Duration::from_secs(3));
    assert_eq!(playbook.response, None);
    assert!(playbook.observe >= playbook.outage_after, "an outage has the time to become one");
}

#[test]
fn the_run_is_watched_until_its_last_step_has_had_its_effect() {
    let slice = "abort: { after: 1m }\nslices: [{ slice: stop, defence: d, hole: h, at: 10s, \
        open: [{ wait: 5s }, { fault: pause, target: { lab: job } }] }]\n";
    let playbook = right(slice);
    assert_eq!(playbook.slices[0].kind(), SliceKind::ActiveFailure);
    assert!(playbook.slices[0].closed.is_empty(), "an active failure that is held does nothing");
    assert!(playbook.observe >= Duration::from_secs(15) + playbook.outage_after, "{:?}", playbook.observe);
}

#[test]
fn a_response_names_items_that_are_there() {
    let response = |text: &str| read(&format!("{DOOR}response: {text}\n"));
    let whole = "{ annunciates: pileup, target: { item: head, is: \"{{job.pid}}\" }, act: end }";
    let kept = response(whole).expect("it is right").response.expect("it is there");
    assert_eq!(kept.target, Some(("head".to_owned(), "{{job.pid}}".to_owned())));
    assert_eq!(kept.act.as_deref(), Some("end"));
    for (text, expected) in [
        ("{ annunciates: pileop }", "there is no checklist `pileop`"),
        ("{ annunciates: pileup, act: ned }", "has no item `ned`"),
        ("{ annunciates: pileup, target: { item: head, is: \"{{job.pdi}}\" } }", "fills no `{{job.pdi}}`"),
    ] {
        let problems = response(text).expect_err(text);
        assert!(problems.iter().any(|p| p.message.contains(expected) && p.line > 0), "{text}: {problems:?}");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let problems = read(
        "abort: { after: 1m, when: [{ probe: nobody, unsatisfied-for: 1s }] }\nslices:\n  \
        - { slice: a, defence: d, hole: h, open: { lab: { dor: open } } }\n  \
        - { slice: a, defence: d, hole: h, open: { fault: pause, target: { lab: jbo } } }\n",
    )
    .expect_err("much is wrong");
    let all: String = problems.iter().map(ToString::to_string).collect();
    for expected in ["no probe is called `nobody`", "`dor`", "two slices are called `a`", "`jbo`"] {
        assert!(all.contains(expected), "{expected:?} in\n{all}");
    }
    assert!(problems.iter().all(|problem| problem.line > 0 && problem.hint.is_some()), "{problems:?}");
}
