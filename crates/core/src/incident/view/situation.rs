//! Rows around the checklists: the head of the screen, notes, alerts, faults, what users see.

use serde::Serialize;

use crate::Timestamp;
use crate::event::{AlertLevel, IncidentSeverity, Phase, Verdict};
use crate::fault::FaultKind;
use crate::ledger::FaultId;
use crate::units::Name;

/// The head of the screen: what this is and who commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct IncidentBar {
    /// What it is called.
    pub title: String,
    /// How bad it is.
    pub severity: IncidentSeverity,
    /// A drill, not the real thing.
    pub exercise: bool,
    /// The playbook it exercises.
    pub playbook: Option<Name>,
    /// When it was opened.
    pub opened_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Who commands.
    pub holder: Option<String>,
    /// Others who command too, found when logs were merged: to be shown loudly.
    pub dual_control: Vec<String>,
    /// Control on its way.
    pub pending: Option<OfferRow>,
    /// Which part of a drill.
    pub phase: Option<Phase>,
    /// How the drill ended.
    pub verdict: Option<Verdict>,
    /// How many faults may be in place.
    pub faults_active: usize,
    /// Since when users are hurt: the earliest loss of steady state that lasts.
    pub steady_state_lost_at: Option<Timestamp>,
}

/// Control on its way from one person to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OfferRow {
    /// Who still holds it.
    pub from: String,
    /// Who is to have it.
    pub to: String,
    /// Whether the second call was made.
    pub accepted: bool,
    /// What the receiver must know.
    pub brief: String,
    /// When the offer runs out.
    pub expires: Timestamp,
}

/// Something written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NoteRow {
    /// When it was so.
    pub occurred: Timestamp,
    /// When it was written.
    pub recorded: Timestamp,
    /// By whom.
    pub by: String,
    /// What.
    pub text: String,
}

/// One alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AlertRow {
    /// Its name.
    pub alert: Name,
    /// How loud.
    pub level: AlertLevel,
    /// What it says.
    pub title: String,
    /// The checklist it calls for.
    pub checklist: Option<Name>,
    /// Since when.
    pub raised_at: Timestamp,
    /// When its condition was gone.
    pub cleared_at: Option<Timestamp>,
}

/// How far a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultStage {
    /// May be in place.
    Applying,
    /// In place.
    Applied,
    /// In place, and its effect was seen.
    Proved,
    /// In place, and its effect was not seen.
    NotProved,
    /// Could not be taken out.
    Residue,
    /// Out.
    Undone,
}

impl FaultStage {
    /// Whether it may still do something.
    #[must_use]
    pub const fn is_active(self) -> bool {
        !matches!(self, Self::Undone)
    }

    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::Proved => "proved",
            Self::NotProved => "not proved",
            Self::Residue => "residue",
            Self::Undone => "undone",
        }
    }
}

/// One fault of the drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FaultRow {
    /// Which.
    pub id: FaultId,
    /// What.
    pub kind: FaultKind,
    /// To whom.
    pub target: String,
    /// How far it is.
    pub stage: FaultStage,
    /// Since when.
    pub since: Timestamp,
    /// The evidence, the reason, or what to do by hand.
    pub detail: String,
}

/// What users see, by one probe of steady state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SteadyRow {
    /// Which probe.
    pub probe: Name,
    /// Whether it is lost.
    pub lost: bool,
    /// Since when it is so.
    pub since: Timestamp,
    /// What was measured.
    pub measured: String,
}
