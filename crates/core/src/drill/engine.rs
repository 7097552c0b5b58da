//! The drill's phases, and what moves it from one to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::event::{Body, Phase, Verdict};
use crate::playbook::{Playbook, Step};
use crate::probe::Answer;
use crate::source::did_you_mean;
use crate::units::Name;

use super::schedule::{Due, Schedule};
use super::streams::Streams;
use super::{Effect, Elapsed, Input, Order, Outcome, StepOutcome};

/// How much longer than asked for the gate may take to hold: a system that has just come up answers its first requests
/// late.
const GATE_PATIENCE: Duration = Duration::from_secs(10);

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

    fn enter(&mut self, phase: Phase, now: Elapsed, effects: &mut Vec<Effect>) {
        self.phase = phase;
        self.since = now;
        effects.push(Effect::Record(Body::DrillPhase { phase }));
    }

    /// Judges what users see; losses call the responders.
    fn watch(&mut self, now: Elapsed, effects: &mut Vec<Effect>) {
        let before = self.streams.lost_since;
        let watched = !matches!(self.phase, Phase::Prepare | Phase::Gate | Phase::Done);
        let changes = self.streams.judge(now);
        if !watched {
            return;
        }
        effects.extend(changes.into_iter().map(Effect::Record));
        if before.is_none() && self.streams.lost_since.is_some() {
            self.first_loss = self.first_loss.or(self.streams.lost_since);
            if matches!(self.phase, Phase::Run)
                && !self.annunciated
                && let Some(response) = &self.playbook.response
            {
                self.annunciated = true;
                effects.push(Effect::Annunciate(response.clone()));
            }
        }
        if before.is_some()
            && self.streams.lost_since.is_none()
            && self.annunciated
            && let Some(response) = &self.playbook.response
        {
            self.annunciated = false;
            effects.push(Effect::ClearAlert(response.clone()));
        }
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

    /// Moves on when it is time to.
    fn advance(&mut self, now: Elapsed, effects: &mut Vec<Effect>) {
        let waited = now.saturating_sub(self.since);
        match self.phase {
            Phase::Gate => {
                if self.streams.held_for(now, self.playbook.gate) {
                    self.enter(Phase::Baseline, now, effects);
                    self.set_latent_conditions(now);
                    self.start_due(now, effects);
                } else if waited > self.playbook.gate + self.playbook.longest_window() + GATE_PATIENCE {
                    let because =
                        format!("steady state did not hold before the start: {}", self.streams.describe());
                    self.conclude(Verdict::GateFailed, because, now, effects);
                }
            }
            Phase::Baseline => {
                self.start_due(now, effects);
                // The windows must be filled anew, by requests that met the latent conditions.
                let settled = self.playbook.longest_window();
                if self.schedule.is_over()
                    && waited >= settled
                    && self.streams.held_for(now, self.playbook.gate)
                {
                    self.run_began = Some(now);
                    self.enter(Phase::Run, now, effects);
                    self.plan_run(now);
                    self.start_due(now, effects);
                } else if waited > settled + self.playbook.gate + GATE_PATIENCE {
                    let because = format!(
                        "steady state does not hold with the latent conditions alone: {}",
                        self.streams.describe()
                    );
                    self.conclude(Verdict::GateFailed, because, now, effects);
                }
            }
            Phase::Run => {
                self.start_due(now, effects);
                if self.abort_if_due(now, effects) {
                    return;
                }
                let lost_for = self.streams.lost_since.map(|since| now.saturating_sub(since));
                // A fault whose proof is still under way may turn out not to have landed (design law 5).
                if lost_for.is_some_and(|lost| lost >= self.playbook.outage_after) && !self.schedule.is_busy()
                {
                    self.decided_loss = self.streams.lost_since;
                    if self.order.respond {
                        self.enter(Phase::Respond, now, effects);
                    } else {
                        self.conclude(Verdict::Outage, self.outage_reason(), now, effects);
                    }
                } else if waited >= self.playbook.observe
                    && lost_for.is_none()
                    && self.schedule.is_over()
                    && !self.is_being_answered()
                {
                    let because = match self.first_loss {
                        Some(_) => "steady state was lost, but came back in time",
                        None => "steady state held throughout",
                    };
                    self.conclude(Verdict::NoOutage, because.to_owned(), now, effects);
                }
            }
            Phase::Respond => {
                self.start_due(now, effects);
                self.abort_if_due(now, effects);
            }
            Phase::Recovery => {
                // Nothing to wait for when nothing was opened, or when a person wants out now.
                let nothing_to_see = self.run_began.is_none() || self.hurried;
                let back = self.streams.held_for(now, self.playbook.longest_window());
                if back || nothing_to_see || waited > self.playbook.recovery {
                    if !back && !nothing_to_see {
                        let within = humantime::format_duration(self.playbook.recovery);
                        let now_is = self.streams.describe();
                        self.residue
                            .push(format!("steady state did not come back within {within}: {now_is}"));
                    }
                    self.finish(now, effects);
                }
            }
            Phase::Prepare | Phase::Revert | Phase::Done => {}
        }
    }

    fn set_latent_conditions(&mut self, now: Elapsed) {
        for slice in self.playbook.slices.iter().filter(|s| s.at.is_none()) {
            let open = self.order.open.contains(&slice.name);
            self.schedule.add(Some(slice.name.clone()), now, if open { &slice.open } else { &slice.closed });
        }
    }

    fn plan_run(&mut self, now: Elapsed) {
        self.schedule.clear();
        for part in &self.playbook.story {
            self.schedule.add(None, now + part.at, &part.steps);
        }
        for slice in &self.playbook.slices {
            if let Some(at) = slice.at {
                let open = self.order.open.contains(&slice.name);
                self.schedule.add(
                    Some(slice.name.clone()),
                    now + at,
                    if open { &slice.open } else { &slice.closed },
                );
            }
        }
    }

    fn start_due(&mut self, now: Elapsed, effects: &mut Vec<Effect>) {
        for due in self.schedule.due(now) {
            match due {
                Due::Begins(name) => effects.extend(self.opened_or_closed(&name).map(Effect::Record)),
                Due::Start(id, step) => effects.push(Effect::Do(id, step)),
            }
        }
    }

    /// How it reads on the timeline that a slice's time has come.
    fn opened_or_closed(&mut self, name: &Name) -> Option<Body> {
        let slice = self.playbook.slice(name)?;
        let (slice_name, kind) = (name.clone(), slice.kind());
        Some(if self.order.open.contains(name) {
            self.opened.insert(name.clone());
            Body::HoleOpened { slice: slice_name, kind, hole: slice.hole.clone() }
        } else {
            Body::HoleClosed { slice: slice_name, kind, defence: slice.defence.clone() }
        })
    }

    fn abort_if_due(&mut self, now: Elapsed, effects: &mut Vec<Effect>) -> bool {
        let ran = self.run_began.map(|began| now.saturating_sub(began)).unwrap_or_default();
        let because = if ran >= self.playbook.abort_after {
            Some(format!(
                "the run took longer than {}",
                humantime::format_duration(self.playbook.abort_after)
            ))
        } else {
            self.playbook.abort_when.iter().find_map(|condition| {
                let since = self.unhealthy_since.get(&condition.probe)?;
                let unhealthy = now.saturating_sub(*since);
                (unhealthy >= condition.unsatisfied_for).then(|| {
                    let word = self.answers.get(&condition.probe).map_or("silent", |a| a.word());
                    let length = humantime::format_duration(condition.unsatisfied_for);
                    format!("the probe {} has been {word} for {length}", condition.probe)
                })
            })
        };
        let Some(because) = because else { return false };
        effects.push(Effect::Record(Body::DrillAbort { because: because.clone() }));
        self.conclude(Verdict::Aborted, because, now, effects);
        true
    }

    /// Whether responders were called and are still at it: the lab must not go from under their hands.
    const fn is_being_answered(&self) -> bool {
        self.order.respond && self.first_loss.is_some() && !self.response_over
    }

    fn outage_reason(&self) -> String {
        format!("steady state was lost for {}", humantime::format_duration(self.playbook.outage_after))
    }

    const fn may_stop(&self) -> bool {
        !matches!(self.phase, Phase::Revert | Phase::Recovery | Phase::Done)
    }

    /// Settles the verdict and takes everything out. A verdict that is settled stays.
    fn conclude(&mut self, verdict: Verdict, because: String, now: Elapsed, effects: &mut Vec<Effect>) {
        if !self.may_stop() {
            return;
        }
        self.verdict = Some((verdict, because));
        self.schedule.clear();
        self.enter(Phase::Revert, now, effects);
        effects.push(Effect::Revert(self.safe_settings()));
    }

    fn finish(&mut self, now: Elapsed, effects: &mut Vec<Effect>) {
        let (verdict, because) =
            self.verdict.clone().unwrap_or((Verdict::Aborted, "it ended without a verdict".to_owned()));
        effects.push(Effect::Record(Body::DrillVerdict { verdict, because: because.clone() }));
        self.enter(Phase::Done, now, effects);
        let holes = self.playbook.slices.iter().map(|s| s.name.clone());
        let lost_at = self.decided_loss.or(self.first_loss);
        effects.push(Effect::Finish(Outcome {
            verdict,
            because,
            holes: holes.filter(|name| self.opened.contains(name)).collect(),
            lost_at,
            regained_at: self
                .streams
                .regained_at
                .filter(|_| lost_at.is_some() && self.streams.lost_since.is_none()),
            residue: self.residue.clone(),
        }));
    }
}

fn settings(steps: &[Step]) -> impl Iterator<Item = (String, String)> {
    steps.iter().flat_map(|step| if let Step::Set(settings) = step { settings.clone() } else { Vec::new() })
}
