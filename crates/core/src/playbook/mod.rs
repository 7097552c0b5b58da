//! Playbooks: staged outages as data.
//!
//! Owns the compiled model that the drill engine runs. [`mod@file`] is the shape of the YAML, `compile` turns one into the
//! other and collects everything that is wrong. Leaves running to [`crate::drill`].

mod compile;
pub mod file;
mod step;
mod step_file;
#[cfg(test)]
mod tests;
mod toxic;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::event::SliceKind;
use crate::fault::{Fault, FaultKind, ParameterError, Peer};
use crate::lab::LabDescription;
use crate::probe::{HttpProbe, Probe};
use crate::source::{Diagnostic, Source};
use crate::steady_state::Tolerance;
use crate::units::Name;

pub use toxic::{LINKS, ToxicStep, ToxicStream};

/// What a playbook may refer to.
#[derive(Clone, Debug)]
pub struct World<'a> {
    /// The labs there are.
    pub labs: &'a [&'static LabDescription],
    /// The checklists there are, with the ids of their items.
    pub checklists: &'a std::collections::BTreeMap<Name, BTreeSet<String>>,
    /// The toxics there are.
    pub toxics: Toxics<'a>,
}

/// The toxics that playbooks may name.
#[derive(Clone, Copy, Debug)]
pub struct Toxics<'a> {
    /// Each kind.
    pub kinds: &'a [ToxicKind],
    /// Whether a toxic's attributes have the right types; if not, why.
    pub check: fn(&ToxicStep) -> Result<(), String>,
}

/// One kind of toxic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToxicKind {
    /// Its name.
    pub name: &'static str,
    /// The names of its attributes.
    pub attributes: &'static [&'static str],
}

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

/// A fault on a host of the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultStep {
    /// What.
    pub fault: FaultOrder,
    /// On which host.
    pub host: Name,
    /// For how long at most; until the drill must be over when none.
    pub lease: Option<Duration>,
}

/// A fault with its peers as host names, since addresses are known only when the lab is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultOrder {
    /// Which kind.
    pub kind: FaultKind,
    /// Its parameters, as written; they were read once with stand-ins for the hosts.
    pub parameters: Vec<(String, String)>,
    /// The hosts that are named as peers.
    pub peers: Vec<Name>,
}

impl FaultOrder {
    /// The fault, with the address of each host that is named.
    ///
    /// # Errors
    /// What is wrong with a parameter; never for an order that a playbook was compiled to.
    pub fn fault(&self, address_of: impl Fn(&Name) -> Option<Peer>) -> Result<Fault, ParameterError> {
        let written = |text: &str| {
            let names = text.split(',').map(|part| {
                let peer = self.peers.iter().find(|name| name.as_str() == part.trim()).and_then(&address_of);
                peer.map_or_else(|| part.trim().to_owned(), |peer| peer.to_string())
            });
            names.collect::<Vec<_>>().join(",")
        };
        let pairs: Vec<(&str, String)> = self
            .parameters
            .iter()
            .map(|(name, text)| {
                (
                    name.as_str(),
                    if step::PEERS.contains(&name.as_str()) { written(text) } else { text.clone() },
                )
            })
            .collect();
        Fault::read(self.kind, pairs.iter().map(|(name, text)| (*name, text.as_str())))
    }
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
