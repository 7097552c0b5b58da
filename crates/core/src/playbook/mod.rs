//! Playbooks: staged outages as data.
//!
//! Owns the compiled model that the drill engine runs. [`mod@file`] is the shape of the YAML, `compile` turns one into the
//! other and collects everything that is wrong. Leaves running to [`crate::drill`].

mod compile;
pub mod file;
mod order;
mod step;
mod step_file;
#[cfg(test)]
mod tests;
mod toxic;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::event::SliceKind;
use crate::fault::FaultKind;
use crate::lab::LabDescription;
use crate::probe::{HttpProbe, Probe};
use crate::source::{Diagnostic, Source};
use crate::steady_state::Tolerance;
use crate::units::Name;

pub use order::{FaultOrder, FaultStep};
pub use toxic::{LINKS, ToxicStep, ToxicStream};
pub use world::{ToxicKind, Toxics, World};

/// A staged outage, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Playbook {
    /// Its name.
    pub name: Name,
    /// What happens, in one line.
    pub title: String,
    /// What it teaches.
    pub summary: Option<String>,
    /// The practice system.
    pub lab: &'static LabDescription,
    /// The streams that are judged.
    pub steady_state: Vec<SteadyProbe>,
    /// The streams that are only sent.
    pub load: Vec<LoadProbe>,
    /// Probes that are asked again and again.
    pub probes: Vec<WatchedProbe>,
    /// What happens in any case.
    pub story: Vec<Scheduled>,
    /// The layers of defence, in the file's order.
    pub slices: Vec<Slice>,
    /// Steady state lost for this long is an outage.
    pub outage_after: Duration,
    /// For how long the run is watched.
    pub observe: Duration,
    /// The run is stopped after this long in any case.
    pub abort_after: Duration,
    /// Other reasons to stop.
    pub abort_when: Vec<AbortCondition>,
    /// How long steady state must hold before the run.
    pub gate: Duration,
    /// How soon it must be back afterwards.
    pub recovery: Duration,
    /// What responders are called to do.
    pub response: Option<Response>,
}

/// A stream of requests that is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct SteadyProbe {
    /// Its name.
    pub name: Name,
    /// The request.
    pub http: HttpProbe,
    /// How often.
    pub every: Duration,
    /// What users put up with.
    pub tolerate: Tolerance,
}

/// A stream of requests that is only sent.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadProbe {
    /// Its name.
    pub name: Name,
    /// The request.
    pub http: HttpProbe,
    /// How often.
    pub every: Duration,
}

/// A probe that is asked again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchedProbe {
    /// Its name.
    pub name: Name,
    /// What is asked.
    pub probe: Probe,
    /// How often.
    pub every: Duration,
}

/// Steps at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Scheduled {
    /// Since the run began.
    pub at: Duration,
    /// One after the other.
    pub steps: Vec<Step>,
}

/// A layer of defence.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Its name.
    pub name: Name,
    /// What it does when it holds.
    pub defence: String,
    /// What is the case when it does not.
    pub hole: String,
    /// When its steps begin, for an active failure; none for a latent condition.
    pub at: Option<Duration>,
    /// How the hole is opened.
    pub open: Vec<Step>,
    /// What happens when the defence holds.
    pub closed: Vec<Step>,
}

impl Slice {
    /// Active failure or latent condition.
    #[must_use]
    pub const fn kind(&self) -> SliceKind {
        if self.at.is_some() { SliceKind::ActiveFailure } else { SliceKind::LatentCondition }
    }
}

/// One thing a drill does.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Switch settings of the lab.
    Set(Vec<(String, String)>),
    /// Run a command of the lab.
    Run {
        /// Which.
        command: String,
        /// With which options.
        options: Vec<(String, String)>,
    },
    /// Do nothing.
    Wait(Duration),
    /// Inject a fault.
    Inject(FaultStep),
    /// Put a toxic on a link.
    Toxic(ToxicStep),
}

/// A reason to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbortCondition {
    /// Which probe.
    pub probe: Name,
    /// For how long it must have been anything but satisfied.
    pub unsatisfied_for: Duration,
}

/// What responders are called to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The checklist that is annunciated.
    pub annunciates: Name,
    /// The item by which the culprit is named, and the right reading (with placeholders).
    pub target: Option<(String, String)>,
    /// The item that acts on it.
    pub act: Option<String>,
}

impl Playbook {
    /// Reads and checks a playbook.
    ///
    /// # Errors
    /// Everything that is wrong with it: the first syntax or type error alone, or all that its checks found.
    pub fn read(source: &Source, world: &World<'_>) -> Result<Self, Vec<Diagnostic>> {
        let file = crate::yaml::read::<file::PlaybookFile>(source).map_err(|error| vec![*error])?;
        compile::compile(file, world)
            .map_err(|problems| problems.into_iter().map(|problem| problem.in_source(source)).collect())
    }

    /// The longest window of its steady state.
    #[must_use]
    pub fn longest_window(&self) -> Duration {
        self.steady_state.iter().map(|s| s.tolerate.over.0).max().unwrap_or_default()
    }

    /// Whether anything of it puts a toxic on a link.
    #[must_use]
    pub fn has_toxics(&self) -> bool {
        self.all_steps().any(|step| matches!(step, Step::Toxic(_)))
    }

    /// The kinds of fault that it may inject, whichever slices are open.
    #[must_use]
    pub fn faults(&self) -> BTreeSet<FaultKind> {
        let kind = |step: &Step| match step {
            Step::Inject(step) => Some(step.fault.kind),
            _ => None,
        };
        self.all_steps().filter_map(kind).collect()
    }

    fn all_steps(&self) -> impl Iterator<Item = &Step> {
        let story = self.story.iter().flat_map(|part| &part.steps);
        let slices = self.slices.iter().flat_map(|slice| slice.open.iter().chain(&slice.closed));
        story.chain(slices)
    }

    /// A slice by name.
    #[must_use]
    pub fn slice(&self, name: &Name) -> Option<&Slice> {
        self.slices.iter().find(|slice| &slice.name == name)
    }
}

/// The JSON Schema of playbook files.
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(file::PlaybookFile)
}
