//! What a person can do in an incident, and why it may be refused.
//!
//! Owns [`Act`], [`Decision`] and [`Refusal`]: the one vocabulary of the screen, the plain mode, the command line and
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
    /// Says that an alert's condition is gone.
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

/// Why an act was not allowed. Nothing was recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no incident.
    #[error("no incident is open here")]
    NotOpened,
    /// It is over.
    #[error("the incident is closed; only notes can be added")]
    Closed,
    /// A person needs a name.
    #[error("nobody can act without a name")]
    Nameless,
    /// Nobody commands yet.
    #[error("nobody has control yet: assume control first")]
    NobodyInControl,
    /// Somebody else commands.
    #[error("{holder} has control; ask for it, or ask {holder} to do this")]
    NotInControl {
        /// Who.
        holder: String,
    },
    /// Somebody commands already.
    #[error("{holder} has control; it moves in three calls: offer, accept, transfer")]
    AlreadyHeld {
        /// Who.
        holder: String,
    },
    /// Control cannot be offered to its holder.
    #[error("{0} has control already")]
    OfferToHolder(String),
    /// One offer at a time.
    #[error("control is already being offered to {0}; decline or complete that first")]
    OfferPending(String),
    /// There is no offer this call could answer.
    #[error("{0}")]
    NoOffer(&'static str),
    /// A required text is empty.
    #[error("a {0} is needed")]
    Missing(&'static str),
    /// Times may lie in the past only.
    #[error("that time lies in the future")]
    InFuture,
    /// No such alert is active.
    #[error("no alert `{0}` is active")]
    NoSuchAlert(Name),
    /// No such checklist is in this incident.
    #[error("no checklist `{0}` is in this incident")]
    NoSuchChecklist(Name),
    /// No such item is in that checklist.
    #[error("no item `{0}`; {1}")]
    NoSuchItem(ItemId, String),
    /// The pinned text cannot be read by this version.
    #[error(
        "the pinned text of `{0}` cannot be read by this version; override it as a whole, or work it on paper"
    )]
    Unreadable(Name),
    /// The checklist's state does not admit the act.
    #[error("`{checklist}` is {state}: {hint}")]
    WrongState {
        /// Which.
        checklist: Name,
        /// Its state's word.
        state: &'static str,
        /// What can be done.
        hint: &'static str,
    },
    /// Only a probe completes a sensed item.
    #[error("only its probe completes `{item}` (it says {sense}); look, wait, or override it with a reason")]
    OnlyItsProbe {
        /// Which.
        item: ItemId,
        /// What the probe says.
        sense: &'static str,
    },
    /// The probe answers this decision.
    #[error("its probe answers `{item}`: {answer}")]
    ProbeAnswers {
        /// Which.
        item: ItemId,
        /// With what.
        answer: String,
    },
    /// That is not an answer to this decision.
    #[error("`{answer}` does not answer `{item}`; {hint}")]
    NotAnAnswer {
        /// Which.
        item: ItemId,
        /// What was given.
        answer: String,
        /// What would do.
        hint: String,
    },
    /// The item's branch is not taken.
    #[error("`{0}` is inactive: its branch does not apply")]
    Inactive(ItemId),
    /// The item's branch is not decided.
    #[error("`{item}` depends on `{decision}`, which is not answered yet")]
    Undetermined {
        /// Which.
        item: ItemId,
        /// On what.
        decision: ItemId,
    },
    /// The item's state does not admit the act.
    #[error("`{item}` is {state}: {hint}")]
    WrongItem {
        /// Which.
        item: ItemId,
        /// Its state or kind, in words.
        state: &'static str,
        /// What can be done.
        hint: &'static str,
    },
    /// The item asks for a value.
    #[error("`{item}` asks for a reading: {reading}")]
    NeedsReading {
        /// Which.
        item: ItemId,
        /// What.
        reading: String,
    },
    /// A command needs a value nobody has given yet.
    #[error("the command of `{item}` needs the reading of `{reading}`, which is not there yet")]
    NoReading {
        /// Which.
        item: ItemId,
        /// The other item.
        reading: String,
    },
    /// Two people are needed.
    #[error("{0} cannot be taken back: a second person, other than you, must agree")]
    NeedsSecond(String),
    /// The later moment is past.
    #[error("`{item}` cannot be left for `{to}`, which is complete: do it now")]
    NotDeferrable {
        /// Which.
        item: ItemId,
        /// The moment.
        to: Name,
    },
    /// Something is left to do.
    #[error("unfinished: {}; close with confirmation to abandon", .0.join(", "))]
    Unfinished(Vec<String>),
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
