//! Each rule against a sample that breaks it and one that keeps it.

use crate::checklist::{Checklist, RULES, World, lint};
use crate::source::{Severity, Source};

/// A header that keeps every rule.
const HEADER: &str = "level: warning
condition: It burns
objective: Put it out
not-when: It only smokes
version: 1.0.0
revised: 2026-11-21
owner: fire brigade
complete: Say \"out\"
";
const SENSED: &str = "http: { url: \"http://h\" }, unknown: Ask";

fn read(name: &str, rest: &str) -> (Source, Checklist) {
    let text = format!("checklist: {name}\ntitle: FIRE\n{rest}");
    let source = Source { name: name.to_owned(), text };
    let checklist = Checklist::read(&source, &World::default()).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(ToString::to_string).collect::<String>())
    });
    (source, checklist)
}

/// The rules that complain, each with its severity.
fn findings(rest: &str) -> Vec<(String, Severity)> {
    let (source, checklist) = read("list", rest);
    let findings = lint(&[(&source, &checklist)]);
    assert!(findings.iter().all(|finding| finding.hint.is_some() && finding.line > 0), "{findings:?}");
    findings.into_iter().map(|finding| (finding.rule.expect("a rule"), finding.severity)).collect()
}

fn list(items: &[String]) -> String {
    format!("{HEADER}items: [{}]", items.join(", "))
}

fn dos(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{{ do: Open valve {n}, by: operator }}")).collect()
}

fn one(item: &str) -> String {
    list(&[item.to_owned()])
}

/// Rule, severity expected, the sample that breaks it, the nearest one that keeps it.
fn samples() -> Vec<(&'static str, Severity, String, String)> {
    use Severity::{Error, Warning};
    let paused = [dos(7), vec!["{ wait: 5s }".to_owned()], dos(7)].concat();
    let long = |n: usize| list(&(0..n).map(|n| format!("{{ id: w{n}, wait: 5s }}")).collect::<Vec<_>>());
    let memory = |n: usize| {
        let memory: Vec<String> = (0..n).map(|n| format!("{{ do: Open valve {n}, by: operator }}")).collect();
        format!("{HEADER}memory: [{}]\nitems: [{}]", memory.join(", "), dos(1).join(", "))
    };
    let nested = |depth: usize| {
        let inner = "{ do: Open valve 1, by: operator }".to_owned();
        one(&(0..depth)
            .fold(inner, |item, _| format!("{{ decide: Hot?, observe: gauge, by: reader, yes: [{item}] }}")))
    };
    let act = |text: &str| one(&format!("{{ do: {text}, by: operator }}"));
    let response = |text: &str| one(&format!("{{ do: Open valve 1, response: {text}, by: operator }}"));
    let grave = "{ do: Cut the main, by: operator, irreversible: true }";
    let behind = format!("{{ decide: Hot?, observe: gauge, by: reader, yes: [{grave}] }}");
    let killer = |more: &str| one(&format!("{{ do: Cut the main, by: operator, killer: true{more} }}"));
    let sensed = |times: &str| one(&format!("{{ sensed: It is cold, {SENSED}{times} }}"));
    let deferred =
        |by: &str| format!("{}\ndeferred: [{{ to: stand-down, do: Buy a hose{by} }}]", list(&dos(1)));
    let without = |keys: &[&str]| {
        let kept = HEADER.lines().filter(|line| !keys.iter().any(|key| line.starts_with(key)));
        format!("{}\nitems: [{}]", kept.collect::<Vec<_>>().join("\n"), dos(1).join(", "))
    };
    let good = list(&dos(1));
    vec![
        ("L01", Warning, list(&dos(8)), list(&paused)),
        ("L01", Error, list(&dos(10)), list(&dos(7))),
        ("L02", Warning, long(21), long(20)),
        ("L02", Error, long(41), long(20)),
        ("L05", Warning, memory(4), memory(3)),
        ("L05", Error, memory(6), memory(3)),
        ("L06", Warning, act("Open the second valve on the left"), act("Open the second left valve")),
        ("L06", Warning, response("OPEN AND DRAINED AND DRY"), response("OPEN AND DRAINED DRY")),
        ("L07", Error, nested(3), nested(2)),
        ("W01", Error, response("As required"), response("OPEN")),
        ("W02", Error, act("Open valve and close door"), act("Open valves and doors")),
        ("W02", Error, act("Open valve; leave"), act("Open valve")),
        ("W04", Error, act("Do not open valve"), act("Keep the valve shut")),
        ("W06", Warning, act("Wait a while"), act("Wait one minute")),
        ("W08", Error, act("Somebody opens it"), act("Open valve 1")),
        ("O04", Error, one(grave), one(&behind)),
        ("O07", Error, without(&["complete"]), good.clone()),
        (
            "B01",
            Error,
            one("{ decide: Hot?, by: reader, yes: [{ wait: 5s }] }"),
            one("{ decide: Hot?, observe: gauge, by: reader, yes: [{ wait: 5s }] }"),
        ),
        ("B07", Error, without(&["condition"]), good.clone()),
        ("B07", Error, without(&["not-when"]), good.clone()),
        ("B08", Error, format!("inhibits: [smoke]\n{good}"), good.clone()),
        ("S01", Error, killer(""), killer(", why: Only a person can reach it")),
        ("S02", Error, sensed(", every: 1s"), sensed(", every: 1s, timeout: 2s")),
        ("S02", Error, sensed(", every: 20s, timeout: 11s"), sensed(", every: 20s, timeout: 10s")),
        (
            "S04",
            Error,
            one("{ sensed: It is cold, http: { url: \"http://h\" }, every: 1s, timeout: 1s }"),
            sensed(", every: 1s, timeout: 1s"),
        ),
        ("D02", Warning, deferred(""), deferred(", by: owner")),
        ("M01", Error, without(&["owner", "revised"]), good.clone()),
        ("M06", Warning, one("{ do: Open valve 1 }"), good),
    ]
}

#[test]
fn every_rule_has_a_sample_that_breaks_it_and_one_that_keeps_it() {
    let samples = samples();
    for rule in RULES {
        assert!(samples.iter().any(|(id, ..)| *id == rule.id), "{} has no sample", rule.id);
    }
    for (rule, severity, bad, good) in &samples {
        assert_eq!(findings(bad), [((*rule).to_owned(), *severity)], "{bad}");
        assert_eq!(findings(good), [], "{good}");
    }
}

#[test]
fn a_waiver_silences_its_rule_and_no_other() {
    let broken = "items: [{ do: Do not open valve 1 }]";
    assert_eq!(findings(&format!("{HEADER}{broken}")).len(), 2);
    let waived = findings(&format!("{HEADER}allow: {{ W04: The placard says so }}\n{broken}"));
    assert_eq!(waived, [("M06".to_owned(), Severity::Warning)]);
}

#[test]
fn inhibits_that_come_round_are_found_across_checklists() {
    let items = "items: [{ do: Open valve 1, by: operator }]";
    let inhibiting = |name: &str, other: &str| read(name, &format!("{HEADER}inhibits: [{other}]\n{items}"));
    let set = [inhibiting("fire", "smoke"), inhibiting("smoke", "heat"), inhibiting("heat", "fire")];
    let set: Vec<(&Source, &Checklist)> = set.iter().map(|(source, checklist)| (source, checklist)).collect();
    let rules: Vec<Option<String>> = lint(&set).into_iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, vec![Some("B08".to_owned()); 3]);
    let chain = lint(&set[..2]);
    assert_eq!(chain.len(), 1, "heat is not there: {chain:?}");
}
