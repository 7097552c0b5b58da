//! The engine against its tables, row by row, and against random people.
//!
//! Owns the kit: a flight keeps its log, and checks that folding the log anew gives the same state: after every step,
//! or at the end where there are many.

mod checklists;
mod control;
mod items;
mod random;
mod sensing;
mod shipped;
mod waiting;

use std::time::Duration;

use crate::Timestamp;
use crate::checklist::{Checklist, World};
use crate::event::{Actor, Body, Event, Hlc, IncidentSeverity, ItemId, Record};
use crate::probe::{Answer, Observation};
use crate::source::Source;
use crate::units::Name;

use super::view::{ChecklistState, ItemRow, Marker};
use super::{Act, Alert, Incident, Refusal, Senses};

/// An incident with its log, a clock set by hand, and people.
pub(super) struct Flight {
    pub(super) incident: Incident,
    pub(super) log: Vec<Record>,
    pub(super) now: Timestamp,
    pub(super) senses: Senses,
    /// Fold the log anew after every step.
    pub(super) replays: bool,
}

pub(super) fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

pub(super) fn item(text: &str) -> ItemId {
    text.parse().expect("an item")
}

pub(super) fn ada() -> Actor {
    Actor::person("ada")
}

pub(super) fn ben() -> Actor {
    Actor::person("ben")
}

/// A checklist from the part of its text that matters.
pub(super) fn checklist(name: &str, rest: &str) -> (Source, Checklist) {
    let text = format!("checklist: {name}\ntitle: {}\nlevel: warning\n{rest}", name.to_uppercase());
    let source = Source { name: name.to_owned(), text };
    let checklist = Checklist::read(&source, &World::default()).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(ToString::to_string).collect::<String>())
    });
    (source, checklist)
}

impl Flight {
    /// An incident that is open, without control and without checklists.
    pub(super) fn new() -> Self {
        let now = Timestamp::from_timestamp(1_795_000_000, 0).expect("a moment");
        let (log, senses) = (Vec::new(), Senses::default());
        let mut flight = Self { incident: Incident::default(), log, now, senses, replays: true };
        let body = Body::IncidentOpened {
            title: "All is still".to_owned(),
            severity: IncidentSeverity::Sev2,
            exercise: true,
            playbook: None,
        };
        flight.write(vec![Event::now(now, Actor::tool(), body)]);
        flight
    }

    /// The same with Ada in control and one checklist open, called `list`.
    pub(super) fn open(items: &str) -> Self {
        let mut flight = Self::new();
        flight.must(&Act::AssumeControl);
        flight.raise("list", items);
        flight.must(&Act::Open { checklist: name("list") });
        flight
    }

    pub(super) fn write(&mut self, events: Vec<Event>) -> Vec<Event> {
        for event in &events {
            let seq = self.log.len() as u64 + 1;
            let record = Record {
                id: seq.to_string(),
                writer: "w".to_owned(),
                seq,
                hlc: Hlc { ms: seq, count: 0 },
                event: event.clone(),
            };
            self.incident.apply(&record);
            self.log.push(record);
        }
        if !self.replays {
            return events;
        }
        let mut replayed = Incident::default();
        self.log.iter().for_each(|record| replayed.apply(record));
        assert_eq!(replayed, self.incident, "replay equals live");
        events
    }

    pub(super) fn raise(&mut self, list: &str, rest: &str) -> Vec<Event> {
        let (source, checklist) = checklist(list, rest);
        let alert = Alert::for_checklist(&checklist);
        let events = self.incident.alert(self.now, &Actor::tool(), &alert, Some((&source, &checklist)));
        self.write(events)
    }

    pub(super) fn try_as(&mut self, by: &Actor, act: &Act) -> Result<Vec<Event>, Refusal> {
        let decision = self.incident.decide(self.now, by, act)?;
        Ok(self.write(decision.events))
    }

    pub(super) fn must_as(&mut self, by: &Actor, act: &Act) -> Vec<Event> {
        self.try_as(by, act).unwrap_or_else(|refusal| panic!("{act:?}: {refusal}"))
    }

    pub(super) fn must(&mut self, act: &Act) -> Vec<Event> {
        self.must_as(&ada(), act)
    }

    /// The refusal of an act of Ada's, which must leave no trace.
    pub(super) fn refused(&mut self, act: &Act) -> Refusal {
        let before = self.log.len();
        let refusal = self.try_as(&ada(), act).expect_err("must be refused");
        assert_eq!(self.log.len(), before);
        refusal
    }

    pub(super) fn sample(&mut self, at: &str, answer: Answer) -> Vec<Event> {
        self.now += chrono::TimeDelta::seconds(1);
        let seen = Observation {
            answer,
            value: Some(answer.word().to_owned()),
            detail: format!("it says {}", answer.word()),
            took: Duration::from_millis(3),
        };
        let events = self.incident.observe(&mut self.senses, self.now, &item(at), &seen);
        self.write(events)
    }

    /// Enough samples to be believed; the events of all of them.
    pub(super) fn sense(&mut self, at: &str, answer: Answer) -> Vec<Event> {
        let mut events = self.sample(at, answer);
        events.extend(self.sample(at, answer));
        events
    }

    pub(super) fn later(&mut self, seconds: i64) -> Vec<Event> {
        self.now += chrono::TimeDelta::seconds(seconds);
        let events = self.incident.tick(self.now);
        self.write(events)
    }

    pub(super) fn row(&self, at: &str) -> ItemRow {
        let id = item(at);
        let view = self.incident.checklist(&id.checklist, self.now, &self.senses).expect("a checklist");
        let mut rows = view.sections.into_iter().flat_map(|section| section.rows);
        rows.find(|row| row.id == id).unwrap_or_else(|| panic!("no row {at}"))
    }

    pub(super) fn marker(&self, at: &str) -> Marker {
        self.row(at).marker
    }

    pub(super) fn state(&self, list: &str) -> ChecklistState {
        self.incident.checklist(&name(list), self.now, &self.senses).expect("a checklist").state
    }

    pub(super) fn current(&self, list: &str) -> Option<String> {
        let view = self.incident.checklist(&name(list), self.now, &self.senses).expect("a checklist");
        let mut current =
            view.sections.into_iter().flat_map(|section| section.rows).filter(|row| row.current);
        let first = current.next().map(|row| row.id.item);
        assert!(current.next().is_none(), "one current line");
        first
    }
}

/// The serialised types of events, in order.
pub(super) fn kinds(events: &[Event]) -> Vec<String> {
    let kind = |event: &Event| {
        let body = serde_json::to_value(&event.body).expect("bodies are JSON");
        body["type"].as_str().expect("a type").to_owned()
    };
    events.iter().map(kind).collect()
}

pub(super) fn confirm(at: &str) -> Act {
    Act::Confirm { item: item(at), reading: None, with: None, occurred: None }
}

pub(super) fn answer(at: &str, answer: &str) -> Act {
    Act::Answer { item: item(at), answer: answer.to_owned(), occurred: None }
}

pub(super) fn pass_over(at: &str) -> Act {
    Act::Override { item: item(at), reason: "sensor broken".to_owned(), with: None, occurred: None }
}

pub(super) const SENSED: &str = "http: { url: \"http://h\" }, every: 1s, timeout: 1s, unknown: Ask by phone";
