//! What users see, and what that calls for.

use super::Drill;
use crate::drill::{Effect, Elapsed};
use crate::event::Phase;

impl Drill {
    /// Judges what users see; losses call the responders.
    pub(super) fn watch(&mut self, now: Elapsed, effects: &mut Vec<Effect>) {
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
}
