//! `deadstick timeline`: shown, added to, exported, verified, sealed.

use std::io::{BufWriter, Write};
use std::path::Path;

use chrono::TimeDelta;
use deadstick_core::Timestamp;
use deadstick_core::event::describe;
use deadstick_core::incident::Act;
use deadstick_core::text::printable;
use deadstick_core::units::HumanDuration;
use deadstick_runner::incidents;
use deadstick_runner::session::{Session, now};
use deadstick_timeline::export::{self, CsvMode, Detail};
use deadstick_timeline::verify;

use crate::args::{self, ExportFormat};
use crate::context::Context;
use crate::exit::{Answer, DONE, Failure, NO};

/// Carries out one of the subcommands.
pub(crate) fn run(context: &Context, args: args::Timeline) -> Answer {
    match args {
        args::Timeline::Show { incident } => show(context, incident.as_deref()),
        args::Timeline::Add { text, incident, ago } => {
            let dir = context.incident(incident.as_deref())?;
            let occurred = ago.map(moment_before_now).transpose()?;
            let me = context.me();
            context.runtime()?.block_on(async {
                let session = Session::join(&dir, &me).await?;
                session.act(me, Act::Note { text, occurred }).await
            })?;
            Ok(DONE)
        }
        args::Timeline::Export { incident, format, raw, output } => {
            let dir = context.incident(incident.as_deref())?;
            let form = Form { format, raw, full: context.verbose() };
            match output {
                None => export_to(context, &dir, form, std::io::stdout().lock())?,
                Some(path) => {
                    let file = std::fs::File::create(&path).map_err(|error| {
                        Failure::internal(format!("cannot write {}: {error}", path.display()))
                    })?;
                    export_to(context, &dir, form, file)?;
                }
            }
            Ok(DONE)
        }
        args::Timeline::Verify { incident } => {
            let dir = context.incident(incident.as_deref())?;
            let report = verify::verify(&dir).map_err(Failure::internal)?;
            let chains: Vec<_> = report
                .writers
                .iter()
                .map(|chain| {
                    let head = chain.head.map(|head| head.to_string());
                    serde_json::json!({
                        "writer": chain.writer, "records": chain.records, "redacted": chain.redacted, "head": head
                    })
                })
                .collect();
            let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
            let value =
                serde_json::json!({ "sound": report.is_sound(), "writers": chains, "problems": problems });
            context.answer(&value, || {
                let (records, redacted) = (report.records(), report.redacted());
                let word = if report.is_sound() { "sound" } else { "NOT SOUND" };
                let mut lines = vec![format!(
                    "{word}: {records} records by {} writers, {redacted} redacted",
                    report.writers.len()
                )];
                lines.extend(problems.iter().map(|problem| format!("  {problem}")));
                lines.join("\n")
            })?;
            Ok(if report.is_sound() { DONE } else { NO })
        }
        args::Timeline::Seal { incident } => {
            let dir = context.incident(incident.as_deref())?;
            let seal = verify::seal(&dir).map_err(Failure::internal)?;
            let sound = seal.report.is_sound();
            context
                .answer(&serde_json::json!({ "seal": seal.code, "sound": sound }), || seal.code.clone())?;
            Ok(if sound { DONE } else { NO })
        }
    }
}

/// When that was. What no calendar reaches back to is refused: a note that says another time would be a lie.
fn moment_before_now(ago: HumanDuration) -> Result<Timestamp, Failure> {
    let length = TimeDelta::from_std(ago.0).ok();
    length.and_then(|length| now().checked_sub_signed(length)).ok_or_else(|| {
        Failure::usage(format!("{ago} ago is before the beginning of the calendar"))
            .hint("write it as 3m or 2h")
    })
}

/// How a timeline is to be written.
#[derive(Clone, Copy)]
struct Form {
    format: ExportFormat,
    raw: bool,
    full: bool,
}

fn export_to(context: &Context, dir: &Path, form: Form, out: impl Write) -> Result<(), Failure> {
    let mut out = BufWriter::new(out);
    let records = || incidents::records(dir);
    match form.format {
        ExportFormat::Markdown => {
            let detail = if form.full { Detail::Full } else { Detail::Summary };
            export::markdown(&records()?, detail, &mut out).map_err(Failure::internal)?;
        }
        ExportFormat::Csv => {
            let mode = if form.raw { CsvMode::Raw } else { CsvMode::Spreadsheet };
            export::csv(&records()?, mode, &mut out).map_err(Failure::internal)?;
        }
        ExportFormat::Jsonl => {
            for damage in export::jsonl(dir, &mut out).map_err(Failure::internal)? {
                context.warn(&format!("left out: {damage}"));
            }
        }
    }
    out.flush().map_err(Failure::internal)
}

fn show(context: &Context, incident: Option<&str>) -> Answer {
    let records = incidents::records(&context.incident(incident)?)?;
    context.answer(&records, || {
        let line = |record: &deadstick_core::event::Record| {
            let event = &record.event;
            let late = event.back_dated_by();
            let late = if late > TimeDelta::seconds(1) {
                format!(" (recorded {}s later)", late.num_seconds())
            } else {
                String::new()
            };
            let (at, by) = (event.occurred.format("%Y-%m-%d %H:%M:%S%.3fZ"), printable(event.by.as_str()));
            format!("{at}  {by:<12} {}{late}", describe(&event.body))
        };
        records.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(DONE)
}
