//! The shipped checklists, flown from the alert to a closed incident.

use super::*;

fn call(text: &str) -> (Flight, String) {
    let source = Source { name: "shipped".to_owned(), text: text.to_owned() };
    let checklist = Checklist::read(&source, &World::default()).expect("shipped");
    let list = checklist.name.value.to_string();
    let mut flight = Flight::new();
    let alert = Alert::for_checklist(&checklist);
    let events = flight.incident.alert(flight.now, &Actor::tool(), &alert, Some((&source, &checklist)));
    flight.write(events);
    flight.must(&Act::AssumeControl);
    flight.must(&Act::Open { checklist: checklist.name.value });
    (flight, list)
}

impl Flight {
    /// Confirms the current line, which must be this one.
    fn do_now(&mut self, list: &str, id: &str, reading: Option<&str>, with: Option<&str>) -> Vec<Event> {
        assert_eq!(self.current(list).as_deref(), Some(id));
        self.must(&Act::Confirm {
            item: item(&format!("{list}/{id}")),
            reading: reading.map(str::to_owned),
            with: with.map(str::to_owned),
            occurred: None,
        })
    }

    fn argv(&self, at: &str, with: Option<&str>) -> Vec<String> {
        let act = Act::Run { item: item(at), with: with.map(str::to_owned) };
        self.incident.decide(self.now, &ada(), &act).expect("allowed").run.expect("a command")
    }
}

#[test]
fn the_lock_pileup_is_worked_to_its_end() {
    let (mut flight, list) = call(include_str!("../../../../../checklists/database-lock-pileup.yaml"));
    let at = |id: &str| format!("{list}/{id}");
    flight.do_now(&list, "freeze", None, None);
    assert!(flight.argv(&at("head"), None).last().is_some_and(|query| query.contains("pg_blocking_pids")));
    flight.do_now(&list, "head", Some("4711"), None);
    // The host has vanished: no FIN, no RST, so the probe cannot know.
    flight.sample(&at("client"), Answer::Unknown);
    flight.must(&answer(&at("client"), "no"));
    assert!(matches!(flight.refused(&confirm(&at("terminate"))), Refusal::NeedsSecond(_)));
    let argv = flight.argv(&at("terminate"), Some("ben"));
    assert_eq!(argv, ["deadstick", "lab", "terminate", "4711"]);
    flight.do_now(&list, "terminate", None, Some("ben"));
    assert_eq!(flight.current(&list).as_deref(), Some("no-waits"));
    flight.sense(&at("no-waits"), Answer::Satisfied);
    let events = flight.sense(&at("checkout"), Answer::Satisfied);
    assert_eq!(kinds(&events).last().map(String::as_str), Some("checklist.complete-except-deferred"));
    assert_eq!(flight.incident.deferred().len(), 3);
    assert!(matches!(
        flight.refused(&Act::Close { summary: "freed".to_owned(), confirm: false }),
        Refusal::Unfinished(_)
    ));
    for id in ["lock-timeout", "keepalives", "idle-timeout"] {
        flight.must(&confirm(&at(id)));
    }
    assert_eq!(flight.state(&list), ChecklistState::Complete);
    flight.must(&Act::Close { summary: "freed".to_owned(), confirm: false });
}

#[test]
fn a_live_client_is_asked_first() {
    let (mut flight, list) = call(include_str!("../../../../../checklists/database-lock-pileup.yaml"));
    let at = |id: &str| format!("{list}/{id}");
    flight.do_now(&list, "freeze", None, None);
    flight.do_now(&list, "head", Some("4711"), None);
    flight.sense(&at("client"), Answer::Satisfied);
    assert_eq!(flight.marker(&at("terminate")), Marker::Inactive);
    flight.do_now(&list, "ask", None, None);
    flight.must(&answer(&at("ended"), "yes"));
    assert_eq!(flight.current(&list).as_deref(), Some("no-waits"));
}

#[test]
fn the_first_lesson_is_flown_alone() {
    let (mut flight, list) = call(include_str!("../../../../../checklists/first-lesson.yaml"));
    let at = |id: &str| format!("{list}/{id}");
    flight.do_now(&list, "health", Some("4"), None);
    flight.do_now(&list, "holder", Some("815"), None);
    flight.sense(&at("progress"), Answer::Unsatisfied);
    assert_eq!(flight.argv(&at("end-holder"), None), ["deadstick", "lab", "end", "job"]);
    flight.do_now(&list, "end-holder", None, None);
    assert!(matches!(flight.refused(&confirm(&at("catalogue"))), Refusal::OnlyItsProbe { .. }));
    let events = flight.sense(&at("catalogue"), Answer::Satisfied);
    assert_eq!(kinds(&events).last().map(String::as_str), Some("checklist.complete-except-deferred"));
    flight.must(&confirm(&at("lock-wait")));
    flight.must(&Act::Close { summary: "flown".to_owned(), confirm: false });
    assert_eq!(flight.incident.reading(&item(&at("holder"))), Some("815"));
}

#[test]
fn a_slow_job_gets_its_time_before_it_is_ended() {
    let (mut flight, list) = call(include_str!("../../../../../checklists/first-lesson.yaml"));
    let at = |id: &str| format!("{list}/{id}");
    flight.do_now(&list, "health", Some("4"), None);
    flight.do_now(&list, "holder", Some("815"), None);
    let events = flight.sense(&at("progress"), Answer::Satisfied);
    assert_eq!(kinds(&events), ["condition.sensed", "timer.started"]);
    assert_eq!(kinds(&flight.later(30)), ["timer.elapsed"]);
    flight.must(&answer(&at("committed"), "no"));
    flight.do_now(&list, "end-slow", None, None);
    assert_eq!(flight.current(&list).as_deref(), Some("catalogue"));
}
