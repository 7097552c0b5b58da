//! Quantities as people write them in files: durations, percentages, names.
//!
//! Owns parsing and printing of the quantities; leaves their place in a file to [`crate::source`]. Each type
//! refuses what it cannot mean, with a message that shows the accepted form.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A quantity that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a duration.
    #[error("{0:?} is not a duration; write a number with a unit, such as 250ms, 2s, 1m 30s or 2h")]
    Duration(String),
    /// Not a percentage between 0 and 100.
    #[error("{0:?} is not a percentage between 0% and 100%; write it as 99% or 99.5%")]
    Percent(String),
    /// Not a name.
    #[error("{0:?} is not a name; use lower-case letters, digits and single hyphens, such as lock-pileup")]
    Name(String),
}

/// A length of time, written `250ms`, `2s`, `1m 30s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(pub Duration);

impl HumanDuration {
    /// This many milliseconds.
    #[must_use]
    pub const fn millis(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    /// This many seconds.
    #[must_use]
    pub const fn secs(s: u64) -> Self {
        Self(Duration::from_secs(s))
    }
}

impl FromStr for HumanDuration {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        humantime::parse_duration(text.trim()).map(Self).map_err(|_| UnitError::Duration(text.to_owned()))
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// A share of a whole, written `99%` or `99.5%`; kept as a ratio between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Percent(f64);

impl Percent {
    /// The ratio, between 0 and 1.
    #[must_use]
    pub const fn ratio(self) -> f64 {
        self.0
    }

    /// From a ratio; clamped to 0 and 1.
    #[must_use]
    pub const fn from_ratio(ratio: f64) -> Self {
        Self(ratio.clamp(0.0, 1.0))
    }
}

impl FromStr for Percent {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        text.trim()
            .strip_suffix('%')
            .and_then(|number| number.trim().parse::<f64>().ok())
            .filter(|value| (0.0..=100.0).contains(value))
            .map(|value| Self(value / 100.0))
            .ok_or_else(|| UnitError::Percent(text.to_owned()))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded to a millionth of a percent, so that 0.995 prints as 99.5.
        write!(f, "{}%", (self.0 * 100.0 * 1e6).round() / 1e6)
    }
}

/// The name of a playbook, slice, probe, checklist, item or alert: lower-case words joined by hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let word = |w: &str| !w.is_empty() && w.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if text.len() <= 64 && text.split('-').all(word) {
            Ok(Self(text.to_owned()))
        } else {
            Err(UnitError::Name(text.to_owned()))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Serde and JSON Schema for a type that is one string in files.
macro_rules! text_form {
    ($type:ident, $title:literal, $description:literal, $pattern:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $title.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $description, "pattern": $pattern })
            }
        }
    };
}

text_form!(
    HumanDuration,
    "Duration",
    "A duration: a number with a unit, such as 250ms, 2s or 1m 30s.",
    r"^\s*(\d+\s*[A-Za-zµ]+\s*)+$"
);
text_form!(
    Percent,
    "Percent",
    "A percentage between 0% and 100%, such as 99.5%.",
    r"^\s*\d+(\.\d+)?\s*%\s*$"
);
text_form!(Name, "Name", "Lower-case words and digits joined by single hyphens.", "^[a-z0-9]+(-[a-z0-9]+)*$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print() {
        for (text, ms) in [("250ms", 250), ("2s", 2000), ("1m 30s", 90_000), ("0s", 0), ("7200s", 7_200_000)]
        {
            assert_eq!(text.parse::<HumanDuration>(), Ok(HumanDuration::millis(ms)), "{text}");
        }
        assert_eq!(HumanDuration::secs(90).to_string(), "1m 30s");
        for bad in ["", "5", "-1s", "2 fortnights", "1e99s"] {
            assert!(bad.parse::<HumanDuration>().is_err(), "{bad}");
        }
    }

    #[test]
    fn percentages_are_ratios() {
        assert_eq!("99.5%".parse::<Percent>().map(|p| p.to_string()), Ok("99.5%".to_owned()));
        for bad in ["99", "101%", "-1%", "x%", "NaN%"] {
            assert!(bad.parse::<Percent>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_plain() {
        assert!("lock-pileup-2".parse::<Name>().is_ok());
        for bad in ["", "-a", "a-", "a--b", "A", "a_b", "a b", "ä", &"a".repeat(65)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
