//! The checklist table: queue, inhibits, completion, deferral, reset, close.

use super::*;

const ONE: &str = "items: [{ do: Look }]";
const LATER: &str = "items: [{ do: Look }]\ndeferred: [{ to: stand-down, do: Set limits, by: owner }]";

fn open(list: &str) -> Act {
    Act::Open { checklist: name(list) }
}

fn close(confirm: bool) -> Act {
    Act::Close { summary: "over".to_owned(), confirm }
}

fn reset(list: &str) -> Act {
    Act::Reset { checklist: name(list), reason: "again".to_owned() }
}

fn titles(flight: &Flight) -> Vec<(String, usize)> {
    flight.incident.queue().into_iter().map(|row| (row.title, row.folded.len())).collect()
}

#[test]
fn an_alert_queues_its_checklist_with_the_definition_pinned() {
    let mut flight = Flight::new();
    let events = flight.raise("list", ONE);
    assert_eq!(kinds(&events), ["alert.raised", "checklist.queued"]);
    let Body::ChecklistQueued { digest, definition, .. } = &events[1].body else { panic!("{events:?}") };
    assert!(digest.len() == 64 && definition.contains("do: Look"));
    // A newer text changes nothing for the life of the incident, and the onset stays.
    let onset = flight.incident.alerts()[0].raised_at;
    flight.now += chrono::TimeDelta::seconds(9);
    assert_eq!(kinds(&flight.raise("list", "items: [{ do: Something else }]")), ["alert.raised"]);
    assert_eq!((flight.row("list/1").text.as_str(), flight.incident.alerts()[0].raised_at), ("Look", onset));
}

#[test]
fn the_queue_is_ordered_by_level_then_onset_and_finishing_leaves_it() {
    let mut flight = Flight::open(ONE);
    for (list, level) in [("third", "advisory"), ("first", "warning"), ("second", "caution")] {
        flight.now += chrono::TimeDelta::seconds(1);
        let text = format!("checklist: {list}\ntitle: {list}\nlevel: {level}\n{ONE}");
        let source = Source { name: list.to_owned(), text };
        let checklist = Checklist::read(&source, &World::default()).expect("good");
        let alert = Alert::for_checklist(&checklist);
        let events = flight.incident.alert(flight.now, &Actor::tool(), &alert, Some((&source, &checklist)));
        flight.write(events);
    }
    let order = |flight: &Flight| titles(flight).into_iter().map(|(title, _)| title).collect::<Vec<_>>();
    assert_eq!(order(&flight), ["LIST", "first", "second", "third"]);
    let events = flight.must(&confirm("list/1"));
    assert_eq!(kinds(&events), ["item.confirmed", "checklist.complete"]);
    assert_eq!(order(&flight), ["first", "second", "third"], "though its alert is still on");
    assert_eq!(flight.incident.finished().len(), 1);
}

#[test]
fn an_alert_without_a_checklist_stands_alone_until_it_is_cleared() {
    let mut flight = Flight::open(ONE);
    let level = crate::event::AlertLevel::Caution;
    let alert = Alert { name: name("odd"), level, title: "Odd".to_owned(), checklist: None };
    let events = flight.incident.alert(flight.now, &ada(), &alert, None);
    flight.write(events);
    assert_eq!(titles(&flight).len(), 2);
    let clear = Act::ClearAlert { alert: name("odd") };
    flight.must(&clear);
    assert_eq!(titles(&flight).len(), 1);
    assert_eq!(flight.refused(&clear), Refusal::NoSuchAlert(name("odd")));
}

#[test]
fn inhibited_checklists_fold_under_their_primary_whichever_came_first() {
    let primary = format!("inhibits: [before, after]\n{ONE}");
    let mut flight = Flight::new();
    flight.must(&Act::AssumeControl);
    flight.raise("before", ONE);
    let events = flight.raise("primary", &primary);
    assert_eq!(kinds(&events), ["alert.raised", "checklist.queued", "checklist.inhibited"]);
    let events = flight.raise("after", ONE);
    assert_eq!(kinds(&events), ["alert.raised", "checklist.queued", "checklist.inhibited"]);
    assert_eq!(titles(&flight), [("PRIMARY".to_owned(), 2)]);

    // A person may open one anyway, and that is visible.
    let events = flight.must(&open("before"));
    assert!(matches!(events[0].body, Body::ChecklistOpened { despite_inhibit: true, .. }));
    assert_eq!(titles(&flight).len(), 2);

    // The primary's condition clears: exactly those whose own alert is still on come back.
    flight.raise("primary", &primary);
    let events = flight.must(&Act::ClearAlert { alert: name("primary") });
    assert_eq!(kinds(&events), ["alert.cleared", "checklist.released"]);
    assert_eq!(
        (flight.state("after"), flight.state("primary")),
        (ChecklistState::Queued, ChecklistState::Queued)
    );
}

#[test]
fn what_is_open_is_not_inhibited_and_what_has_no_alert_left_is_not_released() {
    let mut flight = Flight::open(ONE);
    assert_eq!(kinds(&flight.raise("primary", &format!("inhibits: [list, other]\n{ONE}"))).len(), 2);
    assert_eq!(flight.state("list"), ChecklistState::Open);
    flight.raise("other", ONE);
    flight.must(&Act::ClearAlert { alert: name("other") });
    assert_eq!(kinds(&flight.must(&Act::ClearAlert { alert: name("primary") })), ["alert.cleared"]);
    assert_eq!(flight.state("other"), ChecklistState::Inhibited);
    assert!(titles(&flight).contains(&("PRIMARY".to_owned(), 1)), "still visible, under what inhibited it");
}

#[test]
fn two_that_inhibit_each_other_never_both_vanish() {
    let mut flight = Flight::new();
    flight.raise("left", &format!("inhibits: [right]\n{ONE}"));
    flight.raise("right", &format!("inhibits: [left]\n{ONE}"));
    assert_eq!(titles(&flight), [("LEFT".to_owned(), 1)]);
}

#[test]
fn states_admit_only_what_the_table_lists() {
    let mut flight = Flight::open(ONE);
    flight.raise("queued", ONE);
    let wrong = |refusal: Refusal| assert!(matches!(refusal, Refusal::WrongState { .. }), "{refusal:?}");
    wrong(flight.refused(&open("list")));
    wrong(flight.refused(&confirm("queued/1")));
    let resume_in = crate::units::HumanDuration::secs(1);
    wrong(flight.refused(&Act::Hold { checklist: name("queued"), resume_in, reason: String::new() }));
    assert!(matches!(flight.refused(&open("nil")), Refusal::NoSuchChecklist(_)));
    flight.must(&confirm("list/1"));
    wrong(flight.refused(&open("list")));
    let again = Act::Reopen { item: item("list/1"), reason: "no".to_owned() };
    wrong(flight.refused(&again));
    let over = Act::OverrideChecklist { checklist: name("list"), reason: "no".to_owned(), with: None };
    wrong(flight.refused(&over));
    assert_eq!(
        flight.refused(&Act::Reset { checklist: name("list"), reason: String::new() }),
        Refusal::Missing("reason")
    );
    assert_eq!(kinds(&flight.must(&reset("list"))), ["checklist.reset"]);
    assert_eq!((flight.state("list"), flight.marker("list/1")), (ChecklistState::Queued, Marker::Open));
}

#[test]
fn a_whole_list_is_overridden_with_what_was_unfinished() {
    let mut flight = Flight::open("items: [{ do: Look }, { do: End, irreversible: true }]");
    flight.must(&confirm("list/1"));
    let over = |with: Option<&str>| Act::OverrideChecklist {
        checklist: name("list"),
        reason: "wrong list".to_owned(),
        with: with.map(str::to_owned),
    };
    assert!(matches!(flight.refused(&over(None)), Refusal::NeedsSecond(_)));
    let events = flight.must(&over(Some("ben")));
    assert!(matches!(&events[0].body, Body::ChecklistOverridden { unfinished, .. } if unfinished == &["2"]));
    assert!(flight.incident.queue().is_empty());
}

#[test]
fn deferred_items_outlive_their_checklist_and_block_closing() {
    let mut flight = Flight::open(LATER);
    assert!(flight.current("list").as_deref() == Some("1"));
    let events = flight.must(&confirm("list/1"));
    assert_eq!(kinds(&events), ["item.confirmed", "item.deferred", "checklist.complete-except-deferred"]);
    assert_eq!((flight.marker("list/d1"), flight.incident.deferred().len()), (Marker::Deferred, 1));
    assert!(flight.incident.queue().is_empty());
    let refusal = flight.refused(&close(false)).to_string();
    assert!(refusal.contains("d1"), "{refusal}");
    let events = flight.must(&confirm("list/d1"));
    assert_eq!(kinds(&events), ["item.deferred-done", "checklist.complete"]);
    flight.must(&close(false));
}

#[test]
fn a_deferral_is_cancelled_with_a_reason_and_survives_a_reset() {
    let mut flight = Flight::open(LATER);
    flight.must(&confirm("list/1"));
    flight.must(&reset("list"));
    assert_eq!(flight.marker("list/d1"), Marker::Deferred);
    flight.must(&open("list"));
    let cancel = |reason: &str| Act::CancelDeferral { item: item("list/d1"), reason: reason.to_owned() };
    assert_eq!(flight.refused(&cancel("")), Refusal::Missing("reason"));
    assert!(matches!(flight.refused(&pass_over("list/d1")), Refusal::WrongItem { .. }));
    assert_eq!(kinds(&flight.must(&cancel("limits are set"))), ["item.deferral-cancelled"]);
    assert!(matches!(flight.refused(&cancel("twice")), Refusal::WrongItem { .. }));
    assert_eq!(kinds(&flight.must(&confirm("list/1"))), ["item.confirmed", "checklist.complete"]);
}

#[test]
fn an_item_is_left_for_later_by_a_person_before_the_rest_is_done() {
    let mut flight = Flight::open(LATER);
    assert!(matches!(flight.refused(&Act::Defer { item: item("list/1") }), Refusal::WrongItem { .. }));
    assert_eq!(kinds(&flight.must(&Act::Defer { item: item("list/d1") })), ["item.deferred"]);
    let events = flight.must(&confirm("list/1"));
    assert_eq!(kinds(&events), ["item.confirmed", "checklist.complete-except-deferred"]);
}

#[test]
fn deferred_items_show_up_in_the_later_checklist() {
    let mut flight = Flight::open("items: [{ do: Look }]\ndeferred: [{ id: tidy, to: down, do: Tidy }]");
    flight.raise("down", ONE);
    flight.must(&confirm("list/1"));
    let events = flight.must(&open("down"));
    assert_eq!(kinds(&events), ["checklist.opened", "item.deferred-due"]);
    let view = flight.incident.checklist(&name("down"), flight.now, &flight.senses).expect("there");
    let left = view.sections.last().expect("a section");
    assert!(left.heading.contains("LIST") && left.heading.contains("alert list"), "{}", left.heading);
    assert_eq!(left.rows[0].id, item("list/tidy"));
    assert_eq!(kinds(&flight.must(&confirm("list/tidy"))), ["item.deferred-done", "checklist.complete"]);
}

#[test]
fn when_the_later_checklist_is_complete_already_there_is_nowhere_to_leave_it() {
    let mut flight = Flight::open("items: [{ do: Look }]\ndeferred: [{ to: down, do: Tidy }]");
    flight.raise("down", ONE);
    flight.must(&open("down"));
    flight.must(&confirm("down/1"));
    let defer = Act::Defer { item: item("list/d1") };
    assert!(matches!(flight.refused(&defer), Refusal::NotDeferrable { .. }));
    let events = flight.must(&confirm("list/1"));
    assert_eq!(kinds(&events), ["item.confirmed", "item.not-deferrable"]);
    assert_eq!((flight.state("list"), flight.current("list").as_deref()), (ChecklistState::Open, Some("d1")));
    assert_eq!(kinds(&flight.must(&confirm("list/d1"))), ["item.confirmed", "checklist.complete"]);
}

#[test]
fn closing_lists_what_is_unfinished_and_asks_once() {
    let mut flight = Flight::open(LATER);
    flight.raise("other", ONE);
    let Refusal::Unfinished(list) = flight.refused(&close(false)) else { panic!("must list") };
    assert_eq!(list.len(), 2);
    assert_eq!(
        flight.refused(&Act::Close { summary: " ".to_owned(), confirm: true }),
        Refusal::Missing("summary")
    );
    let events = flight.must(&close(true));
    assert_eq!(kinds(&events), ["checklist.abandoned", "checklist.abandoned", "incident.closed"]);
    assert_eq!(flight.state("list"), ChecklistState::Abandoned);
    assert_eq!(flight.refused(&open("other")), Refusal::Closed);
    assert!(flight.incident.due_probes().is_empty() && flight.later(1000).is_empty());
    flight.must(&Act::Note { text: "afterthought".to_owned(), occurred: None });
    assert_eq!(flight.incident.notes().len(), 1);
}

#[test]
fn an_alert_that_comes_back_begins_its_finished_checklist_anew() {
    let mut flight = Flight::open(LATER);
    flight.must(&confirm("list/1"));
    let events = flight.raise("list", LATER);
    assert_eq!(kinds(&events), ["alert.raised", "checklist.reset"]);
    assert_eq!((flight.state("list"), flight.marker("list/1")), (ChecklistState::Queued, Marker::Open));
    let view = flight.incident.checklist(&name("list"), flight.now, &flight.senses).expect("there");
    assert_eq!(view.run, 2);
}

#[test]
fn memory_items_come_first() {
    let flight = Flight::open("memory: [{ do: Stop }]\nitems: [{ do: Look }]");
    assert_eq!(flight.current("list").as_deref(), Some("m1"));
}
