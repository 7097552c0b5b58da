//! The server's log as the original writes it: one JSON object a line on stdout, with `level`, `time` and `message`.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::fit::Fit;

/// Logs from now on what is as grave as `level`, or graver.
pub(super) fn begin(level: Level) {
    // Names, addresses and errors in it come from whoever calls.
    let stdout = || Fit::json(std::io::stdout());
    tracing_subscriber::fmt().event_format(Line).with_max_level(level).with_writer(stdout).init();
}

/// One event on one line.
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        write!(line, "{{\"level\":\"{}\",\"caller\":", word(*metadata.level()))?;
        let at = format!("{}:{}", metadata.file().unwrap_or("?"), metadata.line().unwrap_or(0));
        write!(line, "{}", Value::from(at))?;
        let message = fields.0.remove("message").unwrap_or_default();
        for (name, value) in fields.0 {
            write!(line, ",{}:{value}", Value::from(name))?;
        }
        line.write_str(",\"time\":\"")?;
        SystemTime.format_time(&mut line)?;
        writeln!(line, "\",\"message\":{message}}}")
    }
}

/// The original's word for a level.
fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn note(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.note(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.note(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.note(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.note(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.note(field, value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.note(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody failed").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_line_is_an_object_with_the_keys_of_the_original() {
        let kept = Kept::default();
        let log = tracing_subscriber::fmt().event_format(Line).with_writer(kept.clone()).finish();
        tracing::subscriber::with_default(log, || {
            tracing::warn!(proxy = "a \"b\"\n", count = 3, error = %"gone", "cannot accept");
        });
        let text = String::from_utf8(kept.0.lock().expect("nobody failed").clone()).expect("text");
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&line["level"], &line["message"]), (&"warn".into(), &"cannot accept".into()));
        assert_eq!((&line["proxy"], &line["count"]), (&"a \"b\"\n".into(), &3.into()));
        assert_eq!(line["error"], "gone");
        assert!(line["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{text}");
        assert!(line["caller"].as_str().is_some_and(|at| at.contains("log.rs:")), "{text}");
    }
}
