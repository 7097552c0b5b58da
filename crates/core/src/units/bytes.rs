//! Bytes, and bytes a second.

use std::fmt;
use std::str::FromStr;

use super::{UnitError, text_form};

/// A number of bytes, written `512`, `64KiB` or `2GB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

/// Units of bytes, the ones that print first.
const BYTES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// A number with a unit from a table, in whole multiples of the smallest one; units are read in any case.
fn measured(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (text.get(..split)?, text.get(split..)?.trim());
    let factor = match unit {
        "" => 1,
        unit => units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let scaled = number.parse::<f64>().ok()? * factor as f64;
    // Above this a float no longer counts single bytes.
    (scaled.fract() == 0.0 && (0.0..=9e15).contains(&scaled)).then_some(scaled as u64)
}

fn print_bytes(bytes: u64, f: &mut fmt::Formatter<'_>, after: &str) -> fmt::Result {
    let unit = BYTES.iter().find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    let (unit, factor) = unit.copied().unwrap_or(("B", 1));
    write!(f, "{}{unit}{after}", bytes / factor)
}

impl FromStr for Size {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        measured(text, &BYTES).map(Self).ok_or_else(|| UnitError::Size(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print_bytes(self.0, f, "")
    }
}

/// Bytes a second, written `1MiB/s`, `500KB/s` or `10mbit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(pub u64);

impl FromStr for Rate {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        const BITS: [(&str, u64); 4] =
            [("gbit", 1_000_000_000), ("mbit", 1_000_000), ("kbit", 1_000), ("bit", 1)];
        let trimmed = text.trim();
        let bytes = match trimmed.strip_suffix("/s") {
            Some(size) => measured(size, &BYTES),
            None if trimmed.ends_with("bit") => measured(trimmed, &BITS).map(|bits| bits / 8),
            None => None,
        };
        bytes.filter(|bytes| *bytes > 0).map(Self).ok_or_else(|| UnitError::Rate(text.to_owned()))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print_bytes(self.0, f, "/s")
    }
}

text_form!(
    Size,
    "Size",
    "A number of bytes with a unit, such as 64KiB or 2GB.",
    r"^\s*\d+(\.\d+)?\s*([KMGTkmgt][Ii]?)?[Bb]?\s*$"
);
text_form!(
    Rate,
    "Rate",
    "Bytes or bits a second, such as 1MiB/s or 10mbit.",
    r"^\s*\d+(\.\d+)?\s*(([KMGTkmgt][Ii]?)?[Bb]?/s|[kmg]?bit)\s*$"
);
