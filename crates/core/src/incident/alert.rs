//! Alerts: what asks for attention, and the checklist it calls for.
//!
//! Owns raising them: queueing the checklist with its definition pinned, and the inhibits either way. Leaves noticing
//! that something is wrong to probes, playbooks and people.

use sha2::{Digest, Sha256};

use crate::Timestamp;
use crate::checklist::Checklist;
use crate::event::{Actor, AlertLevel, Body, Event};
use crate::source::Source;
use crate::text::printable;
use crate::units::Name;

use super::Incident;
use super::board::Board;
use super::view::ChecklistState;

/// Something that asks for attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its name.
    pub name: Name,
    /// How loud.
    pub level: AlertLevel,
    /// What it says.
    pub title: String,
    /// The checklist it calls for, also when its definition is not at hand.
    pub checklist: Option<Name>,
}

impl Alert {
    /// The alert that calls for a checklist under the checklist's own name, level and title.
    #[must_use]
    pub fn for_checklist(checklist: &Checklist) -> Self {
        let name = checklist.name.value.clone();
        let (level, title) = (checklist.level, checklist.title.clone());
        Self { checklist: Some(name.clone()), name, level, title }
    }
}

impl Incident {
    /// Raises an alert and queues its checklist, pinned to the definition given. A checklist that is in the incident
    /// already keeps its first definition; when it was finished, it begins anew.
    #[must_use]
    pub fn alert(
        &self,
        now: Timestamp,
        by: &Actor,
        alert: &Alert,
        definition: Option<(&Source, &Checklist)>,
    ) -> Vec<Event> {
        let raised = Body::AlertRaised {
            alert: alert.name.clone(),
            level: alert.level,
            title: printable(&alert.title),
            checklist: alert.checklist.clone().or_else(|| definition.map(|(_, c)| c.name.value.clone())),
        };
        let mut events = vec![Event::now(now, by.clone(), raised)];
        if let Some(definition) = definition {
            events.extend(self.call_for(now, by, &alert.name, definition, &events));
        }
        self.board.clone().settle(events, now)
    }

    /// Queues the checklist that an alert calls for; `before` is what the incident does not know yet.
    fn call_for(
        &self,
        now: Timestamp,
        by: &Actor,
        alert: &Name,
        (source, checklist): (&Source, &Checklist),
        before: &[Event],
    ) -> Vec<Event> {
        let name = &checklist.name.value;
        let queued = match self.board.runs.get(name) {
            None => Body::ChecklistQueued {
                checklist: name.clone(),
                title: checklist.title.clone(),
                level: checklist.level,
                version: checklist.version.clone().unwrap_or_else(|| "unversioned".to_owned()),
                digest: Sha256::digest(source.text.as_bytes())
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect(),
                definition: source.text.clone(),
                alert: Some(alert.clone()),
            },
            Some(run) if run.is_finished() => Body::ChecklistReset {
                checklist: name.clone(),
                reason: "called for again".to_owned(),
                run: run.number.saturating_add(1),
            },
            Some(_) => return Vec::new(),
        };
        let mut board: Board = self.board.clone();
        let mut events = vec![Event::now(now, by.clone(), queued)];
        for event in before.iter().chain(&events) {
            board.apply(event);
        }
        let inhibited = |checklist: &Name, by: &Name| {
            let (checklist, inhibited_by) = (checklist.clone(), by.clone());
            Event::now(now, Actor::tool(), Body::ChecklistInhibited { checklist, inhibited_by })
        };
        if let Some(inhibitor) = board.inhibitor(name)
            && board.runs.get(name).is_some_and(|run| run.state == ChecklistState::Queued)
        {
            events.push(inhibited(name, inhibitor));
        } else {
            events.extend(board.inhibited_now_by(name).map(|run| inhibited(&run.name, name)));
        }
        events
    }
}
