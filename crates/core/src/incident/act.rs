//! What a person can do in an incident, and what follows from it.
//!
//! Owns [`Act`] and [`Decision`]: the one vocabulary of the screen, the plain mode, the command line and
//! scripts of responders (design law 11). Leaves the rules to the engine beside it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::event::{Event, IncidentSeverity, ItemId};
use crate::units::{HumanDuration, Name};

/// One act of a person. Items are written `CHECKLIST/ITEM`; `occurred` back-dates the act to when it really happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "act", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Act {
    /// Writes something down. Allowed to everybody, always.
    Note {
        /// What.
        text: String,
        /// When it was so, if not now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        occurred: Option<Timestamp>,
    },
    /// Judges anew how bad it is; for the holder of control.
    SetSeverity {
        /// The new judgement.
        severity: IncidentSeverity,
    },
    /// Takes control that nobody holds: the first act on any incident.
    AssumeControl,
    /// First call: "Will you take control?" The giver still holds it.
    Offer {
        /// To whom.
        to: String,
        /// What the receiver must know; written by the engine when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        brief: Option<String>,
    },
    /// Second call, by the receiver: "I have control."
    Accept,
    /// Third call, by the giver: "You have control." Only here does it move.
    Transfer,
    /// The receiver turns the offer down, or the giver takes it back.
    Decline {
        /// Why.
        because: String,
    },
    /// Says that an alert's condition is gone. Allowed also while nobody has control.
    ClearAlert {
        /// Which.
        alert: Name,
    },
    /// Opens a queued, held or inhibited checklist.
    Open {
        /// Which.
        checklist: Name,
    },
    /// Puts an open checklist aside; it comes back by itself.
    Hold {
        /// Which.
        checklist: Name,
        /// For how long.
        resume_in: HumanDuration,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// Begins a checklist anew. Deferred items keep their state.
    Reset {
        /// Which.
        checklist: Name,
        /// Why.
        reason: String,
    },
    /// Declares that a checklist does not apply as a whole; for the holder of control.
    OverrideChecklist {
        /// Which.
        checklist: Name,
        /// Why.
        reason: String,
        /// The second person, when it holds killer or irreversible items.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        with: Option<String>,
    },
    /// Says that an item is done.
    Confirm {
        /// Which.
        #[serde(with = "item_text")]
        #[schemars(with = "String")]
        item: ItemId,
        /// The value read off, when the item asks for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reading: Option<String>,
        /// The second person, when the item is irreversible.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        with: Option<String>,
        /// When it was done, if not now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        occurred: Option<Timestamp>,
    },
    /// Takes a confirmation back.
    Reopen {
        /// Which.
        #[serde(with = "item_text")]
        #[schemars(with = "String")]
        item: ItemId,
        /// Why.
        reason: String,
    },
    /// Answers a decision; may be changed at any time while the checklist is open.
    Answer {
        /// Which.
        #[serde(with = "item_text")]
        #[schemars(with = "String")]
        item: ItemId,
        /// One of its answers.
        answer: String,
        /// When it was seen, if not now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        occurred: Option<Timestamp>,
    },
    /// Goes past an item; also cuts a wait short.
    Override {
        /// Which.
        #[serde(with = "item_text")]
        #[schemars(with = "String")]
        item: ItemId,
        /// Why.
        reason: String,
        /// The second person, when the item is killer or irreversible.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        with: Option<String>,
        /// When it was decided, if not now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        occurred: Option<Timestamp>,
    },
    /// Takes an override back.
    ClearOverride {
        /// Which.
        #[serde(with = "item_text")]
        #[schemars(with = "String")]
        item: ItemId,
    },
    /// Leaves an item of the deferred part for its later moment, before the rest is done.
    Defer {
        /// Which.
        #[serde(with = "item_text")]
        #[schemars(with = "String")]
        item: ItemId,
    },
    /// Says that a deferred item is needed no more.
    CancelDeferral {
        /// Which.
        #[serde(with = "item_text")]
        #[schemars(with = "String")]
        item: ItemId,
        /// Why.
        reason: String,
    },
    /// Asks for an item's command: the decision carries its argument list. Confirms nothing.
    Run {
        /// Which.
        #[serde(with = "item_text")]
        #[schemars(with = "String")]
        item: ItemId,
        /// The second person, when the item is irreversible.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        with: Option<String>,
    },
    /// Reports what became of an item's command.
    Ran {
        /// Which.
        #[serde(with = "item_text")]
        #[schemars(with = "String")]
        item: ItemId,
        /// What was run, without secrets.
        command: Vec<String>,
        /// Its exit status; none when it could not be started or a signal ended it.
        #[serde(default)]
        exit: Option<i32>,
        /// The end of what it printed, without secrets.
        #[serde(default)]
        output: String,
    },
    /// Ends the response; for the holder of control.
    Close {
        /// How it ended.
        summary: String,
        /// Close although something is unfinished: that is then recorded as abandoned.
        #[serde(default)]
        confirm: bool,
    },
}

/// What follows from an act that was allowed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// To be appended to the timeline, in this order, as one.
    pub events: Vec<Event>,
    /// To be run by the caller (variables of the lab filled in by it), then reported with [`Act::Ran`].
    pub run: Option<Vec<String>>,
}

/// Items as `CHECKLIST/ITEM`, so that people can write them.
mod item_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::event::ItemId;

    pub(super) fn serialize<S: Serializer>(item: &ItemId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(item)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ItemId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_are_written_as_people_write_them() {
        let text = r#"{"act":"confirm","item":"lock-pileup/head","reading":"4711"}"#;
        let act: Act = serde_json::from_str(text).expect("an act");
        assert!(matches!(&act, Act::Confirm { item, .. } if item.item == "head"), "{act:?}");
        assert_eq!(serde_json::to_string(&act).expect("JSON"), text);
        let act: Act = serde_json::from_str(r#"{"act":"assume-control"}"#).expect("an act");
        assert_eq!(act, Act::AssumeControl);
        for bad in [
            r#"{"act":"confirm","item":"head"}"#,
            r#"{"act":"confirm","item":"lock-pileup/head","raeding":"4711"}"#,
            r#"{"act":"hold","checklist":"lock-pileup","resume-in":"soon"}"#,
            r#"{"act":"eject"}"#,
        ] {
            assert!(serde_json::from_str::<Act>(bad).is_err(), "{bad}");
        }
    }
}
