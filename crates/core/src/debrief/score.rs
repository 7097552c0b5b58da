//! What people did, compared with what would have been right.
//!
//! The rules: nothing counts before the onset, so nobody scores by being early; only naming the recorded target counts,
//! so nobody scores by naming nothing; an act counts only while the target last named is the right one. Everything goes
//! by when it happened, not by when it was recorded, and a [`Moment`] holds both. Leaves all other figures to
//! [`super::Debrief`].

use crate::event::{Actor, Body, Record};
use crate::units::{HumanDuration, Name};

use super::{Moment, Response};

/// What would have been right.
pub(super) struct Truth {
    pub(super) checklist: Name,
    pub(super) target: Option<(String, String)>,
    pub(super) act: Option<String>,
}

enum Judgement {
    NamedRight,
    NamedWrong,
    Unnamed,
    Acted,
    Neither,
}

impl Response {
    /// Scores what people did since the onset, which must be known by now.
    pub(super) fn score(&mut self, records: &[Record], truth: Option<&Truth>) {
        let Some(onset) = self.onset else { return };
        self.scored = truth.is_some();
        let moment = |record: &Record| Moment {
            at: record.event.occurred,
            recorded_at: record.event.recorded,
            by: record.event.by.clone(),
            after_onset: HumanDuration((record.event.occurred - onset).to_std().unwrap_or_default()),
        };
        let by_people = |r: &&Record| r.event.by != Actor::tool() && r.event.occurred >= onset;
        let mut acts: Vec<&Record> = records.iter().filter(by_people).collect();
        // The timeline is in the order of recording; the sort keeps it for what happened at the same moment.
        acts.sort_by_key(|record| record.event.occurred);
        let mut on_target = truth.is_some_and(|truth| truth.target.is_none());
        for record in acts {
            self.first_act.get_or_insert_with(|| moment(record));
            let Some(truth) = truth else { continue };
            match truth.judge(&record.event.body) {
                Judgement::NamedRight => {
                    on_target = true;
                    self.named_target.get_or_insert_with(|| moment(record));
                }
                Judgement::NamedWrong => {
                    on_target = false;
                    self.wrong_targets += 1;
                }
                Judgement::Unnamed => on_target = false,
                Judgement::Acted if on_target => {
                    self.acted_on_target.get_or_insert_with(|| moment(record));
                }
                Judgement::Acted | Judgement::Neither => {}
            }
        }
    }
}

impl Truth {
    fn judge(&self, body: &Body) -> Judgement {
        let is_act = |item: &str| self.act.as_deref() == Some(item);
        let right_of = |item: &str| self.target.as_ref().filter(|(wanted, _)| wanted == item);
        match body {
            Body::ItemConfirmed { item, reading, .. } if item.checklist == self.checklist => {
                match (right_of(&item.item), reading) {
                    (Some((_, right)), Some(reading)) if reading.trim() == right.trim() => {
                        Judgement::NamedRight
                    }
                    (Some(_), Some(_)) => Judgement::NamedWrong,
                    _ if is_act(&item.item) => Judgement::Acted,
                    _ => Judgement::Neither,
                }
            }
            Body::ItemRan { item, exit: Some(0), .. }
                if item.checklist == self.checklist && is_act(&item.item) =>
            {
                Judgement::Acted
            }
            Body::ItemReopened { item, .. }
                if item.checklist == self.checklist && right_of(&item.item).is_some() =>
            {
                Judgement::Unnamed
            }
            Body::ChecklistReset { checklist, .. }
                if *checklist == self.checklist && self.target.is_some() =>
            {
                Judgement::Unnamed
            }
            _ => Judgement::Neither,
        }
    }
}
