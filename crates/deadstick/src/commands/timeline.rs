//! `deadstick timeline`: shown, added to, exported, verified, sealed.

use std::io::{BufWriter, IsTerminal, Write};
use std::path::Path;

use chrono::TimeDelta;
use deadstick_core::Timestamp;
use deadstick_core::event::describe;
use deadstick_core::incident::Act;
use deadstick_core::text::printable;
use deadstick_core::units::HumanDuration;
use deadstick_runner::session::{Session, now};
use deadstick_timeline::export::{self, CsvMode, Detail};
use deadstick_timeline::verify;

use super::staged::{self, Seen};
use crate::args::{self, ExportFormat, Staged};
use crate::context::Context;
use crate::exit::{Answer, DONE, Failure, NO, REFUSED};
use crate::fit::Fit;

/// Carries out one of the subcommands.
pub(crate) fn run(context: &Context, args: args::Timeline) -> Answer {
    match args {
        args::Timeline::Show { incident, staged } => show(context, incident.as_deref(), staged),
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
        args::Timeline::Export { incident, format, raw, output, staged } => {
            let dir = context.incident(incident.as_deref())?;
            let stdout = std::io::stdout();
            let to_terminal = output.is_none() && stdout.is_terminal();
            let form = Form { format, raw, full: context.verbose(), staged, to_terminal };
            match output {
                None => export_to(context, &dir, form, stdout.lock())?,
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
    staged: Staged,
    to_terminal: bool,
}

fn export_to(context: &Context, dir: &Path, form: Form, out: impl Write) -> Result<(), Failure> {
    let mut out = BufWriter::new(out);
    if form.format == ExportFormat::Jsonl {
        return export_lines(context, dir, form, out);
    }
    let Seen { records, remark } = staged::read(dir, form.staged)?;
    let mut fit = Fit::text(&mut out);
    if form.format == ExportFormat::Markdown {
        let detail = if form.full { Detail::Full } else { Detail::Summary };
        export::markdown(&records, detail, &mut fit).map_err(Failure::internal)?;
        if let Some(remark) = &remark {
            writeln!(fit, "\n{remark}").map_err(Failure::internal)?;
        }
    } else {
        let mode = if form.raw { CsvMode::Raw } else { CsvMode::Spreadsheet };
        export::csv(&records, mode, &mut fit).map_err(Failure::internal)?;
    }
    fit.flush().map_err(Failure::internal)?;
    if let Some(remark) = remark {
        context.warn(&remark);
    }
    Ok(())
}

/// The log's own lines: all of them, or their chains would be broken, and as they are, so that they can be read back.
fn export_lines(context: &Context, dir: &Path, form: Form, mut out: impl Write) -> Result<(), Failure> {
    if let Some(remark) = staged::read(dir, form.staged)?.remark {
        return Err(
            Failure::new(REFUSED, "a log is exported as a whole, and its drill still lasts").hint(remark)
        );
    }
    let damages = if form.to_terminal {
        let mut fit = Fit::json(&mut out);
        let damages = export::jsonl(dir, &mut fit).map_err(Failure::internal)?;
        fit.flush().map_err(Failure::internal)?;
        damages
    } else {
        export::jsonl(dir, &mut out).map_err(Failure::internal)?
    };
    for damage in damages {
        context.warn(&format!("left out: {damage}"));
    }
    out.flush().map_err(Failure::internal)
}

fn show(context: &Context, incident: Option<&str>, staged: Staged) -> Answer {
    let Seen { records, remark } = staged::read(&context.incident(incident)?, staged)?;
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
    if let Some(remark) = remark {
        context.warn(&remark);
    }
    Ok(DONE)
}
