//! Exit codes: one per kind of ending, stable, and the errors that lead to them.
//!
//! Owns the numbers and the one place where an error of any crate gets its number and its hint.

use std::fmt::{self, Display};

use deadstick_core::policy::Denied;
use deadstick_core::source::Diagnostic;
use deadstick_faults::FaultError;
use deadstick_lab::LabError;
use deadstick_runner::drill::DrillError;
use deadstick_runner::incidents::IncidentError;
use deadstick_runner::library::LibraryError;
use deadstick_runner::policy::PolicyError;
use deadstick_runner::session::SessionError;
use deadstick_timeline::LedgerError;

/// Done.
pub(crate) const DONE: u8 = 0;
/// Something inside went wrong.
pub(crate) const INTERNAL: u8 = 1;
/// The command line, or a file, cannot be understood.
pub(crate) const USAGE: u8 = 2;
/// Steady state did not hold before the start.
pub(crate) const GATE_FAILED: u8 = 3;
/// A fault did not land.
pub(crate) const INVALID: u8 = 4;
/// Something could not be undone.
pub(crate) const RESIDUE: u8 = 5;
/// Stopped by a condition or a person; all undone.
pub(crate) const ABORTED: u8 = 6;
/// Refused by policy, or the host cannot do it.
pub(crate) const REFUSED: u8 = 7;
/// The answer is no.
pub(crate) const NO: u8 = 8;

/// What to do when what must be written down cannot be.
const OTHER_STATE: &str = "nothing is injected that is not written down first; make room there, or name another folder with --state DIR";

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    /// What, where.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: Option<String>,
    /// Problems of a file, each with its place.
    pub(crate) problems: Vec<Diagnostic>,
}

/// What commands return: their exit code, or a failure to be shown.
pub(crate) type Answer = Result<u8, Failure>;

impl Failure {
    /// A failure of a kind.
    pub(crate) fn new(code: u8, message: impl Display) -> Self {
        Self { code, message: message.to_string(), hint: None, problems: Vec::new() }
    }

    /// With what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Something inside went wrong.
    pub(crate) fn internal(message: impl Display) -> Self {
        Self::new(INTERNAL, message)
    }

    /// The command line cannot be understood.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(USAGE, message)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<LibraryError> for Failure {
    fn from(error: LibraryError) -> Self {
        let message = error.to_string();
        match error {
            LibraryError::Wrong(problems) => Self { problems, ..Self::usage(message) },
            LibraryError::Unknown { .. } | LibraryError::Io { .. } => Self::usage(message),
        }
    }
}

impl From<Box<Diagnostic>> for Failure {
    fn from(problem: Box<Diagnostic>) -> Self {
        Self { problems: vec![*problem], ..Self::usage("a problem in this file") }
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Refused(refusal) => Self::new(NO, refusal),
            other => Self::internal(other),
        }
    }
}

impl From<IncidentError> for Failure {
    fn from(error: IncidentError) -> Self {
        match error {
            IncidentError::Unknown(_) | IncidentError::None | IncidentError::Ambiguous(..) => {
                Self::usage(error)
            }
            other => Self::internal(other),
        }
    }
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        let message = error.to_string();
        match error {
            LabError::Missing { package, .. } => Self::new(REFUSED, message)
                .hint(format!("install it, on Debian with: apt-get install {package}")),
            LabError::NotPermitted { .. } => Self::new(REFUSED, message),
            LabError::UnknownSetting { .. }
            | LabError::UnknownCommand { .. }
            | LabError::UnknownOption { .. }
            | LabError::UnknownHost { .. }
            | LabError::BadValue { .. } => Self::usage(message),
            LabError::NothingRuns { .. } => Self::new(NO, message),
            _ => Self::internal(message),
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Io { .. } | LedgerError::NotDurable(_) => Self::internal(error).hint(OTHER_STATE),
            other => Self::internal(other),
        }
    }
}

impl From<FaultError> for Failure {
    fn from(error: FaultError) -> Self {
        let message = error.to_string();
        match error {
            FaultError::Refused { what, hint } => Self::new(REFUSED, what).hint(hint),
            FaultError::Apply { residue: Some(left), .. } => {
                Self::new(RESIDUE, message).hint(format!("run: {}", left.manual))
            }
            FaultError::Apply { residue: None, .. } => Self::new(INVALID, message),
            FaultError::Aborted => Self::new(ABORTED, "stopped before it had landed; nothing of it is left"),
            FaultError::Ledger(_) => Self::internal(message).hint(OTHER_STATE),
            FaultError::Dsn(_) => Self::usage(message),
            _ => Self::internal(message),
        }
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        let message = error.to_string();
        match error {
            PolicyError::Denied(Denied { what, hint }) => Self::new(REFUSED, what).hint(hint),
            PolicyError::CutsControl(_) => Self::new(REFUSED, message),
            PolicyError::Wrong { problems, .. } => Self { problems, ..Self::usage(message) },
            PolicyError::Unreadable { .. } => Self::usage(message)
                .hint("name one that can be read by --policy FILE; an empty one allows nothing"),
            PolicyError::Ledger(error) => error.into(),
            PolicyError::Process(_) => Self::internal(message),
        }
    }
}

impl From<DrillError> for Failure {
    fn from(error: DrillError) -> Self {
        match error {
            DrillError::Order(error) => Self::usage(error),
            DrillError::Session(error) => error.into(),
            DrillError::Fault(error) => error.into(),
            DrillError::Lab(error) => error.into(),
        }
    }
}
