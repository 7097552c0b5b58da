//! The item table: each listed transition, and the refusals around it.

use super::*;

#[test]
fn an_open_item_is_confirmed_by_a_person_once() {
    let mut flight = Flight::open("items: [{ do: Look, response: SEEN }, { do: Act }]");
    assert_eq!(flight.current("list").as_deref(), Some("1"));
    assert_eq!(kinds(&flight.must(&confirm("list/1"))), ["item.confirmed"]);
    assert_eq!((flight.marker("list/1"), flight.current("list").as_deref()), (Marker::Done, Some("2")));
    assert!(matches!(flight.refused(&confirm("list/1")), Refusal::WrongItem { .. }));
    assert!(matches!(flight.refused(&confirm("list/9")), Refusal::NoSuchItem(..)));
    assert!(matches!(flight.refused(&confirm("nil/1")), Refusal::NoSuchChecklist(..)));
}

#[test]
fn a_reading_is_asked_for_and_kept() {
    let mut flight = Flight::open(
        "items: [{ id: head, do: Find, reading: pid }, { do: End, run: [end, \"x{{reading:head}}\", \"{{db}}\"] }]",
    );
    assert!(matches!(flight.refused(&confirm("list/head")), Refusal::NeedsReading { .. }));
    let run = Act::Run { item: item("list/2"), with: None };
    assert!(matches!(flight.refused(&run), Refusal::NoReading { .. }));
    let with = |reading: &str| Act::Confirm {
        item: item("list/head"),
        reading: Some(reading.to_owned()),
        with: None,
        occurred: None,
    };
    assert!(matches!(flight.refused(&with("  ")), Refusal::NeedsReading { .. }));
    flight.must(&with(" 41\u{1b}7 "));
    assert_eq!(flight.row("list/head").value.as_deref(), Some("417"));
    let decision = flight.incident.decide(flight.now, &ada(), &run).expect("allowed");
    assert_eq!(decision.run.expect("a command"), ["end", "x417", "{{db}}"]);
    assert!(decision.events.is_empty());
    // What a person typed is never filled a second time.
    flight.must(&Act::Reopen { item: item("list/head"), reason: "wrong".to_owned() });
    flight.must(&with("{{db}}"));
    assert!(matches!(flight.refused(&run), Refusal::NoReading { .. }));
}

#[test]
fn what_a_command_did_is_reported_and_confirms_nothing() {
    let mut flight = Flight::open("items: [{ do: End, run: [end] }, { do: Look }]");
    let ran = |at: &str| Act::Ran {
        item: item(at),
        command: vec!["end".to_owned()],
        exit: Some(0),
        output: "gone\u{7}".to_owned(),
    };
    assert_eq!(kinds(&flight.must(&ran("list/1"))), ["item.ran"]);
    assert_eq!(flight.row("list/1").ran.as_deref(), Some("exit 0: gone"));
    assert_eq!(flight.marker("list/1"), Marker::Open);
    assert!(matches!(flight.refused(&ran("list/2")), Refusal::WrongItem { .. }));
    let run = Act::Run { item: item("list/2"), with: None };
    assert!(matches!(flight.refused(&run), Refusal::WrongItem { .. }));
}

#[test]
fn a_confirmation_is_taken_back_with_a_reason() {
    let mut flight = Flight::open("items: [{ do: Look }, { do: Act }]");
    let reopen = |reason: &str| Act::Reopen { item: item("list/1"), reason: reason.to_owned() };
    assert!(matches!(flight.refused(&reopen("too early")), Refusal::WrongItem { .. }));
    flight.must(&confirm("list/1"));
    assert_eq!(flight.refused(&reopen(" ")), Refusal::Missing("reason"));
    assert_eq!(kinds(&flight.must(&reopen("looked at the wrong host"))), ["item.reopened"]);
    assert_eq!(flight.marker("list/1"), Marker::Open);
}

#[test]
fn nobody_ticks_a_sensed_item() {
    let mut flight = Flight::open(&format!("items: [{{ sensed: Up, {SENSED} }}]"));
    for answer in [Answer::Unknown, Answer::Unsatisfied, Answer::Satisfied] {
        if answer != Answer::Satisfied {
            flight.sense("list/1", answer);
            let refusal = flight.refused(&confirm("list/1"));
            assert!(matches!(refusal, Refusal::OnlyItsProbe { sense, .. } if sense == answer.word()));
        }
    }
    let text = flight.refused(&confirm("list/1")).to_string();
    assert!(text.contains("only its probe") && text.contains("override"), "{text}");
}

#[test]
fn an_override_needs_a_reason_and_can_be_cleared() {
    let mut flight = Flight::open(&format!("items: [{{ sensed: Up, {SENSED} }}, {{ do: Act }}]"));
    let empty = Act::Override { item: item("list/1"), reason: String::new(), with: None, occurred: None };
    assert_eq!(flight.refused(&empty), Refusal::Missing("reason"));
    let events = flight.must(&pass_over("list/1"));
    let Body::ItemOverridden { sense, .. } = &events[0].body else { panic!("{events:?}") };
    assert_eq!(*sense, Some(Answer::Unknown), "what the probe said at that moment");
    assert_eq!(flight.marker("list/1"), Marker::Overridden);
    assert!(matches!(flight.refused(&pass_over("list/1")), Refusal::WrongItem { .. }));
    // The probe goes on underneath, and its state is there again when the override is cleared.
    flight.sense("list/1", Answer::Satisfied);
    assert_eq!(flight.marker("list/1"), Marker::Overridden);
    let clear = Act::ClearOverride { item: item("list/1") };
    assert_eq!(kinds(&flight.must(&clear)), ["item.override-cleared"]);
    assert_eq!(flight.marker("list/1"), Marker::Sensed);
    assert!(matches!(flight.refused(&clear), Refusal::WrongItem { .. }));
}

#[test]
fn two_people_for_what_cannot_be_taken_back() {
    let list =
        "items: [{ do: End, irreversible: true, run: [end] }, { do: Hold, killer: true }, { do: Act }]";
    let mut flight = Flight::open(list);
    let confirm = |with: Option<&str>| Act::Confirm {
        item: item("list/1"),
        reading: None,
        with: with.map(str::to_owned),
        occurred: None,
    };
    let run = |with: Option<&str>| Act::Run { item: item("list/1"), with: with.map(str::to_owned) };
    let over = |at: &str, with: Option<&str>| Act::Override {
        item: item(at),
        reason: "no time".to_owned(),
        with: with.map(str::to_owned),
        occurred: None,
    };
    for nobody in [None, Some(""), Some("ada"), Some("ADA ")] {
        for act in [confirm(nobody), run(nobody), over("list/1", nobody), over("list/2", nobody)] {
            assert!(matches!(flight.refused(&act), Refusal::NeedsSecond(_)), "{act:?}");
        }
    }
    assert!(flight.incident.decide(flight.now, &ada(), &run(Some("ben"))).is_ok());
    let events = flight.must(&confirm(Some("ben")));
    assert!(matches!(&events[0].body, Body::ItemConfirmed { with: Some(with), .. } if with == "ben"));
    flight.must(&over("list/2", Some("ben")));
}

#[test]
fn passing_over_a_decision_passes_over_its_branches() {
    let mut flight = Flight::open(
        "items: [{ id: q, decide: Dead?, yes: [{ do: End, irreversible: true }], no: [{ do: Ask }] }, { do: Act }]",
    );
    assert!(matches!(flight.refused(&pass_over("list/q")), Refusal::NeedsSecond(_)), "it hides a grave step");
    let with = Some("ben".to_owned());
    flight.must(&Act::Override { item: item("list/q"), reason: "moot".to_owned(), with, occurred: None });
    assert_eq!(flight.marker("list/q-yes-1"), Marker::Inactive);
    assert_eq!(flight.current("list").as_deref(), Some("2"));
}

#[test]
fn a_decision_chooses_a_branch_and_may_change() {
    let mut flight = Flight::open(
        "items: [{ id: q, decide: Alive?, yes: [{ do: Ask }], no: [{ do: End }] }, { do: Act }]",
    );
    assert_eq!(flight.marker("list/q"), Marker::Open);
    let refusal = flight.refused(&confirm("list/q-no-1"));
    assert!(matches!(refusal, Refusal::Undetermined { decision, .. } if decision == item("list/q")));
    let refusal = flight.refused(&answer("list/q", "yep"));
    assert!(matches!(&refusal, Refusal::NotAnAnswer { hint, .. } if hint.contains("yes")), "{refusal}");
    assert!(matches!(flight.refused(&answer("list/2", "yes")), Refusal::WrongItem { .. }));
    assert!(matches!(flight.refused(&confirm("list/q")), Refusal::WrongItem { .. }));

    assert_eq!(kinds(&flight.must(&answer("list/q", "no"))), ["condition.answered"]);
    assert_eq!(
        (flight.marker("list/q-yes-1"), flight.marker("list/q-no-1")),
        (Marker::Inactive, Marker::Open)
    );
    assert!(matches!(flight.refused(&confirm("list/q-yes-1")), Refusal::Inactive(_)));
    flight.must(&confirm("list/q-no-1"));

    // The other branch; what was done in the first is kept, and is there again when it returns.
    let events = flight.must(&answer("list/q", "yes"));
    assert!(matches!(&events[0].body, Body::ConditionAnswered { from: Some(from), .. } if from == "no"));
    assert_eq!(
        (flight.marker("list/q-yes-1"), flight.marker("list/q-no-1")),
        (Marker::Open, Marker::Inactive)
    );
    flight.must(&answer("list/q", "no"));
    assert_eq!(flight.marker("list/q-no-1"), Marker::Done);
}

#[test]
fn one_of_several_answers_rules_the_others_out_and_none_is_guessed() {
    let list =
        "items: [{ id: q, decide: Which?, choices: { left: [{ do: L }], right: [{ do: R }], none: [] } }]";
    let mut flight = Flight::open(list);
    assert_eq!(flight.row("list/q").answers, ["left", "right", "none"]);
    flight.must(&answer("list/q", "left"));
    assert_eq!(
        (flight.marker("list/q-left-1"), flight.marker("list/q-right-1")),
        (Marker::Open, Marker::Inactive)
    );
    assert_eq!(flight.row("list/q-right-1").branch.as_deref(), Some("right"));
    flight.must(&answer("list/q", "right"));
    assert_eq!(
        (flight.marker("list/q-left-1"), flight.marker("list/q-right-1")),
        (Marker::Inactive, Marker::Open)
    );
}

#[test]
fn nested_branches_follow_the_outer_one() {
    let mut flight = Flight::open(
        "items: [{ id: a, decide: A?, yes: [{ id: b, decide: B?, yes: [{ do: Deep }] }], no: [] }, { do: Act }]",
    );
    flight.must(&answer("list/a", "yes"));
    flight.must(&answer("list/b", "yes"));
    assert_eq!(flight.current("list").as_deref(), Some("b-yes-1"));
    flight.must(&answer("list/a", "no"));
    assert_eq!(
        (flight.marker("list/b"), flight.marker("list/b-yes-1")),
        (Marker::Inactive, Marker::Inactive)
    );
    assert!(matches!(flight.refused(&answer("list/b", "no")), Refusal::Inactive(_)));
}

#[test]
fn acts_are_back_dated_and_never_into_the_future() {
    let mut flight = Flight::open("items: [{ do: Look }, { do: Act }]");
    let at = |delta: i64| Some(flight.now + chrono::TimeDelta::seconds(delta));
    let (early, late) = (at(-180), at(1));
    let confirm = |occurred| Act::Confirm { item: item("list/1"), reading: None, with: None, occurred };
    assert_eq!(flight.refused(&confirm(late)), Refusal::InFuture);
    let events = flight.must(&confirm(early));
    assert_eq!((Some(events[0].occurred), events[0].recorded), (early, flight.now));
    let row = flight.row("list/1");
    assert!(row.back_dated && row.since == early, "{row:?}");
}

#[test]
fn an_unread_definition_is_refused_and_never_complete() {
    let mut flight = Flight::new();
    flight.must(&Act::AssumeControl);
    let body = Body::ChecklistQueued {
        checklist: name("list"),
        title: "FROM THE FUTURE".to_owned(),
        level: crate::event::AlertLevel::Warning,
        version: "9".to_owned(),
        digest: String::new(),
        definition: "checklist: list\nnewer: true\n".to_owned(),
        alert: None,
    };
    flight.write(vec![Event::now(flight.now, Actor::tool(), body)]);
    let open = Act::Open { checklist: name("list") };
    assert_eq!(flight.refused(&open), Refusal::Unreadable(name("list")));
    assert_eq!(flight.refused(&confirm("list/1")), Refusal::Unreadable(name("list")));
    let view = flight.incident.checklist(&name("list"), flight.now, &flight.senses).expect("still shown");
    assert!(view.unreadable.is_some() && view.sections.is_empty());
    flight.must(&Act::OverrideChecklist {
        checklist: name("list"),
        reason: "on paper".to_owned(),
        with: None,
    });
    assert_eq!(flight.state("list"), ChecklistState::Overridden);
}
