//! A query asked of a SQLite file.
//!
//! Owns the blocking work: it runs apart from the async threads, and ends by itself when time is up or the question
//! is dropped. A file that another holds locked is waited for; if it is still locked at the end the answer is
//! unknown, because the value was not read. (With write-ahead logging readers do not wait for writers, so there a
//! held write lock does not show: ask for what it prevents instead.)

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use deadstick_core::probe::SqlProbe;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags};

use super::{Reading, counts_rows, judge, time_to_work};
use crate::verdict::Verdict;

/// How many of SQLite's virtual instructions pass between two looks at the clock: well under a millisecond.
const STRIDE: i32 = 10_000;

/// Tells the blocking work that nobody waits for it any more.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks once. The caller bounds the time.
pub(super) async fn ask(probe: &SqlProbe, path: &str) -> Verdict {
    let dropped = Arc::new(AtomicBool::new(false));
    let _waiting = Waiting(Arc::clone(&dropped));
    let question = Question {
        path: PathBuf::from(path),
        query: probe.query.clone(),
        every_row: counts_rows(probe),
        until: Instant::now() + time_to_work(probe.timeout.0, Duration::ZERO),
        dropped,
    };
    match tokio::task::spawn_blocking(move || question.read()).await {
        Ok(Ok(Some(reading))) => judge(&reading, probe.expect.as_ref()),
        Ok(Ok(None)) => Verdict::unknown("a probe needs one statement that reads and returns something"),
        Ok(Err(error)) => failed(&error, probe.timeout.0),
        Err(error) => Verdict::unknown(format!("the query was cut short: {error}")),
    }
}

struct Question {
    path: PathBuf,
    query: String,
    every_row: bool,
    /// When it has to be over. Counted from the question: a thread to ask it on may be late.
    until: Instant,
    dropped: Arc<AtomicBool>,
}

impl Question {
    fn read(self) -> Result<Option<Reading>, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut file = Connection::open_with_flags(&self.path, flags)?;
        let (until, dropped) = (self.until, self.dropped);
        file.busy_timeout(until.saturating_duration_since(Instant::now()))?;
        file.progress_handler(
            STRIDE,
            Some(move || dropped.load(Ordering::Relaxed) || Instant::now() >= until),
        )?;
        let mut statement = file.prepare(&self.query)?;
        if !statement.readonly() || statement.column_count() == 0 {
            return Ok(None);
        }
        let mut rows = statement.query([])?;
        let mut reading = Reading::default();
        while let Some(row) = rows.next()? {
            if reading.rows == 0 {
                reading.first = Some(text(row.get_ref(0)?));
            }
            reading.rows += 1;
            if !self.every_row {
                break;
            }
        }
        Ok(Some(reading))
    }
}

/// A value as text. Bytes are shown as SQLite would quote them.
fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(n) => n.to_string(),
        ValueRef::Real(n) => n.to_string(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => {
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            format!("x'{hex}'")
        }
    }
}

fn failed(error: &Error, timeout: Duration) -> Verdict {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Verdict::unknown("another holds the database locked")
        }
        Some(ErrorCode::OperationInterrupted) => Verdict::silence(timeout),
        Some(ErrorCode::DatabaseCorrupt) => Verdict::unsatisfied(error.to_string()),
        _ => Verdict::unknown(error.to_string()),
    }
}
