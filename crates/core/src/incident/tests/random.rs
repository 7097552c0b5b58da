//! Laws that hold whatever people, probes and clocks do.

use proptest::prelude::*;

use super::*;

/// Two lists with every kind of line; the first inhibits the second and leaves an item for it.
const FIRST: &str = "inhibits: [second]
memory: [{ do: Stop }]
items:
  - { id: head, do: Find, reading: pid }
  - id: q
    decide: Alive?
    http: { url: \"http://h\" }
    yes: [{ wait: 20s }, { id: deep, decide: Sure?, choices: { a: [{ do: A }], b: [] } }]
    no: [{ id: end, do: End, irreversible: true, run: [end, \"{{reading:head}}\"] }]
  - { id: up, sensed: Up, http: { url: \"http://h\" } }
deferred: [{ to: stand-down, do: Learn }, { to: second, do: Tidy }]
";
const SECOND: &str = "items: [{ wait: 5s }, { id: up, sensed: Up, tcp: { address: \"h:1\" } }, { do: Look }]";

const ITEMS: [&str; 15] = [
    "first/m1",
    "first/head",
    "first/q",
    "first/q-yes-1",
    "first/deep",
    "first/deep-a-1",
    "first/end",
    "first/up",
    "first/d1",
    "first/d2",
    "second/1",
    "second/up",
    "second/3",
    "second/nil",
    "nil/1",
];

#[derive(Clone, Debug)]
enum Step {
    Act(&'static str, Act),
    Sample(usize, Answer),
    Later(i64),
    Raise(bool),
    Lapse,
}

fn any_act() -> impl Strategy<Value = Act> {
    let an_item = || prop::sample::select(ITEMS.to_vec()).prop_map(item);
    let a_list = || prop::sample::select(vec!["first", "second", "nil"]).prop_map(name);
    let text = || prop::sample::select(vec!["", "because", "41"]).prop_map(str::to_owned);
    let somebody = || prop::option::of(prop::sample::select(vec!["ada", "ben"]).prop_map(str::to_owned));
    let person = || prop::sample::select(vec!["ada", "ben", "cyd"]).prop_map(str::to_owned);
    let reply = || prop::sample::select(vec!["yes", "no", "a", "b", "c"]).prop_map(str::to_owned);
    prop_oneof![
        2 => a_list().prop_map(|checklist| Act::Open { checklist }),
        1 => (a_list(), 0..60u64, text()).prop_map(|(checklist, seconds, reason)| {
            Act::Hold { checklist, resume_in: crate::units::HumanDuration::secs(seconds), reason }
        }),
        1 => (a_list(), text()).prop_map(|(checklist, reason)| Act::Reset { checklist, reason }),
        1 => (a_list(), text(), somebody())
            .prop_map(|(checklist, reason, with)| Act::OverrideChecklist { checklist, reason, with }),
        8 => (an_item(), prop::option::of(text()), somebody())
            .prop_map(|(item, reading, with)| Act::Confirm { item, reading, with, occurred: None }),
        1 => (an_item(), text()).prop_map(|(item, reason)| Act::Reopen { item, reason }),
        4 => (an_item(), reply()).prop_map(|(item, answer)| Act::Answer { item, answer, occurred: None }),
        2 => (an_item(), text(), somebody())
            .prop_map(|(item, reason, with)| Act::Override { item, reason, with, occurred: None }),
        1 => an_item().prop_map(|item| Act::ClearOverride { item }),
        1 => an_item().prop_map(|item| Act::Defer { item }),
        1 => (an_item(), text()).prop_map(|(item, reason)| Act::CancelDeferral { item, reason }),
        1 => (an_item(), somebody()).prop_map(|(item, with)| Act::Run { item, with }),
        1 => an_item().prop_map(|item| Act::Ran { item, command: vec![], exit: None, output: String::new() }),
        2 => Just(Act::AssumeControl),
        2 => person().prop_map(|to| Act::Offer { to, brief: None }),
        3 => Just(Act::Accept),
        3 => Just(Act::Transfer),
        1 => text().prop_map(|because| Act::Decline { because }),
        1 => a_list().prop_map(|alert| Act::ClearAlert { alert }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let person = prop::sample::select(vec!["ada", "ben", "cyd"]);
    let says = prop::sample::select(vec![
        Answer::Satisfied,
        Answer::Satisfied,
        Answer::Unsatisfied,
        Answer::Unknown,
    ]);
    prop_oneof![
        8 => (person, any_act()).prop_map(|(by, act)| Step::Act(by, act)),
        5 => (0..ITEMS.len(), says).prop_map(|(at, answer)| Step::Sample(at, answer)),
        2 => (0..100i64).prop_map(Step::Later),
        1 => any::<bool>().prop_map(Step::Raise),
        1 => Just(Step::Lapse),
    ]
}

impl Flight {
    fn step(&mut self, step: &Step) -> Vec<Event> {
        match step {
            Step::Act(by, act) => self.try_as(&Actor::person(by), act).unwrap_or_default(),
            Step::Sample(at, answer) => self.sense(ITEMS[*at], *answer),
            Step::Later(seconds) => {
                let events = self.later(*seconds);
                assert!(self.incident.next_wake().is_none_or(|wake| wake > self.now), "ticked to the end");
                events
            }
            Step::Raise(true) => self.raise("first", FIRST),
            Step::Raise(false) => self.raise("second", SECOND),
            Step::Lapse => {
                self.now += chrono::TimeDelta::seconds(7);
                let events = self.incident.lapse(&mut self.senses, self.now);
                self.write(events)
            }
        }
    }

    /// What is complete asks for nothing, and nothing in it is unknown or unanswered unless a person overrode it.
    fn check_completion(&self, events: &[Event]) {
        for event in events {
            let (list, deferred_too) = match &event.body {
                Body::ChecklistComplete { checklist, .. } => (checklist, true),
                Body::ChecklistCompleteExceptDeferred { checklist } => (checklist, false),
                _ => continue,
            };
            let view = self.incident.checklist(list, self.now, &self.senses).expect("complete");
            for row in
                view.sections.iter().flat_map(|section| &section.rows).filter(|row| row.id.checklist == *list)
            {
                // Items that regress later in the same breath are allowed to have done so.
                let ended = row.marker.is_terminal() || (!deferred_too && row.kind == "deferred");
                assert!(ended || row.marker == Marker::Regressed, "{list} is complete but {row:?}");
            }
        }
    }
}

/// What names an item or a checklist in its payload is about it.
fn check_subject(body: &Body) {
    let form = serde_json::to_value(body).expect("bodies are JSON");
    let named = |key: &str| form.get("data").and_then(|data| data.get(key)).is_some();
    assert_eq!(body.item().is_some(), named("item"), "{form}");
    let whole = form["type"].as_str().is_some_and(|kind| kind.starts_with("checklist."));
    assert_eq!(body.checklist().is_some(), whole && named("checklist"), "{form}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn random_people_break_no_law(steps in prop::collection::vec(step(), 1..60)) {
        let mut flight = Flight { replays: false, ..Flight::new() };
        flight.raise("first", FIRST);
        flight.raise("second", SECOND);
        let mut holder: Option<String> = None;
        for step in &steps {
            let events = flight.step(step);
            flight.check_completion(&events);
            let bar = flight.incident.bar();
            prop_assert!(bar.dual_control.is_empty());
            if bar.holder != holder {
                let kinds = kinds(&events);
                let moved = if holder.is_none() { "control.assumed" } else { "control.transferred" };
                prop_assert_eq!(kinds, [moved], "control moves only by its own event");
                prop_assert!(bar.holder.is_some(), "never nobody again");
                holder = bar.holder;
            }
        }
        // The log is what it says it is: through JSON and back, it tells the same story.
        let mut replayed = Incident::default();
        for record in &flight.log {
            let json = serde_json::to_string(record).expect("records are JSON");
            let again: Record = serde_json::from_str(&json).expect("and back");
            prop_assert_eq!(&again, record);
            check_subject(&record.event.body);
            replayed.apply(&again);
        }
        prop_assert_eq!(replayed, flight.incident);
    }

    /// Any subset of a log in any order: nothing panics, every view can be drawn, time passes.
    #[test]
    fn torn_and_shuffled_logs_are_folded_all_the_same(
        steps in prop::collection::vec(step(), 1..40),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..80),
    ) {
        let mut flight = Flight { replays: false, ..Flight::new() };
        flight.raise("first", FIRST);
        flight.raise("second", SECOND);
        steps.iter().for_each(|step| drop(flight.step(step)));
        let mut torn = Incident::default();
        for index in order {
            torn.apply(index.get(&flight.log));
            let late = flight.now + chrono::TimeDelta::days(1);
            for event in torn.tick(late) {
                let _: String = kinds(&[event]).concat();
            }
            let lists: Vec<Name> = torn.checklists().cloned().collect();
            for list in lists {
                prop_assert!(torn.checklist(&list, flight.now, &flight.senses).is_some());
            }
            prop_assert!(torn.queue().len() + torn.finished().len() <= 8);
            prop_assert!(torn.bar().faults_active == 0 && torn.deferred().len() <= 4);
        }
    }
}
