//! One query, read only, judged by the first column of its first row.
//!
//! Owns the choice of the database and the judging; leaves asking to [`postgres`] and [`sqlite`]. Nothing can be
//! written: PostgreSQL runs one statement in a read-only transaction that is never committed, SQLite opens the file
//! read-only. (A function that acts outside the transaction, such as `pg_terminate_backend`, is for the server's
//! privileges to refuse: give probes a role that may only read.)
//!
//! Values are judged as text, the way the database prints them; truth is `true` and `false`, no value is `null`.

use std::time::Duration;

use deadstick_core::probe::{SqlExpectation, SqlProbe};

use crate::verdict::Verdict;

mod postgres;
mod sqlite;

/// What a query gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Reading {
    /// First column of the first row; nothing when there is no row.
    first: Option<String>,
    /// How many rows there are; counted only where [`SqlExpectation::Rows`] asks.
    rows: u64,
}

/// Asks once. The caller bounds the time.
pub(crate) async fn ask(probe: &SqlProbe) -> Verdict {
    match probe.connect.strip_prefix("sqlite:") {
        // Both `sqlite:PATH` and the URL form `sqlite://PATH` are in use.
        Some(path) => sqlite::ask(probe, path.strip_prefix("//").unwrap_or(path)).await,
        None => postgres::ask(probe).await,
    }
}

/// Whether every row must be counted.
fn counts_rows(probe: &SqlProbe) -> bool {
    matches!(probe.expect, Some(SqlExpectation::Rows(_)))
}

/// How long the database may work: what is left, less a margin for its own error to arrive before the probe's timeout
/// does. Never zero, which means for ever to PostgreSQL, nor more milliseconds than both databases can count.
fn time_to_work(timeout: Duration, used: Duration) -> Duration {
    let left = timeout.saturating_sub(used);
    let margin = (left / 5).min(Duration::from_millis(250));
    (left - margin).clamp(Duration::from_millis(1), Duration::from_millis(i32::MAX.unsigned_abs().into()))
}

/// Compares what was read with what was expected.
fn judge(reading: &Reading, expect: Option<&SqlExpectation>) -> Verdict {
    let shown = reading.first.as_deref().map_or_else(|| "no row".to_owned(), |v| format!("{v:?}"));
    let verdict = match expect {
        None => Verdict::satisfied(format!("answered {shown}")),
        Some(SqlExpectation::Equals(wanted)) => {
            let holds = reading.first.as_deref().is_some_and(|v| v.trim() == wanted.trim());
            Verdict::checked(holds, format!("read {shown}, expected {:?}", wanted.trim()))
        }
        Some(SqlExpectation::AtMost(most)) => compare(reading, &shown, "at most", *most, |n| n <= *most),
        Some(SqlExpectation::AtLeast(least)) => compare(reading, &shown, "at least", *least, |n| n >= *least),
        Some(SqlExpectation::Rows(wanted)) => {
            return Verdict::checked(
                reading.rows == *wanted,
                format!("{} rows, expected {wanted}", reading.rows),
            )
            .with_value(reading.rows.to_string());
        }
    };
    match &reading.first {
        Some(value) => verdict.with_value(value.clone()),
        None => verdict,
    }
}

/// A number against a bound. What is no number (no row, `null`, text) cannot be judged: an aggregate over nothing is
/// `null`, and that must be neither green nor red by accident.
fn compare(reading: &Reading, shown: &str, word: &str, bound: f64, holds: impl Fn(f64) -> bool) -> Verdict {
    let number = reading.first.as_deref().and_then(|v| v.trim().parse::<f64>().ok()).filter(|n| !n.is_nan());
    match number {
        Some(n) => Verdict::checked(holds(n), format!("read {shown}, expected {word} {bound}")),
        None => Verdict::unknown(format!("read {shown}, which is not a number to compare with {bound}")),
    }
}

#[cfg(test)]
mod tests {
    use deadstick_core::probe::Answer::{Satisfied, Unknown, Unsatisfied};

    use super::*;

    #[test]
    fn the_database_gives_up_before_the_probe_does() {
        let ms = Duration::from_millis;
        assert_eq!(time_to_work(ms(2000), ms(0)), ms(1750));
        assert_eq!(time_to_work(ms(100), ms(50)), ms(40));
        assert_eq!(time_to_work(ms(100), ms(200)), ms(1), "zero would mean for ever");
        assert_eq!(time_to_work(Duration::MAX, ms(0)), ms(2_147_483_647));
    }

    #[test]
    fn readings_are_judged() {
        use SqlExpectation::{AtLeast, AtMost, Equals, Rows};
        let text = |s: &str| Equals(s.to_owned());
        for (first, rows, expect, answer) in [
            (None, 0, None, Satisfied),
            (Some("0"), 1, Some(text(" 0 ")), Satisfied),
            (Some("null"), 1, Some(text("null")), Satisfied),
            (Some("0.0"), 1, Some(text("0")), Unsatisfied),
            (None, 0, Some(text("")), Unsatisfied),
            (Some("5"), 1, Some(AtMost(5.0)), Satisfied),
            (Some("5.1"), 1, Some(AtMost(5.0)), Unsatisfied),
            (Some("-1e3"), 1, Some(AtLeast(0.0)), Unsatisfied),
            (Some("7"), 1, Some(AtLeast(7.0)), Satisfied),
            (Some("null"), 1, Some(AtMost(5.0)), Unknown),
            (Some("NaN"), 1, Some(AtMost(5.0)), Unknown),
            (Some("soon"), 1, Some(AtLeast(5.0)), Unknown),
            (None, 0, Some(AtMost(5.0)), Unknown),
            (Some("x"), 3, Some(Rows(3)), Satisfied),
            (None, 0, Some(Rows(1)), Unsatisfied),
        ] {
            let reading = Reading { first: first.map(str::to_owned), rows };
            assert_eq!(
                judge(&reading, expect.as_ref()).observed(Duration::ZERO).answer,
                answer,
                "{reading:?} {expect:?}"
            );
        }
    }
}
