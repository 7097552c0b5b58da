//! A drill: one run of a playbook, as a pure engine.
//!
//! Owns the order of things: gate, baseline, run, respond, revert, recovery; and the verdict. What happens outside comes
//! in as [`Input`] with the time since the drill began, what is to be done goes out as [`Effect`]. `streams` judges
//! what users see, `schedule` knows which step is due. Leaves doing anything at all to the runner.

mod engine;
mod schedule;
mod streams;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::{Body, Verdict};
use crate::playbook::{Response, Step};
use crate::probe::Answer;
use crate::steady_state::Sample;
use crate::units::Name;

pub use engine::{Drill, UnknownSlice};

/// Time since the drill began, on a clock that never goes back.
pub type Elapsed = Duration;

/// How often the engine wants a [`Input::Tick`].
pub const TICK: Duration = Duration::from_millis(50);

/// Which step: counted in the order they were started.
pub type StepId = u32;

/// What is asked of one drill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The slices whose holes are opened; the defences of all others hold.
    pub open: BTreeSet<Name>,
    /// Whether somebody responds: then an outage lasts until they close the incident.
    pub respond: bool,
    /// For what chance decides.
    pub seed: u64,
    /// SHA-256 of the playbook's text, for the record.
    pub digest: String,
}

/// Something that happened outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The lab is up, with every defence in place.
    LabUp,
    /// It did not come up.
    LabFailed(String),
    /// A request of a stream was due, or answered; its times count from the drill's begin.
    Sample {
        /// Which stream.
        stream: Name,
        /// What happened to it.
        sample: Sample,
    },
    /// A watched probe answered.
    Answered {
        /// Which.
        probe: Name,
        /// Its answer.
        answer: Answer,
        /// Why.
        detail: String,
    },
    /// A step came to its end.
    StepDone {
        /// Which.
        step: StepId,
        /// How.
        outcome: StepOutcome,
    },
    /// Somebody or something wants it to stop.
    Stop(String),
    /// The responders closed the incident.
    ResponseOver,
    /// Everything was taken back out, but for this residue.
    Reverted(Vec<String>),
    /// Time went by.
    Tick,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// Done; for a fault: its effect was seen.
    Done,
    /// A fault whose effect was not seen, or a step that could not be carried out.
    NotLanded(String),
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Bring the lab up with these settings; answer with [`Input::LabUp`] or [`Input::LabFailed`].
    StartLab(Vec<(String, String)>),
    /// Start all streams and watched probes.
    StartStreams,
    /// Carry out a step; answer with [`Input::StepDone`].
    Do(StepId, Step),
    /// Raise the alert that calls the responders.
    Annunciate(Response),
    /// Its condition is gone.
    ClearAlert(Response),
    /// Interrupt all steps, undo all faults, end what the lab ran, put these settings; answer with [`Input::Reverted`].
    Revert(Vec<(String, String)>),
    /// Put this on the timeline.
    Record(Body),
    /// It is over.
    Finish(Outcome),
}

/// How a drill ended, for machines and for the debrief.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one line.
    pub because: String,
    /// The holes that were opened, in the playbook's order.
    pub holes: Vec<Name>,
    /// When steady state was lost (the loss that decided, or else the first).
    pub lost_at: Option<Elapsed>,
    /// When it was back for good.
    pub regained_at: Option<Elapsed>,
    /// What could not be undone.
    pub residue: Vec<String>,
}
