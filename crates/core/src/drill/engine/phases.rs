//! When a drill moves from one phase to the next, and which steps that makes due.

use std::time::Duration;

use super::Drill;
use crate::drill::schedule::Due;
use crate::drill::{Effect, Elapsed};
use crate::event::{Body, Phase, Verdict};
use crate::units::Name;

/// How much longer than asked for the gate may take to hold: a system that has just come up answers its first requests
/// late.
const GATE_PATIENCE: Duration = Duration::from_secs(10);

impl Drill {
    pub(super) fn enter(&mut self, phase: Phase, now: Elapsed, effects: &mut Vec<Effect>) {
        self.phase = phase;
        self.since = now;
        effects.push(Effect::Record(Body::DrillPhase { phase }));
    }

    /// Moves on when it is time to.
    pub(super) fn advance(&mut self, now: Elapsed, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::Gate => self.wait_for_the_gate(now, effects),
            Phase::Baseline => self.wait_for_the_baseline(now, effects),
            Phase::Run => self.run_on(now, effects),
            Phase::Respond => {
                self.start_due(now, effects);
                self.abort_if_due(now, effects);
            }
            Phase::Recovery => self.wait_for_recovery(now, effects),
            Phase::Prepare | Phase::Revert | Phase::Done => {}
        }
    }

    fn waited(&self, now: Elapsed) -> Duration {
        now.saturating_sub(self.since)
    }

    fn wait_for_the_gate(&mut self, now: Elapsed, effects: &mut Vec<Effect>) {
        let patience = self.playbook.gate + self.playbook.longest_window() + GATE_PATIENCE;
        if self.streams.held_for(now, self.playbook.gate) {
            self.enter(Phase::Baseline, now, effects);
            self.set_latent_conditions(now);
            self.start_due(now, effects);
        } else if self.waited(now) > patience {
            let because = format!("steady state did not hold before the start: {}", self.streams.describe());
            self.conclude(Verdict::GateFailed, because, now, effects);
        }
    }

    fn wait_for_the_baseline(&mut self, now: Elapsed, effects: &mut Vec<Effect>) {
        self.start_due(now, effects);
        let waited = self.waited(now);
        // The windows must be filled anew, by requests that met the latent conditions.
        let settled = self.playbook.longest_window();
        let holds = || waited >= settled && self.streams.held_for(now, self.playbook.gate);
        if self.schedule.is_over() && holds() {
            self.run_began = Some(now);
            self.enter(Phase::Run, now, effects);
            self.plan_run(now);
            self.start_due(now, effects);
        } else if waited > settled + self.playbook.gate + GATE_PATIENCE {
            let streams = self.streams.describe();
            let because = format!("steady state does not hold with the latent conditions alone: {streams}");
            self.conclude(Verdict::GateFailed, because, now, effects);
        }
    }

    fn run_on(&mut self, now: Elapsed, effects: &mut Vec<Effect>) {
        self.start_due(now, effects);
        if self.abort_if_due(now, effects) {
            return;
        }
        let lost_for = self.streams.lost_since.map(|since| now.saturating_sub(since));
        // A fault whose proof is still under way may turn out not to have landed (design law 5).
        if lost_for.is_some_and(|lost| lost >= self.playbook.outage_after) && !self.schedule.is_busy() {
            self.decided_loss = self.streams.lost_since;
            if self.order.respond {
                self.enter(Phase::Respond, now, effects);
            } else {
                self.conclude(Verdict::Outage, self.outage_reason(), now, effects);
            }
        } else if self.waited(now) >= self.playbook.observe
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

    fn wait_for_recovery(&mut self, now: Elapsed, effects: &mut Vec<Effect>) {
        let back = self.streams.held_for(now, self.playbook.longest_window());
        // Nothing to wait for when nothing was opened, or when a person wants out now.
        let nothing_to_see = self.run_began.is_none() || self.hurried;
        if !back && !nothing_to_see {
            if self.waited(now) <= self.playbook.recovery {
                return;
            }
            let within = humantime::format_duration(self.playbook.recovery);
            let now_is = self.streams.describe();
            self.residue.push(format!("steady state did not come back within {within}: {now_is}"));
        }
        self.finish(now, effects);
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
}
