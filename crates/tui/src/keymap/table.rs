//! The table of every action.
//!
//! Owns the actions, their words, their usual keys and where they may be meant. The order is that of the footer: what
//! one is likely to want first comes first.

/// Something a person can do on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Opens the checklist; a held or inhibited one too.
    Open,
    /// Says that the current line is done; asks for a reading or a second person where one is needed.
    Confirm,
    /// Answers the decision with yes.
    Yes,
    /// Answers the decision with no.
    No,
    /// Answers the decision with the choice of that number.
    Choose,
    /// Shows the line's command, and runs it on a second press.
    Run,
    /// Confirms or answers with the time it really happened, such as -3m or 14:03.
    BackDate,
    /// Goes past the line with a reason.
    Override,
    /// Takes a confirmation or an override back.
    Undo,
    /// Leaves a deferred line for later; again, with a reason: says it is needed no more.
    Defer,
    /// Shows the whole entry.
    Details,
    /// Goes to the next entry that matches.
    NextMatch,
    /// Goes to the entry before that matches.
    PrevMatch,
    /// Shows or folds what this one keeps out of the queue.
    Fold,
    /// Takes control that nobody has.
    Assume,
    /// Offers, accepts, hands over or declines control.
    Control,
    /// Writes something down; may begin with a time, such as -3m.
    Note,
    /// Judges anew how bad it is.
    Severity,
    /// Ends the response, with a summary.
    Close,
    /// Puts the checklist aside for a while.
    Hold,
    /// Begins the checklist anew, with a reason.
    Reset,
    /// Declares that the whole checklist does not apply, with a reason.
    OverrideChecklist,
    /// Says that the alert's condition is gone.
    ClearAlert,
    /// Goes to the next pane.
    NextPane,
    /// Goes to the pane before.
    PrevPane,
    /// Goes up a line.
    Up,
    /// Goes down a line.
    Down,
    /// Goes up a page.
    PageUp,
    /// Goes down a page.
    PageDown,
    /// Goes to the first line.
    First,
    /// Goes to the last line; in the timeline, follows again.
    Last,
    /// Shows only timeline entries that contain what is typed.
    Filter,
    /// Shows the keys that work here, now.
    Help,
    /// Lists every action with its key.
    Palette,
    /// Takes away the message, then the filter, then goes back to the queue.
    Back,
    /// Leaves the pane; from the queue, leaves the screen. The incident stays open.
    Quit,
    /// Asks, then leaves the screen.
    QuitNow,
    /// Puts the screen in the background; fg brings it back.
    Suspend,
}

/// A pane of the screen, and with it what keys act on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The checklists that ask for attention.
    #[default]
    Queue,
    /// The open checklist.
    Checklist,
    /// What has happened.
    Timeline,
}

impl Place {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Checklist => "checklist",
            Self::Timeline => "timeline",
        }
    }
}

/// One action with its words and usual keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Which.
    pub action: Action,
    /// Its name in settings.
    pub id: &'static str,
    /// One or two words, for the footer.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub does: &'static str,
    /// The same in plain mode; empty when plain mode has no need of it.
    pub plain: &'static str,
    /// Its usual keys.
    pub keys: &'static [&'static str],
    /// Where it can be meant.
    pub places: &'static [Place],
}

impl Binding {
    /// Whether it can be meant at a place.
    #[must_use]
    pub fn at(&self, place: Place) -> bool {
        self.places.contains(&place)
    }

    /// Whether both can be meant at some place.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.places.iter().any(|place| other.at(*place))
    }
}

/// Anywhere.
const ALL: &[Place] = &[Place::Queue, Place::Checklist, Place::Timeline];
/// Where a checklist is meant.
const LISTS: &[Place] = &[Place::Queue, Place::Checklist];
const QUEUE: &[Place] = &[Place::Queue];
const CHECKLIST: &[Place] = &[Place::Checklist];
const TIMELINE: &[Place] = &[Place::Timeline];

/// Every action.
pub const BINDINGS: &[Binding] = &[
    Binding {
        action: Action::Open,
        id: "open",
        name: "open",
        does: "Opens the checklist; a held or inhibited one too",
        plain: "open CHECKLIST",
        keys: &["Enter", "Space"],
        places: QUEUE,
    },
    Binding {
        action: Action::Confirm,
        id: "confirm",
        name: "confirm",
        does: "Says that the current line is done; asks for a reading or a second person where one is needed",
        plain: "confirm N [READING] [with NAME]",
        keys: &["Enter", "Space"],
        places: CHECKLIST,
    },
    Binding {
        action: Action::Yes,
        id: "yes",
        name: "yes",
        does: "Answers the decision with yes",
        plain: "answer N yes",
        keys: &["y"],
        places: CHECKLIST,
    },
    Binding {
        action: Action::No,
        id: "no",
        name: "no",
        does: "Answers the decision with no",
        plain: "answer N no",
        keys: &["n"],
        places: CHECKLIST,
    },
    Binding {
        action: Action::Choose,
        id: "choose",
        name: "answer",
        does: "Answers the decision with the choice of that number",
        plain: "answer N CHOICE",
        keys: &["1", "2", "3", "4", "5", "6", "7", "8", "9"],
        places: CHECKLIST,
    },
    Binding {
        action: Action::Run,
        id: "run",
        name: "run",
        does: "Shows the line's command, and runs it on a second press",
        plain: "run N [with NAME]",
        keys: &["r"],
        places: CHECKLIST,
    },
    Binding {
        action: Action::BackDate,
        id: "back-date",
        name: "earlier",
        does: "Confirms or answers with the time it really happened, such as -3m or 14:03",
        plain: "-3m confirm N",
        keys: &["b"],
        places: CHECKLIST,
    },
    Binding {
        action: Action::Override,
        id: "override",
        name: "override",
        does: "Goes past the line with a reason",
        plain: "override N REASON [with NAME]",
        keys: &["o"],
        places: CHECKLIST,
    },
    Binding {
        action: Action::Undo,
        id: "undo",
        name: "undo",
        does: "Takes a confirmation or an override back",
        plain: "reopen N REASON, clear-override N",
        keys: &["u"],
        places: CHECKLIST,
    },
    Binding {
        action: Action::Defer,
        id: "defer",
        name: "defer",
        does: "Leaves a deferred line for later; again, with a reason: says it is needed no more",
        plain: "defer N, cancel-deferral N REASON",
        keys: &["d"],
        places: CHECKLIST,
    },
    Binding {
        action: Action::Details,
        id: "details",
        name: "details",
        does: "Shows the whole entry",
        plain: "",
        keys: &["Enter", "Space"],
        places: TIMELINE,
    },
    Binding {
        action: Action::NextMatch,
        id: "next-match",
        name: "next",
        does: "Goes to the next entry that matches",
        plain: "",
        keys: &["n"],
        places: TIMELINE,
    },
    Binding {
        action: Action::PrevMatch,
        id: "previous-match",
        name: "previous",
        does: "Goes to the entry before that matches",
        plain: "",
        keys: &["N"],
        places: TIMELINE,
    },
    Binding {
        action: Action::Fold,
        id: "fold",
        name: "unfold",
        does: "Shows or folds what this one keeps out of the queue",
        plain: "status",
        keys: &["f"],
        places: QUEUE,
    },
    Binding {
        action: Action::Assume,
        id: "assume",
        name: "take control",
        does: "Takes control that nobody has",
        plain: "assume",
        keys: &["a"],
        places: ALL,
    },
    Binding {
        action: Action::Control,
        id: "control",
        name: "control",
        does: "Offers, accepts, hands over or declines control",
        plain: "offer NAME [BRIEF], accept, transfer, decline WHY",
        keys: &["c"],
        places: ALL,
    },
    Binding {
        action: Action::Note,
        id: "note",
        name: "note",
        does: "Writes something down; may begin with a time, such as -3m",
        plain: "note TEXT",
        keys: &["i", "t"],
        places: ALL,
    },
    Binding {
        action: Action::Severity,
        id: "severity",
        name: "severity",
        does: "Judges anew how bad it is",
        plain: "severity 1..4",
        keys: &["s"],
        places: ALL,
    },
    Binding {
        action: Action::Close,
        id: "close",
        name: "close",
        does: "Ends the response, with a summary",
        plain: "close SUMMARY",
        keys: &["x"],
        places: ALL,
    },
    Binding {
        action: Action::Hold,
        id: "hold",
        name: "hold",
        does: "Puts the checklist aside for a while",
        plain: "hold CHECKLIST DURATION [REASON]",
        keys: &["H"],
        places: LISTS,
    },
    Binding {
        action: Action::Reset,
        id: "reset",
        name: "start anew",
        does: "Begins the checklist anew, with a reason",
        plain: "reset CHECKLIST REASON",
        keys: &["R"],
        places: LISTS,
    },
    Binding {
        action: Action::OverrideChecklist,
        id: "override-checklist",
        name: "override all",
        does: "Declares that the whole checklist does not apply, with a reason",
        plain: "override-checklist CHECKLIST REASON [with NAME]",
        keys: &["O"],
        places: LISTS,
    },
    Binding {
        action: Action::ClearAlert,
        id: "clear-alert",
        name: "clear alert",
        does: "Says that the alert's condition is gone",
        plain: "clear-alert ALERT",
        keys: &["C"],
        places: LISTS,
    },
    Binding {
        action: Action::NextPane,
        id: "next-pane",
        name: "next pane",
        does: "Goes to the next pane",
        plain: "",
        keys: &["Tab", "Right", "l"],
        places: ALL,
    },
    Binding {
        action: Action::PrevPane,
        id: "previous-pane",
        name: "pane before",
        does: "Goes to the pane before",
        plain: "",
        keys: &["BackTab", "Left", "h"],
        places: ALL,
    },
    Binding {
        action: Action::Up,
        id: "up",
        name: "up",
        does: "Goes up a line",
        plain: "",
        keys: &["Up", "k"],
        places: ALL,
    },
    Binding {
        action: Action::Down,
        id: "down",
        name: "down",
        does: "Goes down a line",
        plain: "",
        keys: &["Down", "j"],
        places: ALL,
    },
    Binding {
        action: Action::PageUp,
        id: "page-up",
        name: "page up",
        does: "Goes up a page",
        plain: "",
        keys: &["PgUp"],
        places: ALL,
    },
    Binding {
        action: Action::PageDown,
        id: "page-down",
        name: "page down",
        does: "Goes down a page",
        plain: "",
        keys: &["PgDn"],
        places: ALL,
    },
    Binding {
        action: Action::First,
        id: "first",
        name: "first",
        does: "Goes to the first line",
        plain: "",
        keys: &["Home", "g"],
        places: ALL,
    },
    Binding {
        action: Action::Last,
        id: "last",
        name: "last",
        does: "Goes to the last line; in the timeline, follows again",
        plain: "",
        keys: &["End", "G"],
        places: ALL,
    },
    Binding {
        action: Action::Filter,
        id: "filter",
        name: "filter",
        does: "Shows only timeline entries that contain what is typed",
        plain: "",
        keys: &["/"],
        places: ALL,
    },
    Binding {
        action: Action::Help,
        id: "help",
        name: "help",
        does: "Shows the keys that work here, now",
        plain: "help",
        keys: &["?"],
        places: ALL,
    },
    Binding {
        action: Action::Palette,
        id: "palette",
        name: "all actions",
        does: "Lists every action with its key",
        plain: "help",
        keys: &[":"],
        places: ALL,
    },
    Binding {
        action: Action::Back,
        id: "back",
        name: "back",
        does: "Takes away the message, then the filter, then goes back to the queue",
        plain: "",
        keys: &["Esc"],
        places: ALL,
    },
    Binding {
        action: Action::Quit,
        id: "quit",
        name: "leave",
        does: "Leaves the pane; from the queue, leaves the screen. The incident stays open",
        plain: "quit",
        keys: &["q"],
        places: ALL,
    },
    Binding {
        action: Action::QuitNow,
        id: "quit-now",
        name: "leave the screen",
        does: "Asks, then leaves the screen",
        plain: "quit",
        keys: &["Ctrl-c"],
        places: ALL,
    },
    Binding {
        action: Action::Suspend,
        id: "suspend",
        name: "suspend",
        does: "Puts the screen in the background; fg brings it back",
        plain: "",
        keys: &["Ctrl-z"],
        places: ALL,
    },
];
