//! Checklists: what people write, compiled into what the engine runs.
//!
//! Owns the model, its reading from YAML with every problem placed, and the lint rules. Leaves running it to
//! [`crate::incident`], asking probes to the probes crate, and finding files to the caller.
//!
//! Read [`Checklist`], then [`Item`] and [`Kind`]; [`Checklist::read`] makes them and [`lint()`] judges them.

mod compile;
mod file;
mod lint;
pub mod paper;
mod refer;
mod sensing;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use crate::event::AlertLevel;
use crate::probe::Probe;
use crate::source::{Diagnostic, Located, Place, Source};
use crate::units::{HumanDuration, Name};

pub use lint::{RULES, Rule, lint};
pub(crate) use refer::READING;
pub use refer::World;

/// The JSON Schema of a checklist file, for editors.
#[must_use]
pub fn schema() -> Schema {
    schemars::schema_for!(file::ChecklistFile)
}

/// A checklist, compiled: its items stand in reading order, branches right behind the decision they belong to.
#[derive(Clone, Debug, PartialEq)]
pub struct Checklist {
    /// Its name, unique among checklists.
    pub name: Located<Name>,
    /// What it is called on screen: the symptom.
    pub title: String,
    /// How loud it is in the queue.
    pub level: AlertLevel,
    /// When to use it.
    pub condition: Option<String>,
    /// What it achieves.
    pub objective: Option<String>,
    /// When not to use it.
    pub not_when: Option<String>,
    /// Version of its text.
    pub version: Option<String>,
    /// Day of its last revision, `YYYY-MM-DD`.
    pub revised: Option<String>,
    /// Who keeps it right.
    pub owner: Option<String>,
    /// How it is worked.
    pub method: Method,
    /// Checklists kept out of the queue while this one's condition is active.
    pub inhibits: Vec<Located<Name>>,
    /// Every item: memory items, then items, then deferred items.
    pub items: Vec<Item>,
    /// What is said when it is complete.
    pub complete: Option<String>,
    /// Lint rules waived, each with its reason.
    pub allow: IndexMap<String, String>,
}

impl Checklist {
    /// Reads a checklist.
    ///
    /// # Errors
    /// Everything that is wrong with it; only the first problem when it is not even YAML of the right shape.
    pub fn read(source: &Source, world: &World) -> Result<Self, Vec<Diagnostic>> {
        let file = crate::yaml::read(source).map_err(|problem| vec![*problem])?;
        let (checklist, mut problems) = compile::compile(file);
        problems.extend(refer::beyond(&checklist, world));
        if problems.is_empty() {
            return Ok(checklist);
        }
        problems.sort_by_key(|problem| (problem.line, problem.column));
        Err(problems.into_iter().map(|problem| problem.in_source(source)).collect())
    }

    /// An item by its id, with its position.
    #[must_use]
    pub fn item(&self, id: &str) -> Option<(usize, &Item)> {
        self.items.iter().enumerate().find(|(_, item)| item.id == id)
    }

    /// The items below a decision, whatever the answer, at any depth.
    pub fn below(&self, decision: usize) -> impl Iterator<Item = &Item> {
        let depth = self.items.get(decision).map_or(usize::MAX, |d| d.depth);
        self.items.iter().skip(decision.saturating_add(1)).take_while(move |item| item.depth > depth)
    }
}

/// How a checklist is worked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Read a line, do it, next.
    #[default]
    ReadDo,
    /// Do the flow from memory, then confirm line by line.
    DoConfirm,
    /// One reads, one does, the first verifies.
    ChallengeDoVerify,
}

impl Method {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ReadDo => "read-do",
            Self::DoConfirm => "do-confirm",
            Self::ChallengeDoVerify => "challenge-do-verify",
        }
    }
}

/// The parts of a checklist, in reading order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Done before anything is read, then verified here.
    Memory,
    /// Read and worked in order.
    Items,
    /// Left for later; blocks closing the incident until disposed of.
    Deferred,
}

impl Part {
    /// The heading for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory items",
            Self::Items => "items",
            Self::Deferred => "deferred items",
        }
    }
}

/// One line of a checklist.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its name within the checklist: the one given, or its number path (`3`, `m1`, `d2`, `client-no-1`).
    pub id: String,
    /// Where it stands in the source.
    pub place: Place,
    /// Which part it belongs to.
    pub part: Part,
    /// How many decisions it is under.
    pub depth: usize,
    /// The answer it depends on: the position of the decision, and the answer that makes it applicable.
    pub under: Option<(usize, String)>,
    /// What to do, ask or see.
    pub text: String,
    /// The state it must end in.
    pub response: Option<String>,
    /// The role that does it.
    pub by: Option<String>,
    /// Why it is here, for those who ask.
    pub why: Option<String>,
    /// What kind of line it is.
    pub kind: Kind,
    /// Cannot be taken back: needs a second person.
    pub irreversible: bool,
    /// Its omission defeats the whole list: overriding it needs a second person.
    pub killer: bool,
    /// A value must be read off and given when it is confirmed: what that value is.
    pub reading: Option<String>,
    /// The command that does it, as an argument list, placeholders unfilled.
    pub run: Option<Vec<Located<String>>>,
}

impl Item {
    /// Its probe, if it has one.
    #[must_use]
    pub const fn sense(&self) -> Option<&Sense> {
        match &self.kind {
            Kind::Sensed(sense) => Some(sense),
            Kind::Decide { sense, .. } => sense.as_ref(),
            Kind::Do | Kind::Wait(_) | Kind::Deferred { .. } => None,
        }
    }

    /// Whether confirming or overriding it takes two people.
    #[must_use]
    pub const fn needs_second(&self) -> bool {
        self.irreversible || self.killer
    }
}

/// The kinds of line.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Open loop: a person does it and says so.
    Do,
    /// Closed loop: only its probe completes it.
    Sensed(Sense),
    /// A question whose answer decides which branch applies.
    Decide {
        /// The answers, in order of writing; `yes` and `no` unless `choices:` says otherwise.
        answers: Vec<String>,
        /// Where the answer is seen.
        observe: Option<String>,
        /// The probe that answers: satisfied is `yes`, unsatisfied is `no`.
        sense: Option<Sense>,
    },
    /// Time must pass; starts when the line becomes current.
    Wait(HumanDuration),
    /// Left for a later checklist or moment.
    Deferred {
        /// A checklist, or one of [`ANCHORS`].
        to: Located<Name>,
    },
}

impl Kind {
    /// The word for people.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Do => "do",
            Self::Sensed(_) => "sensed",
            Self::Decide { .. } => "decide",
            Self::Wait(_) => "wait",
            Self::Deferred { .. } => "deferred",
        }
    }
}

/// Moments that items can be deferred to, besides checklists.
pub const ANCHORS: [&str; 4] = ["any-time", "mitigated", "stand-down", "postmortem"];

/// A probe that watches an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Sense {
    /// What is asked; its timeout is the item's when the item names one.
    pub probe: Probe,
    /// How often.
    pub every: HumanDuration,
    /// Whether the file says how often and how long.
    pub declared: Declared,
    /// What to do when nobody answers.
    pub unknown: Option<String>,
}

/// Which of a probe's times the file states, rather than leaves to the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// `every:` is written.
    pub every: bool,
    /// `timeout:` is written.
    pub timeout: bool,
}
