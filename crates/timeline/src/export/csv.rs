//! CSV (RFC 4180): one row per event. `message`, `datetime` and `timestamp_desc` are what Timesketch asks for.
//!
//! Spreadsheets run cells that begin with `=`, `+`, `-`, `@`, a tab or a carriage return, and an incident's text comes
//! from outside. There is no cure that suits every reader, so there are two modes.

use std::borrow::Cow;
use std::io::Write;

use chrono::SecondsFormat;
use deadstick_core::event::{Record, describe};
use deadstick_core::text::printable;

use super::ExportError;
use crate::line::{kind, subject};

/// Who will read the CSV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CsvMode {
    /// A spreadsheet: text that it would run gets a `'` before it. Times and numbers never do.
    #[default]
    Spreadsheet,
    /// A program: text as it is.
    Raw,
}

const HEADER: [&str; 10] =
    ["datetime", "timestamp_desc", "message", "recorded", "actor", "kind", "subject", "writer", "seq", "id"];

/// Writes records as CSV with a header row. Times are RFC 3339 in UTC, to the microsecond.
///
/// # Errors
/// The output does not take it.
pub fn csv(records: &[Record], mode: CsvMode, out: impl Write) -> Result<(), ExportError> {
    let mut out = ::csv::Writer::from_writer(out);
    out.write_record(HEADER)?;
    for record in records {
        let event = &record.event;
        let time = |t: &deadstick_core::Timestamp| t.to_rfc3339_opts(SecondsFormat::Micros, true);
        let text = |text: &str| match mode {
            CsvMode::Spreadsheet => safe(printable(text).into()),
            CsvMode::Raw => printable(text),
        };
        out.write_record([
            &time(&event.occurred),
            "occurred",
            &text(&describe(&event.body)),
            &time(&event.recorded),
            &text(event.by.as_str()),
            &text(&kind(&event.body)?),
            &text(&subject(&event.body).unwrap_or_default()),
            &text(&record.writer),
            &record.seq.to_string(),
            &text(&record.id),
        ])?;
    }
    out.flush()?;
    Ok(())
}

/// Text that no spreadsheet runs. Full-width forms count: some turn them into the plain ones on opening.
fn safe(text: Cow<'_, str>) -> String {
    let first = text.trim_start().chars().next();
    if first.is_some_and(|c| "=+-@＝＋－＠".contains(c)) { format!("'{text}") } else { text.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_marked_as_text() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "＝1+1", "－1"] {
            assert!(safe(text.into()).starts_with('\''), "{text:?}");
        }
        for text in ["", "a=b", "1-1", "mail@example.org"] {
            assert_eq!(safe(text.into()), text);
        }
    }
}
