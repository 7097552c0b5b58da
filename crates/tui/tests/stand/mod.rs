//! A stand to test on: the real engine, a clock that only the test moves, a screen or plain mode in front of it.

#![expect(dead_code, reason = "each test file uses its own part of the stand")]
#![expect(unreachable_pub, reason = "a module of several test crates")]

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use deadstick_core::Timestamp;
use deadstick_core::checklist::{Checklist, World};
use deadstick_core::event::{Actor, Body, Event, Hlc, IncidentSeverity, ItemId, Record};
use deadstick_core::incident::{Act, Alert, Incident, Refusal, Senses};
use deadstick_core::probe::{Answer, Observation};
use deadstick_core::source::Source;
use deadstick_tui::keymap::Key;
use deadstick_tui::plain::Plain;
use deadstick_tui::{Effect, Model, Msg, Settings, update, view};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;

pub const LOCK: &str = include_str!("lock.yaml");
pub const WEB: &str = include_str!("web.yaml");

pub fn ana() -> Actor {
    Actor::person("ana")
}

pub fn bo() -> Actor {
    Actor::person("bo")
}

pub fn item(text: &str) -> ItemId {
    text.parse().expect("an item of the stand's checklists")
}

/// The engine with its log.
#[derive(Default)]
pub struct Log {
    pub incident: Incident,
    pub senses: Senses,
    pub records: Vec<Record>,
}

impl Log {
    pub fn fold(&mut self, events: Vec<Event>) -> Vec<Record> {
        let mut new = Vec::new();
        for event in events {
            let seq = self.records.len() as u64 + 1;
            let ms = u64::try_from(event.recorded.timestamp_millis()).expect("after 1970");
            let hlc = Hlc { ms, count: u32::try_from(seq).expect("few records") };
            let record = Record { id: format!("r{seq}"), writer: "w".to_owned(), seq, hlc, event };
            self.incident.apply(&record);
            self.records.push(record.clone());
            new.push(record);
        }
        new
    }

    pub fn open(&mut self, now: Timestamp, exercise: bool) -> Vec<Record> {
        let body = Body::IncidentOpened {
            title: "Checkout hangs".to_owned(),
            severity: IncidentSeverity::Sev2,
            exercise,
            playbook: None,
        };
        self.fold(vec![Event::now(now, ana(), body)])
    }

    pub fn alert(&mut self, now: Timestamp, yaml: &str) -> Vec<Record> {
        let source = Source { name: "stand".to_owned(), text: yaml.to_owned() };
        let checklist =
            Checklist::read(&source, &World::default()).expect("the stand's checklists are sound");
        let alert = Alert::for_checklist(&checklist);
        let events = self.incident.alert(now, &Actor::tool(), &alert, Some((&source, &checklist)));
        self.fold(events)
    }

    pub fn act(&mut self, now: Timestamp, by: &Actor, act: &Act) -> Result<Vec<Record>, Refusal> {
        let decision = self.incident.decide(now, by, act)?;
        Ok(self.fold(decision.events))
    }

    pub fn sense(&mut self, now: Timestamp, id: &str, answer: Answer, value: Option<&str>) -> Vec<Record> {
        let seen = Observation {
            answer,
            value: value.map(str::to_owned),
            detail: if answer == Answer::Unknown { "no answer within 2s" } else { "status 200" }.to_owned(),
            took: Duration::from_millis(3),
        };
        let events = self.incident.observe(&mut self.senses, now, &item(id), &seen);
        self.fold(events)
    }
}

/// A screen in front of the engine; acts are decided and folded at once.
pub struct Screen {
    pub log: Log,
    pub model: Model,
    pub now: Timestamp,
    pub me: Actor,
    pub size: (u16, u16),
    /// What the caller was asked for, in order.
    pub effects: Vec<Effect>,
    pub refused: Vec<Refusal>,
}

pub fn start() -> Timestamp {
    "2026-11-21T14:00:00Z".parse().expect("a time in RFC 3339")
}

impl Screen {
    pub fn new(settings: Settings) -> Self {
        let now = start();
        let me = settings.me.clone();
        let model = Model::new(settings, now);
        let mut screen = Self {
            log: Log::default(),
            model,
            now,
            me,
            size: (0, 0),
            effects: Vec::new(),
            refused: Vec::new(),
        };
        screen.resize(80, 24);
        screen
    }

    /// An incident with one alert, 80 by 24, ana at the keys.
    pub fn with_alert() -> Self {
        let mut screen = Self::new(Settings::new(ana()));
        screen.opened(false);
        screen.alert(LOCK);
        screen
    }

    /// The same, with control taken and the checklist open.
    pub fn working() -> Self {
        let mut screen = Self::with_alert();
        screen.press("a Enter");
        screen
    }

    pub fn send(&mut self, msg: Msg) {
        let effects = update(&mut self.model, msg);
        for effect in effects {
            self.effects.push(effect.clone());
            if let Effect::Act(act) = effect {
                match self.log.act(self.now, &self.me.clone(), &act) {
                    Ok(records) => self.told(records),
                    Err(refusal) => {
                        self.refused.push(refusal.clone());
                        self.send(Msg::Refused { act, refusal });
                    }
                }
            }
        }
    }

    pub fn told(&mut self, records: Vec<Record>) {
        self.send(Msg::Senses(Arc::new(self.log.senses.clone())));
        self.send(Msg::Incident(Arc::new(self.log.incident.clone())));
        self.send(Msg::Records(records));
    }

    pub fn opened(&mut self, exercise: bool) {
        let records = self.log.open(self.now, exercise);
        self.told(records);
    }

    pub fn alert(&mut self, yaml: &str) {
        let records = self.log.alert(self.now, yaml);
        self.told(records);
    }

    /// Somebody else acts.
    pub fn other(&mut self, by: &Actor, act: &Act) {
        let records = self.log.act(self.now, by, act).expect("the act is allowed");
        self.told(records);
    }

    pub fn body(&mut self, body: Body) {
        let records = self.log.fold(vec![Event::now(self.now, Actor::tool(), body)]);
        self.told(records);
    }

    /// Two samples, as many as must agree.
    pub fn sense(&mut self, id: &str, answer: Answer, value: Option<&str>) {
        for _ in 0..2 {
            let records = self.log.sense(self.now, id, answer, value);
            self.told(records);
        }
    }

    pub fn wait(&mut self, seconds: i64) {
        self.now += TimeDelta::seconds(seconds);
        let events = self.log.incident.tick(self.now);
        if !events.is_empty() {
            let records = self.log.fold(events);
            self.told(records);
        }
        self.send(Msg::Tick(self.now));
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
        self.send(Msg::Resize(columns, rows));
    }

    /// Presses keys, named as in the key table, separated by spaces.
    pub fn press(&mut self, keys: &str) {
        for name in keys.split(' ') {
            let key: Key = name.parse().expect("a key's name");
            let modifiers = if key.ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
            self.send(Msg::Key(KeyEvent::new(key.code, modifiers)));
        }
    }

    pub fn enter_text(&mut self, text: &str) {
        for c in text.chars() {
            self.send(Msg::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
        }
    }

    pub fn acts(&self) -> Vec<Act> {
        let act = |effect: &Effect| match effect {
            Effect::Act(act) => Some(act.clone()),
            _ => None,
        };
        self.effects.iter().filter_map(act).collect()
    }

    pub fn last_act(&self) -> Act {
        self.acts().pop().expect("an act was sent")
    }

    /// What is on the screen, line by line.
    pub fn text(&self) -> String {
        let mut terminal =
            Terminal::new(TestBackend::new(self.size.0, self.size.1)).expect("the test backend cannot fail");
        terminal.draw(|frame| view(frame, &self.model)).expect("the test backend cannot fail");
        let buffer = terminal.backend().buffer();
        let width = usize::from(buffer.area.width);
        let rows = buffer.content.chunks(width.max(1));
        let text = rows.map(|row| row.iter().map(Cell::symbol).collect::<String>());
        text.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }

    #[track_caller]
    pub fn sees(&self, text: &str) {
        assert!(self.text().contains(text), "no {text:?} on the screen:\n{}", self.text());
    }

    #[track_caller]
    pub fn sees_not(&self, text: &str) {
        assert!(!self.text().contains(text), "{text:?} is on the screen:\n{}", self.text());
    }
}

/// A plain session in front of the engine, with everything that was printed.
pub struct Pipe {
    pub log: Log,
    pub plain: Plain,
    pub now: Timestamp,
    pub me: Actor,
    pub printed: Vec<String>,
    pub effects: Vec<Effect>,
}

impl Pipe {
    pub fn new(settings: Settings) -> Self {
        let me = settings.me.clone();
        let plain = Plain::new(settings);
        let printed = plain.greet();
        Self { log: Log::default(), plain, now: start(), me, printed, effects: Vec::new() }
    }

    pub fn with_alert() -> Self {
        let mut pipe = Self::new(Settings::new(ana()));
        let mut records = pipe.log.open(pipe.now, false);
        records.extend(pipe.log.alert(pipe.now, LOCK));
        pipe.told(&records);
        pipe
    }

    pub fn told(&mut self, records: &[Record]) {
        self.plain.senses(Arc::new(self.log.senses.clone()));
        self.printed.extend(self.plain.records(records));
        self.printed.extend(self.plain.incident(Arc::new(self.log.incident.clone()), self.now));
    }

    pub fn sense(&mut self, id: &str, answer: Answer, value: Option<&str>) {
        for _ in 0..2 {
            let records = self.log.sense(self.now, id, answer, value);
            self.told(&records);
        }
    }

    pub fn wait(&mut self, seconds: i64) {
        self.now += TimeDelta::seconds(seconds);
        let events = self.log.incident.tick(self.now);
        let records = self.log.fold(events);
        self.told(&records);
    }

    pub fn line(&mut self, line: &str) {
        self.printed.push(format!("] {line}"));
        match self.plain.parse(line, self.now) {
            Err(hint) => self.printed.push(format!("? {hint}")),
            Ok(effects) => {
                for effect in effects {
                    self.effects.push(effect.clone());
                    match effect {
                        Effect::Act(act) => match self.log.act(self.now, &self.me.clone(), &act) {
                            Ok(records) => self.told(&records),
                            Err(refusal) => self.printed.extend(self.plain.refused(&act, &refusal)),
                        },
                        Effect::Print(lines) => self.printed.extend(lines),
                        Effect::Quit { farewell } => self.printed.push(farewell),
                        Effect::Suspend => self.printed.push("(suspended)".to_owned()),
                    }
                }
            }
        }
    }

    pub fn acts(&self) -> Vec<Act> {
        let act = |effect: &Effect| match effect {
            Effect::Act(act) => Some(act.clone()),
            _ => None,
        };
        self.effects.iter().filter_map(act).collect()
    }
}
