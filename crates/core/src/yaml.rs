//! YAML to typed values, with errors that point.
//!
//! The one place that knows the YAML crate: it moves fast, so its types stop here. Owns syntax, types, unknown and
//! missing keys, and the budget against alias bombs; leaves the meaning of what was read to each model's checks.

use serde::de::DeserializeOwned;
use serde_saphyr::{Error, Location, Options};

use crate::source::{Diagnostic, Place, Source, did_you_mean};

/// Reads a value.
///
/// # Errors
/// The first thing that is wrong, with its place and a hint.
pub fn read<T: DeserializeOwned>(source: &Source) -> Result<T, Box<Diagnostic>> {
    let mut options = Options::default();
    options.with_snippet = false;
    options.strict_booleans = true;
    serde_saphyr::from_str_with_options(&source.text, options)
        .map_err(|error| Box::new(diagnose(&error).in_source(source)))
}

/// Our place for the crate's location.
pub(crate) fn place_of(location: &Location) -> Place {
    let as_usize = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let span = location.span();
    let bytes = span.byte_offset().zip(span.byte_len()).map(|(start, len)| {
        let start = as_usize(start);
        start..start.saturating_add(as_usize(len))
    });
    Place { line: as_usize(location.line()), column: as_usize(location.column()), bytes }
}

/// Our words for the crate's error.
fn diagnose(error: &Error) -> Diagnostic {
    let place = error.location().map(|l| place_of(&l)).unwrap_or_default();
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            Diagnostic::new(format!("unknown key `{field}`"), place)
                .hint(did_you_mean(field, expected.iter().copied()))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            Diagnostic::new(format!("`{variant}` is not one of the values allowed here"), place)
                .hint(did_you_mean(variant, expected.iter().copied()))
        }
        Error::SerdeMissingField { field, .. } => {
            Diagnostic::new(format!("`{field}:` is missing here"), place).hint(format!("add `{field}:`"))
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            Diagnostic::new(format!("found {unexpected}, expected {expected}"), place)
                .hint("check the indentation and the kind of value")
        }
        // Our own types say what is wrong and, behind a semicolon, what to write instead.
        Error::Message { msg, .. } => match msg.split_once("; ") {
            Some((what, hint)) => Diagnostic::new(what, place).hint(hint),
            None => Diagnostic::new(msg.clone(), place).hint("check the value on this line"),
        },
        other => Diagnostic::new(first_line(&other.without_snippet().to_string()), place)
            .hint("this is YAML: check indentation, quotes and colons on this line and the one before"),
    }
}

/// The crate's own text without the position it repeats.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or("not YAML").to_owned()
}
