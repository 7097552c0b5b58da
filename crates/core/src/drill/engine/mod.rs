//! One drill: what it knows, and what each happening outside does to it.
//!
//! Leaves when it moves on to `phases`, what users see to `watch`, and its end to `verdict`.

mod phases;
mod verdict;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Body, Phase, Verdict};
use crate::playbook::{Playbook, Step};
use crate::probe::Answer;
use crate::source::did_you_mean;
use crate::units::Name;

use super::schedule::Schedule;
use super::streams::Streams;
use super::{Effect, Elapsed, Input, Order, StepOutcome};

/// An order that does not fit its playbook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the playbook {playbook} has no slice `{slice}`; {hint}")]
pub struct UnknownSlice {
    /// The playbook.
    pub playbook: Name,
    /// The slice that was named.
    pub slice: Name,
    /// What would do.
    pub hint: String,
}

/// One drill.
#[derive(Clone, Debug)]
pub struct Drill {
    playbook: Playbook,
    order: Order,
    phase: Phase,
    since: Elapsed,
    run_began: Option<Elapsed>,
    streams: Streams,
    schedule: Schedule,
    unhealthy_since: BTreeMap<Name, Elapsed>,
    answers: BTreeMap<Name, Answer>,
    verdict: Option<(Verdict, String)>,
    decided_loss: Option<Elapsed>,
    first_loss: Option<Elapsed>,
    annunciated: bool,
    opened: BTreeSet<Name>,
    hurried: bool,
    response_over: bool,
    residue: Vec<String>,
}

impl Drill {
    /// A drill that has not begun.
    ///
    /// # Errors
    /// A slice that the playbook does not have.
    pub fn new(playbook: Playbook, order: Order) -> Result<Self, UnknownSlice> {
        if let Some(slice) = order.open.iter().find(|name| playbook.slice(name).is_none()) {
            let hint = did_you_mean(slice.as_str(), playbook.slices.iter().map(|s| s.name.as_str()));
            return Err(UnknownSlice { playbook: playbook.name, slice: slice.clone(), hint });
        }
        Ok(Self {
            streams: Streams::new(&playbook),
            playbook,
            order,
            phase: Phase::Prepare,
            since: Elapsed::ZERO,
            run_began: None,
            schedule: Schedule::default(),
            unhealthy_since: BTreeMap::new(),
            answers: BTreeMap::new(),
            verdict: None,
            decided_loss: None,
            first_loss: None,
            annunciated: false,
            opened: BTreeSet::new(),
            hurried: false,
            response_over: false,
            residue: Vec::new(),
        })
    }

    /// The playbook it runs.
    #[must_use]
    pub const fn playbook(&self) -> &Playbook {
        &self.playbook
    }

    /// Where it is.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The first effects.
    pub fn begin(&mut self) -> Vec<Effect> {
        let (open, closed): (Vec<_>, Vec<_>) = self
            .playbook
            .slices
            .iter()
            .map(|s| s.name.clone())
            .partition(|name| self.order.open.contains(name));
        vec![
            Effect::Record(Body::DrillStarted {
                playbook: self.playbook.name.clone(),
                title: self.playbook.title.clone(),
                digest: self.order.digest.clone(),
                seed: self.order.seed,
                open,
                closed,
            }),
            Effect::Record(Body::DrillPhase { phase: Phase::Prepare }),
            Effect::StartLab(self.safe_settings()),
        ]
    }

    /// Takes what happened; says what to do. After [`Effect::Finish`] nothing more comes out.
    pub fn step(&mut self, now: Elapsed, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::LabUp if self.phase == Phase::Prepare => {
                self.enter(Phase::Gate, now, &mut effects);
                effects.push(Effect::StartStreams);
            }
            Input::LabFailed(why) if self.phase == Phase::Prepare => {
                self.conclude(Verdict::Invalid, format!("the lab did not come up: {why}"), now, &mut effects);
            }
            Input::Sample { stream, sample } => self.streams.take(&stream, sample),
            Input::Answered { probe, answer, detail } => {
                self.answered(&probe, answer, &detail, now, &mut effects);
            }
            Input::StepDone { step, outcome } => {
                if self.schedule.done(step, now)
                    && let StepOutcome::NotLanded(why) = outcome
                {
                    self.conclude(Verdict::Invalid, why, now, &mut effects);
                }
            }
            Input::Stop(why) => {
                effects.extend(
                    self.may_stop().then(|| Effect::Record(Body::DrillAbort { because: why.clone() })),
                );
                self.hurried = true;
                self.conclude(Verdict::Aborted, why, now, &mut effects);
            }
            // Whoever was quicker than the tolerance has prevented the outage; the watch goes on to its end.
            Input::ResponseOver if self.phase == Phase::Run => self.response_over = true,
            Input::ResponseOver if self.phase == Phase::Respond => {
                self.conclude(Verdict::Outage, self.outage_reason(), now, &mut effects);
            }
            Input::Reverted(residue) if self.phase == Phase::Revert => {
                self.residue = residue;
                self.enter(Phase::Recovery, now, &mut effects);
            }
            Input::Tick | Input::LabUp | Input::LabFailed(_) | Input::ResponseOver | Input::Reverted(_) => {}
        }
        self.watch(now, &mut effects);
        self.advance(now, &mut effects);
        effects
    }

    /// Every setting that any latent hole touches, at the value its defence gives it.
    fn safe_settings(&self) -> Vec<(String, String)> {
        let latent = self.playbook.slices.iter().filter(|s| s.at.is_none());
        latent.flat_map(|s| settings(&s.closed)).collect()
    }

    fn answered(
        &mut self,
        probe: &Name,
        answer: Answer,
        detail: &str,
        now: Elapsed,
        effects: &mut Vec<Effect>,
    ) {
        let from = self.answers.insert(probe.clone(), answer);
        if from != Some(answer) {
            let (probe, detail) = (probe.to_string(), detail.to_owned());
            effects.push(Effect::Record(Body::ProbeChanged { probe, from, to: answer, detail }));
        }
        if answer == Answer::Satisfied {
            self.unhealthy_since.remove(probe);
        } else {
            self.unhealthy_since.entry(probe.clone()).or_insert(now);
        }
    }
}

fn settings(steps: &[Step]) -> impl Iterator<Item = (String, String)> {
    steps.iter().flat_map(|step| if let Step::Set(settings) = step { settings.clone() } else { Vec::new() })
}
