//! Closed loops: what probes complete, what they take back, and what nobody knows.

use super::*;

fn sensed() -> Flight {
    Flight::open(&format!("items: [{{ id: up, sensed: Up, {SENSED} }}, {{ do: Act }}]"))
}

#[test]
fn two_samples_must_agree() {
    let mut flight = sensed();
    assert_eq!(flight.marker("list/up"), Marker::Unknown, "nobody has asked yet");
    assert!(flight.sample("list/up", Answer::Satisfied).is_empty());
    assert!(flight.sample("list/up", Answer::Unsatisfied).is_empty());
    assert!(flight.sample("list/up", Answer::Satisfied).is_empty());
    assert_eq!(flight.marker("list/up"), Marker::Unknown);
    let events = flight.sample("list/up", Answer::Satisfied);
    assert_eq!(kinds(&events), ["item.sensed"]);
    assert!(matches!(&events[0].body, Body::ItemSensed { value: Some(value), .. } if value == "satisfied"));
    assert_eq!((flight.marker("list/up"), flight.current("list").as_deref()), (Marker::Sensed, Some("2")));
    assert!(flight.sample("list/up", Answer::Satisfied).is_empty(), "only changes are events");
}

#[test]
fn a_regress_is_shown_and_logged() {
    let mut flight = sensed();
    flight.sense("list/up", Answer::Unsatisfied);
    assert_eq!(flight.marker("list/up"), Marker::Open, "red from the start is no regress");
    flight.sense("list/up", Answer::Satisfied);
    let events = flight.sense("list/up", Answer::Unsatisfied);
    assert_eq!(kinds(&events), ["item.sensed", "item.regressed"]);
    assert_eq!(flight.marker("list/up"), Marker::Regressed);
    flight.sense("list/up", Answer::Satisfied);
    assert_eq!(flight.marker("list/up"), Marker::Sensed);
}

#[test]
fn one_unknown_is_enough_and_it_becomes_stale() {
    let mut flight = sensed();
    flight.sense("list/up", Answer::Satisfied);
    assert_eq!(kinds(&flight.sample("list/up", Answer::Unknown)), ["item.sensed"]);
    assert_eq!(flight.marker("list/up"), Marker::Unknown);
    let detail = |flight: &Flight| flight.row("list/up").detail.expect("a detail");
    assert!(
        detail(&flight).contains("Ask by phone") && !detail(&flight).contains("stale"),
        "{}",
        detail(&flight)
    );
    flight.now += chrono::TimeDelta::seconds(4);
    assert!(detail(&flight).contains("stale"));
    assert!(flight.sample("list/up", Answer::Satisfied).is_empty(), "green must be seen twice again");
}

#[test]
fn what_nobody_samples_becomes_unknown() {
    let mut flight = sensed();
    flight.sense("list/up", Answer::Satisfied);
    let lapse = |flight: &mut Flight, seconds: i64| {
        flight.now += chrono::TimeDelta::seconds(seconds);
        let events = flight.incident.lapse(&mut flight.senses, flight.now);
        kinds(&flight.write(events))
    };
    assert!(lapse(&mut flight, 6).is_empty(), "three intervals of 1 s, each with its timeout of 1 s");
    assert_eq!(lapse(&mut flight, 1), ["item.sensed"]);
    assert_eq!(flight.marker("list/up"), Marker::Unknown);
    assert!(lapse(&mut flight, 60).is_empty(), "said once");
    assert!(flight.sample("list/up", Answer::Satisfied).is_empty(), "old samples count no longer");
    // After a start with an old log, what it says has three intervals to be confirmed.
    flight.sense("list/up", Answer::Satisfied);
    flight.senses = Senses::default();
    assert!(lapse(&mut flight, 3600).is_empty());
    assert_eq!(lapse(&mut flight, 7), ["item.sensed"]);
}

#[test]
fn a_complete_checklist_stays_complete_and_says_what_is_so_no_longer() {
    let mut flight = sensed();
    flight.must(&confirm("list/2"));
    let events = flight.sense("list/up", Answer::Satisfied);
    assert_eq!(kinds(&events), ["item.sensed", "checklist.complete"]);
    assert_eq!(flight.incident.due_probes().len(), 1, "still watched");
    let events = flight.sense("list/up", Answer::Unsatisfied);
    assert_eq!(kinds(&events), ["item.sensed", "item.regressed", "alert.raised"]);
    assert_eq!(flight.state("list"), ChecklistState::Complete);
    let queue = flight.incident.queue();
    assert_eq!(queue.len(), 1);
    assert!(
        queue[0].title.contains("Up") && queue[0].level == crate::event::AlertLevel::Caution,
        "{queue:?}"
    );
    assert_eq!(queue[0].checklist, Some(name("list")));
    flight.sample("list/up", Answer::Unknown);
    assert_eq!(flight.incident.queue().len(), 1, "nobody knows that it is over");
    assert_eq!(kinds(&flight.sense("list/up", Answer::Satisfied)), ["item.sensed", "alert.cleared"]);
    assert!(flight.incident.queue().is_empty());
}

#[test]
fn unknown_never_completes() {
    let mut flight = sensed();
    flight.must(&confirm("list/2"));
    flight.sense("list/up", Answer::Unknown);
    assert_eq!(flight.state("list"), ChecklistState::Open);
    let events = flight.must(&pass_over("list/up"));
    assert_eq!(kinds(&events), ["item.overridden", "checklist.complete"]);
    assert!(matches!(events[1].body, Body::ChecklistComplete { done: 1, overridden: 1, inactive: 0, .. }));
}

#[test]
fn a_sensed_decision_is_answered_by_its_probe_and_by_people_only_while_it_is_unknown() {
    let mut flight = Flight::open(&format!(
        "items: [{{ id: q, decide: Alive?, {SENSED}, yes: [{{ do: Ask }}], no: [{{ do: End }}] }}, {{ do: Act }}]"
    ));
    assert_eq!(flight.marker("list/q"), Marker::Unknown);
    let events = flight.must(&answer("list/q", "no"));
    assert!(matches!(events[0].body, Body::ConditionAnswered { for_unknown: true, .. }));
    assert!(
        flight.sense("list/q", Answer::Unknown).is_empty(),
        "a person's answer stands while it is unknown"
    );
    assert_eq!(flight.marker("list/q"), Marker::Done);

    assert_eq!(kinds(&flight.sense("list/q", Answer::Satisfied)), ["condition.sensed"]);
    assert_eq!(
        (flight.marker("list/q"), flight.row("list/q").value.as_deref()),
        (Marker::Sensed, Some("yes"))
    );
    let refusal = flight.refused(&answer("list/q", "no"));
    assert!(matches!(refusal, Refusal::ProbeAnswers { answer, .. } if answer == "yes"));
    assert_eq!(flight.marker("list/q-no-1"), Marker::Inactive);

    flight.sense("list/q", Answer::Unsatisfied);
    assert_eq!(flight.marker("list/q-yes-1"), Marker::Inactive);
    let events = flight.sample("list/q", Answer::Unknown);
    assert!(matches!(events[0].body, Body::ConditionSensed { to: None, .. }));
    assert_eq!(flight.marker("list/q"), Marker::Unknown);
    flight.must(&answer("list/q", "yes"));
}

#[test]
fn only_what_applies_is_asked() {
    let mut flight = Flight::open(&format!(
        "items: [{{ id: q, decide: Alive?, yes: [{{ id: up, sensed: Up, {SENSED} }}] }}, {{ do: Act }}]"
    ));
    assert!(flight.incident.due_probes().is_empty());
    assert!(flight.sense("list/up", Answer::Satisfied).is_empty());
    flight.must(&answer("list/q", "yes"));
    let due = flight.incident.due_probes();
    assert_eq!((due.len(), due[0].item.clone(), due[0].every), (1, item("list/up"), Duration::from_secs(1)));
    flight.must(&answer("list/q", "no"));
    assert!(flight.incident.due_probes().is_empty());
    assert!(flight.sense("nil/up", Answer::Satisfied).is_empty());
}
