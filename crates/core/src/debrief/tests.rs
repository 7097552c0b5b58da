//! The scoring rules one by one, and a debrief of anything at all.

use proptest::prelude::*;

use super::*;
use crate::event::{Event, Hlc, IncidentSeverity, ItemId};

const T0: i64 = 1_795_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(T0 + seconds, 0).expect("a moment")
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn item(text: &str) -> ItemId {
    text.parse().expect("an item")
}

/// A record of something that happened and was recorded at these seconds.
fn record(happened: i64, recorded: i64, by: Actor, body: Body) -> Record {
    let event = Event { occurred: at(happened), recorded: at(recorded), by, body };
    let hlc = Hlc { ms: u64::try_from(recorded + 10_000).unwrap_or_default(), count: 0 };
    Record { id: String::new(), writer: "w".to_owned(), seq: 1, hlc, event }
}

fn tool(seconds: i64, body: Body) -> Record {
    record(seconds, seconds, Actor::tool(), body)
}

fn named(happened: i64, recorded: i64, who: &str, pid: &str) -> Record {
    let (text, response) = (String::new(), String::new());
    let reading = Some(pid.to_owned());
    let body = Body::ItemConfirmed { item: item("pileup/head"), text, response, reading, with: None };
    record(happened, recorded, Actor::person(who), body)
}

fn acted(seconds: i64, exit: i32) -> Record {
    let (command, output) = (Vec::new(), String::new());
    let body = Body::ItemRan { item: item("pileup/end"), command, exit: Some(exit), output };
    record(seconds, seconds, Actor::person("ada"), body)
}

fn reopened(seconds: i64) -> Record {
    let body = Body::ItemReopened { item: item("pileup/head"), reason: "not so".to_owned() };
    record(seconds, seconds, Actor::person("ada"), body)
}

/// A drill that lost steady state at second 10; 4711 would be right. In the order of recording, as a timeline is.
fn response(target: bool, mut people: Vec<Record>) -> Response {
    let target = target.then(|| ("head".to_owned(), "4711".to_owned()));
    let truth = Body::DrillGroundTruth { checklist: name("pileup"), target, act: Some("end".to_owned()) };
    let lost = Body::SteadyStateLost { probe: name("checkout"), measured: String::new() };
    people.extend([tool(10, lost), tool(11, truth)]);
    people.sort_by_key(|record| record.event.recorded);
    Debrief::of(&people).response
}

fn seconds(moment: Option<&Moment>) -> Option<i64> {
    moment.map(|moment| moment.at.timestamp() - T0)
}

#[test]
fn nothing_counts_before_the_onset() {
    let response = response(true, vec![named(9, 9, "ada", "4711"), acted(9, 0)]);
    assert_eq!((response.first_act, response.named_target, response.acted_on_target), (None, None, None));
}

#[test]
fn back_dating_to_before_the_onset_gains_nothing() {
    let response = response(true, vec![named(5, 30, "ada", "4711"), acted(31, 0)]);
    assert_eq!(response.named_target, None);
    assert_eq!(response.acted_on_target, None, "the target was never named since the onset");
    assert_eq!(seconds(response.first_act.as_ref()), Some(31));
}

#[test]
fn it_goes_by_when_things_happened_and_says_when_they_were_recorded() {
    let response = response(true, vec![named(40, 40, "ada", "4711"), named(20, 200, "ben", "4711")]);
    let first = response.first_act.as_ref().expect("somebody acted");
    assert_eq!((first.by.as_str(), seconds(Some(first))), ("ben", Some(20)));
    assert_eq!((first.recorded_at, first.after_onset), (at(200), HumanDuration::secs(10)));
    assert_eq!(seconds(response.named_target.as_ref()), Some(20));
    let text = Debrief { response, ..Debrief::default() }.to_string();
    assert!(text.contains("right target named, by ben (recorded 180.0 s later)"), "{text}");
}

#[test]
fn a_wrong_target_is_counted_and_acting_on_it_is_not() {
    let people = vec![named(20, 20, "ada", "17"), acted(21, 0), named(22, 22, "ada", " 4711 "), acted(23, 0)];
    let response = response(true, people);
    assert_eq!(response.wrong_targets, 1);
    assert_eq!(seconds(response.named_target.as_ref()), Some(22));
    assert_eq!(seconds(response.acted_on_target.as_ref()), Some(23));
}

#[test]
fn an_act_goes_to_the_target_named_last() {
    let wrong = response(true, vec![named(20, 20, "ada", "4711"), named(21, 21, "ada", "17"), acted(22, 0)]);
    assert_eq!(wrong.acted_on_target, None, "what was ended was 17");
    let taken_back = response(true, vec![named(20, 20, "ada", "4711"), reopened(21), acted(22, 0)]);
    assert_eq!(taken_back.acted_on_target, None);
    assert_eq!(seconds(taken_back.named_target.as_ref()), Some(20), "it was named, once");
}

#[test]
fn without_a_target_the_act_alone_counts_when_it_worked() {
    let response = response(false, vec![acted(20, 1), acted(25, 0)]);
    assert_eq!(seconds(response.acted_on_target.as_ref()), Some(25));
    assert_eq!((response.named_target, response.wrong_targets), (None, 0));
}

#[test]
fn without_a_right_answer_nothing_is_scored() {
    let lost = Body::SteadyStateLost { probe: name("checkout"), measured: String::new() };
    let response = Debrief::of(&[tool(10, lost), named(20, 20, "ada", "4711")]).response;
    assert!(!response.scored && response.named_target.is_none());
    assert_eq!(seconds(response.first_act.as_ref()), Some(20));
    let nobody = Debrief::of(&[named(20, 20, "ada", "4711")]).response;
    assert_eq!(nobody, Response::default(), "without an onset there is nothing to measure from");
}

fn any_body() -> impl Strategy<Value = Body> {
    let id = || prop::sample::select(vec!["f1", "f2"]).prop_map(str::to_owned);
    let a_list = || prop::sample::select(vec!["pileup", "other"]).prop_map(name);
    let an_item = || prop::sample::select(vec!["pileup/head", "pileup/end", "other/end"]).prop_map(item);
    let text = || any::<String>();
    prop_oneof![
        (text(), any::<bool>()).prop_map(|(title, exercise)| Body::IncidentOpened {
            title,
            severity: IncidentSeverity::Sev1,
            exercise,
            playbook: None,
        }),
        text().prop_map(|summary| Body::IncidentClosed { summary }),
        text().prop_map(|text| Body::Note { text }),
        (a_list(), text()).prop_map(|(probe, measured)| Body::SteadyStateLost { probe, measured }),
        (a_list(), text()).prop_map(|(probe, measured)| Body::SteadyStateRegained {
            probe,
            measured,
            lost_for: HumanDuration::secs(1),
        }),
        (a_list(), prop::option::of((text(), text())), prop::option::of(text()))
            .prop_map(|(checklist, target, act)| Body::DrillGroundTruth { checklist, target, act }),
        (a_list(), text()).prop_map(|(slice, hole)| Body::HoleOpened {
            slice,
            kind: SliceKind::ActiveFailure,
            hole,
        }),
        (id(), text()).prop_map(|(id, name)| Body::FaultApplying {
            id,
            fault: Box::new(crate::fault::Fault::Pause { commands: crate::fault::RedisCommands::All }),
            target: Box::new(crate::fault::ResolvedTarget { name, ..Default::default() }),
            lease: HumanDuration::secs(1),
        }),
        id().prop_map(|id| Body::FaultApplied { id }),
        (id(), text()).prop_map(|(id, evidence)| Body::FaultProved { id, evidence }),
        (id(), text()).prop_map(|(id, because)| Body::FaultUndone { id, because }),
        (id(), text(), text()).prop_map(|(id, why, manual)| Body::FaultResidue { id, why, manual }),
        (a_list(), any::<bool>())
            .prop_map(|(checklist, despite_inhibit)| Body::ChecklistOpened { checklist, despite_inhibit }),
        (an_item(), prop::option::of(text())).prop_map(|(item, reading)| Body::ItemConfirmed {
            item,
            text: String::new(),
            response: String::new(),
            reading,
            with: None,
        }),
        (an_item(), text()).prop_map(|(item, reason)| Body::ItemReopened { item, reason }),
        text().prop_map(|kind| Body::Other { kind, data: serde_json::Value::Null }),
    ]
}

/// Any moment that can be written at all, the far ends too.
fn any_moment() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        Just(Timestamp::MIN_UTC),
        Just(Timestamp::MAX_UTC),
        (-100..100_i64).prop_map(at),
        (-8_000_000_000_000..8_000_000_000_000 - T0).prop_map(at),
    ]
}

proptest! {
    #[test]
    fn anything_can_be_debriefed(
        events in prop::collection::vec((any_moment(), any_moment(), any::<bool>(), any_body()), 0..30)
    ) {
        let records: Vec<Record> = events
            .into_iter()
            .map(|(occurred, recorded, person, body)| {
                let by = if person { Actor::person("ada") } else { Actor::tool() };
                let event = Event { occurred, recorded, by, body };
                Record { id: String::new(), writer: "w".to_owned(), seq: 1, hlc: Hlc::default(), event }
            })
            .collect();
        let debrief = Debrief::of(&records);
        let text = debrief.to_string();
        prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        let response = &debrief.response;
        for moment in [&response.first_act, &response.named_target, &response.acted_on_target] {
            prop_assert!(moment.as_ref().is_none_or(|m| Some(m.at) >= response.onset));
        }
        prop_assert!(response.acted_on_target.is_none() || response.scored);
    }
}
