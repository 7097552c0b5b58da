//! Waits and holds: deadlines come from the log, whatever happened to the program meanwhile.

use super::*;

const WAITS: &str = "items: [{ do: Look }, { wait: 30s }, { wait: 10s }, { do: Act }]";

#[test]
fn a_wait_begins_when_its_line_is_current_and_ends_by_itself() {
    let mut flight = Flight::open(WAITS);
    assert_eq!(flight.incident.next_wake(), None);
    let start = flight.now;
    assert_eq!(kinds(&flight.must(&confirm("list/1"))), ["item.confirmed", "timer.started"]);
    assert_eq!(flight.marker("list/2"), Marker::Waiting);
    assert_eq!(flight.incident.next_wake(), Some(start + chrono::TimeDelta::seconds(30)));
    assert!(matches!(flight.refused(&confirm("list/2")), Refusal::WrongItem { .. }));
    assert!(flight.later(29).is_empty());
    assert_eq!(flight.row("list/2").remaining.map(|left| left.0), Some(1));
    assert_eq!(kinds(&flight.later(1)), ["timer.elapsed", "timer.started"]);
    assert_eq!((flight.marker("list/2"), flight.marker("list/3")), (Marker::Done, Marker::Waiting));
}

#[test]
fn after_an_hour_asleep_each_wait_ended_when_it_ended() {
    let mut flight = Flight::open(WAITS);
    let start = flight.now;
    flight.must(&confirm("list/1"));
    let events = flight.later(3600);
    assert_eq!(kinds(&events), ["timer.elapsed", "timer.started", "timer.elapsed"]);
    assert_eq!(events[2].occurred, start + chrono::TimeDelta::seconds(40));
    assert_eq!(events[2].recorded, start + chrono::TimeDelta::seconds(3600));
    assert_eq!((flight.current("list").as_deref(), flight.incident.next_wake()), (Some("4"), None));
}

#[test]
fn a_back_dated_act_begins_the_wait_when_it_happened() {
    let mut flight = Flight::open(WAITS);
    let occurred = Some(flight.now - chrono::TimeDelta::seconds(25));
    flight.must(&Act::Confirm { item: item("list/1"), reading: None, with: None, occurred });
    assert_eq!(kinds(&flight.later(5)), ["timer.elapsed", "timer.started"]);
}

#[test]
fn a_wait_is_cut_short_by_an_override_only() {
    let mut flight = Flight::open(WAITS);
    flight.must(&confirm("list/1"));
    assert_eq!(kinds(&flight.must(&pass_over("list/2"))), ["item.overridden", "timer.started"]);
    assert_eq!(flight.marker("list/2"), Marker::Overridden);
    let reopen = Act::Reopen { item: item("list/2"), reason: "again".to_owned() };
    assert!(matches!(flight.refused(&reopen), Refusal::WrongItem { .. }));
    // Cleared, it begins anew, because it is the current line again.
    let clear = Act::ClearOverride { item: item("list/2") };
    assert_eq!(kinds(&flight.must(&clear)), ["item.override-cleared", "timer.started"]);
}

#[test]
fn a_held_checklist_comes_back_by_itself() {
    let mut flight = Flight::open(WAITS);
    let hold = Act::Hold {
        checklist: name("list"),
        resume_in: crate::units::HumanDuration::secs(60),
        reason: "the primary first".to_owned(),
    };
    assert_eq!(kinds(&flight.must(&hold)), ["checklist.held"]);
    assert_eq!(flight.state("list"), ChecklistState::Held);
    assert!(matches!(flight.refused(&hold), Refusal::WrongState { .. }));
    assert!(matches!(flight.refused(&confirm("list/1")), Refusal::WrongState { .. }));
    assert!(flight.later(59).is_empty());
    assert_eq!(kinds(&flight.later(1)), ["checklist.opened"]);
    flight.must(&confirm("list/1"));
    flight.must(&hold);
    flight.must(&Act::Open { checklist: name("list") });
    assert_eq!(flight.state("list"), ChecklistState::Open);
}

#[test]
fn the_longest_waits_are_far_away_and_harmless() {
    let mut flight = Flight::open("items: [{ wait: 9000000000s }, { wait: 500000y }]");
    assert_eq!(flight.marker("list/1"), Marker::Waiting);
    flight.must(&pass_over("list/1"));
    assert_eq!(flight.incident.next_wake(), Some(Timestamp::MAX_UTC));
    assert!(flight.later(1).is_empty());
}
