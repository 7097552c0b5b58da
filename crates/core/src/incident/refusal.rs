//! Why an act may be refused, in words that say what to do instead.
//!
//! Owns [`Refusal`]; leaves the rules to the engine beside it.

use crate::event::ItemId;
use crate::units::Name;

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
    #[error("not everything is finished: {}", .0.join(", "))]
    Unfinished(Vec<String>),
}
