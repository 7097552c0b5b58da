//! The table of control: three calls, and one holder at every position.

use super::*;

fn offer(to: &str) -> Act {
    Act::Offer { to: to.to_owned(), brief: None }
}

fn decline() -> Act {
    Act::Decline { because: "busy".to_owned() }
}

fn holder(flight: &Flight) -> Option<String> {
    let bar = flight.incident.bar();
    assert!(bar.dual_control.is_empty());
    bar.holder
}

#[test]
fn somebody_must_command_before_anything_is_done() {
    let mut flight = Flight::new();
    flight.raise("list", "items: [{ do: Look }]");
    assert_eq!(flight.refused(&Act::Open { checklist: name("list") }), Refusal::NobodyInControl);
    flight.must(&Act::Note { text: "I am here".to_owned(), occurred: None });
    flight.must_as(&Actor::tool(), &Act::ClearAlert { alert: name("list") });
    assert_eq!(kinds(&flight.must(&Act::AssumeControl)), ["control.assumed"]);
    assert_eq!(holder(&flight).as_deref(), Some("ada"));
    assert!(matches!(flight.try_as(&ben(), &Act::AssumeControl), Err(Refusal::AlreadyHeld { .. })));
    assert!(matches!(flight.refused(&Act::AssumeControl), Refusal::AlreadyHeld { .. }));
    let nobody = Actor::person(" ");
    assert_eq!(flight.try_as(&nobody, &Act::Accept), Err(Refusal::Nameless));
}

#[test]
fn control_moves_in_three_calls_by_the_right_people_in_order() {
    let mut flight = Flight::open("items: [{ do: Look }]");
    assert!(matches!(flight.try_as(&ben(), &offer("cyd")), Err(Refusal::NotInControl { .. })));
    assert!(matches!(flight.try_as(&ben(), &Act::Accept), Err(Refusal::NoOffer(_))));
    assert!(matches!(flight.refused(&Act::Transfer), Refusal::NoOffer(_)));
    assert!(matches!(flight.refused(&offer("ada")), Refusal::OfferToHolder(_)));
    assert_eq!(flight.refused(&offer(" ")), Refusal::Missing("receiver"));

    let events = flight.must(&offer("ben"));
    assert!(
        matches!(&events[0].body, Body::ControlOffered { brief, .. } if brief.contains("list open at \"Look\""))
    );
    assert_eq!(holder(&flight).as_deref(), Some("ada"), "the giver still holds it");
    assert!(matches!(flight.refused(&offer("cyd")), Refusal::OfferPending(_)));
    assert!(matches!(flight.refused(&Act::Transfer), Refusal::NoOffer(_)), "the second call comes first");
    assert!(matches!(flight.refused(&Act::Accept), Refusal::NoOffer(_)));

    flight.must_as(&ben(), &Act::Accept);
    assert_eq!(holder(&flight).as_deref(), Some("ada"), "until the third call");
    assert!(matches!(flight.try_as(&ben(), &Act::Accept), Err(Refusal::NoOffer(_))));
    assert!(matches!(flight.try_as(&ben(), &Act::Transfer), Err(Refusal::NoOffer(_))));

    assert_eq!(kinds(&flight.must(&Act::Transfer)), ["control.transferred"]);
    assert_eq!((holder(&flight).as_deref(), flight.incident.bar().pending), (Some("ben"), None));
    assert!(matches!(flight.refused(&offer("cyd")), Refusal::NotInControl { .. }));
}

#[test]
fn an_offer_is_declined_withdrawn_or_runs_out() {
    let mut flight = Flight::open("items: [{ do: Look }]");
    for by in [ben(), ada()] {
        flight.must(&offer("ben"));
        assert!(matches!(flight.try_as(&Actor::person("cyd"), &decline()), Err(Refusal::NoOffer(_))));
        assert_eq!(kinds(&flight.must_as(&by, &decline())), ["control.declined"]);
        assert_eq!((holder(&flight).as_deref(), flight.incident.bar().pending), (Some("ada"), None));
    }
    assert!(matches!(flight.refused(&decline()), Refusal::NoOffer(_)));

    flight.must(&offer("ben"));
    assert!(flight.later(89).is_empty());
    flight.now += chrono::TimeDelta::seconds(1);
    assert!(matches!(flight.try_as(&ben(), &Act::Accept), Err(Refusal::NoOffer(_))), "90 s are over");
    assert_eq!(kinds(&flight.later(0)), ["control.declined"]);
    assert_eq!(holder(&flight).as_deref(), Some("ada"));

    flight.must(&offer("ben"));
    flight.must_as(&ben(), &Act::Accept);
    assert!(flight.later(59).is_empty());
    assert_eq!(kinds(&flight.later(1)), ["control.declined"], "it never defaults to the receiver");
    assert!(matches!(flight.refused(&Act::Transfer), Refusal::NoOffer(_)));
    assert_eq!(holder(&flight).as_deref(), Some("ada"));
}

#[test]
fn dual_control_after_a_merge_is_shown_until_an_exchange_settles_it() {
    let mut flight = Flight::open("items: [{ do: Look }]");
    flight.write(vec![Event::now(flight.now, ben(), Body::ControlAssumed)]);
    let bar = flight.incident.bar();
    assert_eq!((bar.holder.as_deref(), bar.dual_control), (Some("ada"), vec!["ben".to_owned()]));
    flight.must(&offer("ben"));
    flight.must_as(&ben(), &Act::Accept);
    flight.must(&Act::Transfer);
    assert_eq!(holder(&flight).as_deref(), Some("ben"));
}

#[test]
fn some_acts_are_the_holders_alone() {
    let mut flight = Flight::open("items: [{ do: Look }]");
    let severity = Act::SetSeverity { severity: IncidentSeverity::Sev1 };
    let close = Act::Close { summary: "over".to_owned(), confirm: true };
    let over = Act::OverrideChecklist { checklist: name("list"), reason: "moot".to_owned(), with: None };
    for act in [&severity, &close, &over] {
        assert!(matches!(flight.try_as(&ben(), act), Err(Refusal::NotInControl { .. })), "{act:?}");
    }
    flight.must(&severity);
    assert_eq!(flight.incident.bar().severity, IncidentSeverity::Sev1);
    flight.must_as(&ben(), &confirm("list/1"));
}
