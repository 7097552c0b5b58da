//! An answer under way, and the bounds of what is kept of foreign text.
//!
//! Owns making texts printable and short (design law 12); leaves what the answer is to each kind of probe.

use std::time::Duration;

use deadstick_core::probe::{Answer, Observation};
use deadstick_core::text::printable;

/// How many characters of a value or a detail are kept.
const KEPT: usize = 200;

/// What a probe found, before it is timed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    answer: Answer,
    value: Option<String>,
    detail: String,
}

impl Verdict {
    pub(crate) fn satisfied(detail: impl Into<String>) -> Self {
        Self { answer: Answer::Satisfied, value: None, detail: detail.into() }
    }

    pub(crate) fn unsatisfied(detail: impl Into<String>) -> Self {
        Self { answer: Answer::Unsatisfied, value: None, detail: detail.into() }
    }

    pub(crate) fn unknown(detail: impl Into<String>) -> Self {
        Self { answer: Answer::Unknown, value: None, detail: detail.into() }
    }

    /// Satisfied or not.
    pub(crate) fn checked(holds: bool, detail: impl Into<String>) -> Self {
        if holds { Self::satisfied(detail) } else { Self::unsatisfied(detail) }
    }

    /// Nobody answered by then.
    pub(crate) fn silence(timeout: Duration) -> Self {
        Self::unknown(format!("no answer within {}", humane(timeout)))
    }

    /// Whether all is as expected.
    pub(crate) fn is_yes(&self) -> bool {
        self.answer == Answer::Satisfied
    }

    /// Whether the other side said no.
    pub(crate) fn is_no(&self) -> bool {
        self.answer == Answer::Unsatisfied
    }

    pub(crate) fn with_value(mut self, value: impl Into<String>) -> Self {
        self.value = Some(value.into());
        self
    }

    pub(crate) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The same, with a secret taken out of its texts.
    pub(crate) fn without(mut self, secret: &str) -> Self {
        if !secret.is_empty() {
            self.detail = self.detail.replace(secret, "***");
        }
        self
    }

    /// The detail, fit to keep.
    pub(crate) fn detail(&self) -> String {
        kept(&self.detail)
    }

    /// The whole, fit to keep.
    pub(crate) fn observed(self, took: Duration) -> Observation {
        Observation {
            answer: self.answer,
            value: self.value.as_deref().map(kept),
            detail: kept(&self.detail),
            took,
        }
    }
}

/// A duration as files write it.
pub(crate) fn humane(duration: Duration) -> String {
    deadstick_core::units::HumanDuration(duration).to_string()
}

/// Printable and short.
pub(crate) fn kept(text: &str) -> String {
    // Cut before cleaning, so that the work is bounded too; cleaning never lengthens.
    match text.char_indices().nth(KEPT) {
        None => printable(text),
        Some((end, _)) => {
            let mut short = printable(text.get(..end).unwrap_or_default());
            short.push('…');
            short
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_cleaned_and_cut() {
        let seen = Verdict::unknown("é".repeat(1000)).with_value("\u{1b}[2Jx").observed(Duration::ZERO);
        assert_eq!(seen.detail.chars().count(), KEPT + 1);
        assert_eq!(seen.value.as_deref(), Some("[2Jx"));
    }

    #[test]
    fn a_secret_does_not_reach_the_detail() {
        let seen = Verdict::unknown("login hunter2 refused").without("hunter2").observed(Duration::ZERO);
        assert_eq!(seen.detail, "login *** refused");
    }
}
