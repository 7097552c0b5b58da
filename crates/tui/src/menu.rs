//! Small menus: a letter or a number for each choice.
//!
//! Owns the severity and control menus. Leaves acting on the choice to the update.

use deadstick_core::event::IncidentSeverity;

use crate::intent::Intent;
use crate::snapshot::Snapshot;

/// One choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) key: char,
    pub(crate) label: String,
    pub(crate) intent: Intent,
}

/// An open menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Menu {
    pub(crate) title: &'static str,
    pub(crate) choices: Vec<Choice>,
    pub(crate) selected: usize,
}

/// The severities with what they mean.
pub(crate) const SEVERITIES: [(char, IncidentSeverity, &str); 4] = [
    ('1', IncidentSeverity::Sev1, "everybody is affected"),
    ('2', IncidentSeverity::Sev2, "many are affected"),
    ('3', IncidentSeverity::Sev3, "some are affected"),
    ('4', IncidentSeverity::Sev4, "nobody is affected yet"),
];

impl Menu {
    pub(crate) fn severity() -> Self {
        let choice = |(key, severity, means): (char, IncidentSeverity, &str)| Choice {
            key,
            label: format!("{}: {means}", severity.word()),
            intent: Intent::Severity(severity),
        };
        Self {
            title: "How bad is it? When unsure, the worse one",
            choices: SEVERITIES.map(choice).into(),
            selected: 0,
        }
    }

    /// The calls that this person can make now; the engine explains the others when they are made all the same.
    pub(crate) fn control(snapshot: &Snapshot, me: &str) -> Self {
        let choice = |key, label: &str, intent| Choice { key, label: label.to_owned(), intent };
        let take = || choice('h', "take control, which nobody has", Intent::Assume);
        let offer = || choice('o', "offer it: \"Will you take control?\"", Intent::Offer);
        let accept = || choice('a', "accept: \"I have control\"", Intent::Accept);
        let transfer = || choice('t', "hand over: \"You have control\"", Intent::Transfer);
        let decline = |label| choice('d', label, Intent::Decline);
        let choices = match (&snapshot.bar.holder, &snapshot.bar.pending) {
            (None, _) => vec![take()],
            (Some(_), Some(p)) if p.to == me && !p.accepted => {
                vec![accept(), decline("decline, with a reason")]
            }
            (Some(_), Some(p)) if p.to == me => vec![decline("step back, with a reason")],
            (Some(_), Some(p)) if p.from == me && p.accepted => {
                vec![transfer(), decline("take the offer back, with a reason")]
            }
            (Some(_), Some(p)) if p.from == me => vec![decline("take the offer back, with a reason")],
            (Some(holder), None) if holder == me => vec![offer()],
            (Some(_), _) => Vec::new(),
        };
        Self { title: "Control moves in three calls: offer, accept, hand over", choices, selected: 0 }
    }
}
