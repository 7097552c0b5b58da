//! Plain mode: the same work in append-only lines, for pipes, dumb terminals and screen readers.
//!
//! Owns what is told and when: each change once, choices numbered, no drawing, nothing rewritten. The commands are in
//! `parse`, the longer texts in `lines`. Leaves reading and printing lines to the caller.

mod lines;
mod parse;

use std::sync::Arc;

use deadstick_core::Timestamp;
use deadstick_core::event::{Body, ItemId, Record};
use deadstick_core::incident::view::ChecklistView;
use deadstick_core::incident::{Act, Incident, Refusal, Senses};
use deadstick_core::text::printable;
use deadstick_core::units::Name;

use crate::guide::{self, Next};
use crate::intent::{Intent, Words, argv};
use crate::news;
use crate::settings::Settings;
use crate::snapshot::{Snapshot, rows};
use crate::timeline::Entry;
use crate::update::{Effect, Ran};

/// A line that could not be meant; nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Hint(String);

/// A session in plain mode.
#[derive(Clone, Debug)]
pub struct Plain {
    settings: Settings,
    incident: Option<Arc<Incident>>,
    senses: Arc<Senses>,
    snapshot: Option<Snapshot>,
    /// The checklist that numbers refer to.
    shown: Option<Name>,
    /// Waits for `yes`.
    pending: Option<(Intent, Words)>,
    abandon: bool,
    revealed: bool,
    /// What was staged, until the verdict.
    held_back: Vec<String>,
    /// What was said to come next, so that it is said once.
    said: String,
    /// Whether the shown checklist was told whole.
    told: Option<Name>,
}

impl Plain {
    /// A session before anything has arrived. Colour, frames and keys of the settings are not used.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            revealed: settings.facilitator,
            settings,
            incident: None,
            senses: Arc::default(),
            snapshot: None,
            shown: None,
            pending: None,
            abandon: false,
            held_back: Vec::new(),
            said: String::new(),
            told: None,
        }
    }

    /// The first lines.
    #[must_use]
    pub fn greet(&self) -> Vec<String> {
        clean(vec![
            format!("deadstick, plain mode. You are {}. Times are UTC.", self.settings.me),
            "Type help for the commands, status for where things stand, quit to leave.".to_owned(),
        ])
    }

    /// What probes said last; used with the next command or change.
    pub fn senses(&mut self, senses: Arc<Senses>) {
        self.senses = senses;
    }

    /// Takes the incident in, after records were folded into it; tells what asks for attention now, when that changed.
    pub fn incident(&mut self, incident: Arc<Incident>, now: Timestamp) -> Vec<String> {
        self.incident = Some(incident);
        let old = self.snapshot.take();
        self.refresh(now);
        let Some(snapshot) = &self.snapshot else { return Vec::new() };
        let mut told = Vec::new();
        match old {
            Some(old) => {
                let banners = news::changes(&old, snapshot, self.settings.me.as_str());
                told.extend(banners.into_iter().map(|banner| banner.text));
            }
            None => told.extend(lines::head(snapshot, &self.settings, now)),
        }
        if self.shown.is_none() {
            self.shown = snapshot.first_open().map(|list| list.checklist.clone());
        }
        if let Some(list) = self.list().filter(|list| self.told.as_ref() != Some(&list.checklist)) {
            told.extend(lines::checklist(list));
            self.told = Some(list.checklist.clone());
        }
        told.extend(self.say_next());
        clean(told)
    }

    /// New records of the timeline, one line each. What a drill staged is told after its verdict.
    pub fn records(&mut self, records: &[Record]) -> Vec<String> {
        let mut told = Vec::new();
        for record in records {
            let entry = Entry::new(record);
            let line = lines::entry(&entry);
            if entry.staged() && !self.revealed {
                self.held_back.push(line);
            } else {
                told.push(line);
            }
            if matches!(record.event.body, Body::DrillVerdict { .. }) && !self.revealed {
                self.revealed = true;
                if !self.held_back.is_empty() {
                    told.push("What had been staged:".to_owned());
                    told.append(&mut self.held_back);
                }
            }
        }
        clean(told)
    }

    /// An act was not allowed.
    pub fn refused(&mut self, act: &Act, refusal: &Refusal) -> Vec<String> {
        self.abandon = matches!((act, refusal), (Act::Close { .. }, Refusal::Unfinished(_)));
        let again = if self.abandon { " To close and abandon that: close SUMMARY, again." } else { "" };
        clean(vec![format!("Not done: {refusal}.{again}")])
    }

    /// A command of an item goes on.
    pub fn ran(&mut self, item: &ItemId, what: &Ran) -> Vec<String> {
        let told = match what {
            Ran::Started(command) => format!("Running for {item}: {}", argv(command)),
            Ran::Line(line) => format!("  {line}"),
            Ran::Ended(Some(0)) => format!("The command of {item} ended well."),
            Ran::Ended(Some(status)) => format!("The command of {item} ended with status {status}."),
            Ran::Ended(None) => {
                format!("The command of {item} could not be started, or was ended by a signal.")
            }
        };
        clean(vec![told])
    }

    /// Reads one line.
    ///
    /// # Errors
    ///
    /// When the line cannot be meant; the hint says what could be.
    pub fn parse(&mut self, line: &str, now: Timestamp) -> Result<Vec<Effect>, Hint> {
        self.refresh(now);
        parse::line(self, line, now)
    }

    /// Brings the rows up to date, so that ages and waits are right.
    fn refresh(&mut self, now: Timestamp) {
        let incident = self.incident.as_ref();
        if let Some(snapshot) = incident.and_then(|incident| Snapshot::of(incident, &self.senses, now)) {
            self.snapshot = Some(snapshot);
        }
    }

    fn list(&self) -> Option<&ChecklistView> {
        self.snapshot.as_ref()?.list(self.shown.as_ref()?)
    }

    fn next(&self) -> Next<'_> {
        guide::next(self.snapshot.as_ref(), self.settings.me.as_str(), self.list(), None)
    }

    /// What comes next, if that was not said already.
    fn say_next(&mut self) -> Vec<String> {
        let next = self.next();
        // A wait that goes on and a sample that only grows older are no news.
        let about = match &next {
            Next::Item(row) => format!("{} {:?}", row.id, row.marker),
            other => lines::next(other, self.list()).join(" "),
        };
        let told = lines::next(&next, self.list());
        if about == self.said {
            return Vec::new();
        }
        self.said = about;
        told
    }
}

/// Lines without anything a terminal would act on.
fn clean(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().map(|line| printable(&line).trim_end().to_owned()).collect()
}

/// The number of an item on its checklist, from 1.
fn number(list: Option<&ChecklistView>, item: &ItemId) -> usize {
    list.and_then(|list| rows(list).position(|row| row.id == *item)).map_or(0, |at| at + 1)
}
