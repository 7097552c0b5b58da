//! What events say in one word: how loud, how bad, which kind of hole, which part of a drill, which verdict.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How loud an alert or a checklist is. The order is that of the queue: warning first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlertLevel {
    /// Act now.
    Warning,
    /// Be aware now, act soon.
    Caution,
    /// Be aware.
    Advisory,
    /// No alert: a phase change.
    Normal,
}

impl AlertLevel {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Caution => "caution",
            Self::Advisory => "advisory",
            Self::Normal => "normal",
        }
    }
}

/// How bad an incident is; lower numbers are worse, and when unsure the worse one is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentSeverity {
    /// Everybody is affected.
    Sev1,
    /// Many are affected.
    Sev2,
    /// Some are affected.
    Sev3,
    /// Nobody is affected yet.
    Sev4,
}

impl IncidentSeverity {
    /// `SEV1`, as people say it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sev1 => "SEV1",
            Self::Sev2 => "SEV2",
            Self::Sev3 => "SEV3",
            Self::Sev4 => "SEV4",
        }
    }
}

/// Reason's two kinds of hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SliceKind {
    /// Something done at a time.
    ActiveFailure,
    /// Something that was so all along.
    LatentCondition,
}

impl SliceKind {
    /// The words for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ActiveFailure => "active failure",
            Self::LatentCondition => "latent condition",
        }
    }
}

/// The parts of a drill, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The lab comes up.
    Prepare,
    /// Does steady state hold with every defence in place?
    Gate,
    /// Latent conditions are set; does steady state still hold?
    Baseline,
    /// The schedule runs, and users are watched.
    Run,
    /// There is an outage; responders work on it.
    Respond,
    /// Everything is taken back out.
    Revert,
    /// Is steady state back?
    Recovery,
    /// Over.
    Done,
}

impl Phase {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Gate => "gate",
            Self::Baseline => "baseline",
            Self::Run => "run",
            Self::Respond => "respond",
            Self::Revert => "revert",
            Self::Recovery => "recovery",
            Self::Done => "done",
        }
    }
}

/// How a drill ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Steady state was lost for longer than the playbook tolerates.
    Outage,
    /// It was not.
    NoOutage,
    /// A fault did not land, so nothing was tested.
    Invalid,
    /// Steady state did not hold before anything was opened.
    GateFailed,
    /// A condition or a person stopped it.
    Aborted,
}

impl Verdict {
    /// The word used on the command line and in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::NoOutage => "no-outage",
            Self::Invalid => "invalid",
            Self::GateFailed => "gate-failed",
            Self::Aborted => "aborted",
        }
    }
}
