//! Quantities as people write them in files: durations, percentages, names.
//!
//! Owns parsing and printing of the quantities; leaves their place in a file to [`crate::source`]. Each type
//! refuses what it cannot mean, with a message that shows the accepted form.

mod bytes;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub use bytes::{Rate, Size};

/// A quantity that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a duration.
    #[error("{0:?} is not a duration; write a number with a unit, such as 250ms, 2s, 1m 30s or 2h")]
    Duration(String),
    /// Not a percentage between 0 and 100.
    #[error("{0:?} is not a percentage between 0% and 100%; write it as 99% or 99.5%")]
    Percent(String),
    /// Not a size.
    #[error("{0:?} is not a size; write a number with a unit, such as 512KiB, 64MiB or 2GB")]
    Size(String),
    /// Not a rate.
    #[error("{0:?} is not a rate; write bytes or bits a second, such as 1MiB/s, 500KB/s or 10mbit")]
    Rate(String),
    /// Not an amount of processor time.
    #[error("{0:?} is not an amount of processors; write 0.5 for half of one, 2 for two")]
    Cpus(String),
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
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Percent(f64);

// It is never NaN.
impl Eq for Percent {}

impl Percent {
    /// The ratio, between 0 and 1.
    #[must_use]
    pub const fn ratio(self) -> f64 {
        self.0
    }

    /// From a ratio; clamped to 0 and 1, and 0 when it is no number.
    #[must_use]
    pub const fn from_ratio(ratio: f64) -> Self {
        Self(if ratio.is_nan() { 0.0 } else { ratio.clamp(0.0, 1.0) })
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

/// Processor time in thousandths of one processor, written `0.5` or `2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus(pub u32);

impl FromStr for Cpus {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError::Cpus(text.to_owned());
        let thousandths = (text.trim().parse::<f64>().map_err(|_| bad())? * 1e3).round();
        if (1.0..=1e7).contains(&thousandths) { Ok(Self(thousandths as u32)) } else { Err(bad()) }
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(self.0) / 1e3)
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
        impl ::serde::Serialize for $type {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as ::serde::Deserialize>::deserialize(deserializer)?.parse().map_err(::serde::de::Error::custom)
            }
        }
        impl ::schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $title.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $description, "pattern": $pattern })
            }
        }
    };
}
pub(crate) use text_form;

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
text_form!(Cpus, "Cpus", "Processor time, such as 0.5 for half of one processor.", r"^\s*\d+(\.\d+)?\s*$");
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
    fn sizes_rates_and_processors_read_and_print() {
        for (text, bytes) in
            [("512", 512), ("64KiB", 65_536), ("2gb", 2_000_000_000), ("1.5MiB", 1_572_864), ("0", 0)]
        {
            assert_eq!(text.parse::<Size>(), Ok(Size(bytes)), "{text}");
        }
        assert_eq!(Size(65_536).to_string(), "64KiB");
        assert_eq!(Size(1_500_000).to_string(), "1500KB");
        assert_eq!("10mbit".parse::<Rate>().map(|rate| rate.to_string()), Ok("1250KB/s".to_owned()));
        assert_eq!("1MiB/s".parse::<Rate>(), Ok(Rate(1 << 20)));
        assert_eq!(
            "0.5".parse::<Cpus>().map(|cpus| (cpus, cpus.to_string())),
            Ok((Cpus(500), "0.5".to_owned()))
        );
        for bad in ["", "x", "-1KiB", "1.5B", "3 parsecs", "99999999TiB", "1e3KB"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
        assert!(["1MiB", "0/s", "mbit", ""].iter().all(|bad| bad.parse::<Rate>().is_err()));
        assert!(["0", "-1", "x", "1e9", "NaN"].iter().all(|bad| bad.parse::<Cpus>().is_err()));
    }

    #[test]
    fn names_are_plain() {
        assert!("lock-pileup-2".parse::<Name>().is_ok());
        for bad in ["", "-a", "a-", "a--b", "A", "a_b", "a b", "ä", &"a".repeat(65)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
