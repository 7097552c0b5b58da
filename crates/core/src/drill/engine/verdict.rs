//! How a drill ends: its verdict, once settled, stays, and everything is taken out.

use super::Drill;
use crate::drill::{Effect, Elapsed, Outcome};
use crate::event::{Body, Phase, Verdict};

impl Drill {
    pub(super) fn outage_reason(&self) -> String {
        format!("steady state was lost for {}", humantime::format_duration(self.playbook.outage_after))
    }

    pub(super) const fn may_stop(&self) -> bool {
        !matches!(self.phase, Phase::Revert | Phase::Recovery | Phase::Done)
    }

    /// Settles the verdict and takes everything out. A verdict that is settled stays.
    pub(super) fn conclude(
        &mut self,
        verdict: Verdict,
        because: String,
        now: Elapsed,
        effects: &mut Vec<Effect>,
    ) {
        if !self.may_stop() {
            return;
        }
        self.verdict = Some((verdict, because));
        self.schedule.clear();
        self.enter(Phase::Revert, now, effects);
        effects.push(Effect::Revert(self.safe_settings()));
    }

    pub(super) fn finish(&mut self, now: Elapsed, effects: &mut Vec<Effect>) {
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
