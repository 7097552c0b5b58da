//! Markdown: a timeline that a postmortem's author can paste. Write-only.
//!
//! Owns what is left out, what is emphasised and the quoting of foreign text. In order of when things happened.

use std::io::{self, Write};

use chrono::TimeDelta;
use deadstick_core::Timestamp;
use deadstick_core::event::{Body, IncidentSeverity, Record, describe};
use deadstick_core::text::printable;
use deadstick_core::units::HumanDuration;

/// How much is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Without routine: phases and steps of a drill, changes of single probes, waits.
    #[default]
    Summary,
    /// Everything.
    Full,
}

/// Writes a title block and the timeline. Records may come in any order.
///
/// # Errors
/// The output does not take it.
pub fn markdown(records: &[Record], detail: Detail, mut out: impl Write) -> io::Result<()> {
    let mut records: Vec<&Record> = records.iter().collect();
    records.sort_by(|a, b| (a.event.occurred, a.order()).cmp(&(b.event.occurred, b.order())));
    title_block(&records, &mut out)?;

    writeln!(out, "\n## Timeline\n\nAll times are UTC.")?;
    let mut day = None;
    let mut routine = 0;
    for record in records {
        let event = &record.event;
        if detail == Detail::Summary && is_routine(&event.body) {
            routine += 1;
            continue;
        }
        if day.replace(event.occurred.date_naive()) != Some(event.occurred.date_naive()) {
            writeln!(
                out,
                "\n### {}\n\n| Time | Who | What |\n|---|---|---|",
                event.occurred.format("%Y-%m-%d")
            )?;
        }
        let late = event.back_dated_by();
        let late = if late >= TimeDelta::seconds(1) {
            format!(" *(recorded {} later)*", length(late))
        } else {
            String::new()
        };
        writeln!(
            out,
            "| {} | **{}** | {}{late} |",
            event.occurred.format("%H:%M:%S"),
            escape(event.by.as_str()),
            sentence(&event.body),
        )?;
    }
    if routine > 0 {
        let (events, are, them) =
            if routine == 1 { ("event", "is", "it") } else { ("events", "are", "them") };
        writeln!(
            out,
            "\n{routine} routine {events} (drill phases and steps, single probes, waits) {are} left out; the log has {them}."
        )?;
    }
    out.flush()
}

/// What a reader wants to know before the timeline.
fn title_block(records: &[&Record], out: &mut impl Write) -> io::Result<()> {
    let mut title = "Incident".to_owned();
    let mut rows: Vec<(&str, String)> = Vec::new();
    let mut severities: Vec<IncidentSeverity> = Vec::new();
    let mut control: Vec<String> = Vec::new();
    let (mut start, mut end) = (None, None);
    let (mut lost_since, mut lost_for, mut losses) = (None, TimeDelta::zero(), 0);
    let mut verdict = None;
    for record in records {
        let (at, by) = (record.event.occurred, record.event.by.as_str());
        match &record.event.body {
            Body::IncidentOpened { title: t, severity, exercise, .. } => {
                title = t.clone();
                start = start.or(Some(at));
                severities.push(*severity);
                let kind = if *exercise { "exercise" } else { "incident" };
                rows.push(("Kind", kind.to_owned()));
            }
            Body::SeverityChanged { to, .. } => severities.push(*to),
            Body::IncidentClosed { .. } => end = Some(at),
            Body::ControlAssumed => control.push(format!("{} from {}", escape(by), at.format("%H:%M:%S"))),
            Body::ControlTransferred { to } => {
                control.push(format!("{} from {}", escape(to), at.format("%H:%M:%S")));
            }
            Body::SteadyStateLost { .. } => {
                losses += 1;
                lost_since.get_or_insert(at);
            }
            Body::SteadyStateRegained { .. } => {
                if let Some(since) = lost_since.take() {
                    lost_for += at - since;
                }
            }
            Body::DrillVerdict { verdict: v, .. } => verdict = Some(v.word().replace('-', " ")),
            _ => {}
        }
    }
    let start = start.or_else(|| records.first().map(|r| r.event.occurred));
    let time = |t: Timestamp| t.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    if let Some(start) = start {
        rows.push(("Start", time(start)));
    }
    rows.push(("End", end.map_or("not closed".to_owned(), time)));
    if let (Some(start), Some(end)) = (start, end) {
        rows.push(("Duration", length(end - start)));
    }
    if !severities.is_empty() {
        let words: Vec<_> = severities.iter().map(|s| format!("{s:?}").to_uppercase()).collect();
        rows.push(("Severity", words.join(", then ")));
    }
    let nobody = || "nobody".to_owned();
    rows.push(("Control", if control.is_empty() { nobody() } else { control.join(", then ") }));
    if losses > 0 {
        let mut lost = match lost_for.is_zero() {
            true => String::new(),
            false => format!("for {}", length(lost_for)),
        };
        if let Some(since) = lost_since {
            lost.push_str(if lost.is_empty() { "" } else { ", and " });
            lost.push_str(&format!("since {}, not regained", since.format("%H:%M:%S")));
        }
        rows.push(("Steady state lost", lost));
    }
    if let Some(verdict) = verdict {
        rows.push(("Verdict", verdict));
    }
    writeln!(out, "# {}\n\n| | |\n|---|---|", escape(&printable(&title)))?;
    rows.iter().try_for_each(|(key, value)| writeln!(out, "| {key} | {value} |"))
}

/// The event's sentence with what matters most in bold, and the text of a checklist's item in italics.
fn sentence(body: &Body) -> String {
    let text = escape(&describe(body));
    if is_turning_point(body) {
        return format!("**{}**", text.trim());
    }
    match item_text(body).map(|item| escape(printable(item).trim())).filter(|item| !item.is_empty()) {
        Some(item) => text.replacen(&item, &format!("*{item}*"), 1),
        None => text,
    }
}

const fn is_turning_point(body: &Body) -> bool {
    matches!(
        body,
        Body::IncidentOpened { .. }
            | Body::IncidentClosed { .. }
            | Body::SteadyStateLost { .. }
            | Body::SteadyStateRegained { .. }
            | Body::AlertRaised { .. }
            | Body::HoleOpened { .. }
            | Body::FaultApplying { .. }
            | Body::FaultUndone { .. }
            | Body::FaultResidue { .. }
            | Body::DrillAbort { .. }
            | Body::DrillVerdict { .. }
    )
}

const fn is_routine(body: &Body) -> bool {
    matches!(
        body,
        Body::DrillPhase { .. }
            | Body::DrillStep { .. }
            | Body::DrillGroundTruth { .. }
            | Body::FaultApplied { .. }
            | Body::ProbeChanged { .. }
            | Body::TimerStarted { .. }
            | Body::TimerElapsed { .. }
    )
}

fn item_text(body: &Body) -> Option<&str> {
    match body {
        Body::ItemConfirmed { text, .. }
        | Body::ItemSensed { text, .. }
        | Body::ItemRegressed { text, .. }
        | Body::ItemOverridden { text, .. }
        | Body::ConditionAnswered { text, .. }
        | Body::ConditionSensed { text, .. }
        | Body::ItemDeferred { text, .. }
        | Body::ItemDeferredDue { text, .. }
        | Body::ItemDeferredDone { text, .. } => Some(text),
        _ => None,
    }
}

/// `3m`, `1h 2m 5s`: whole seconds.
fn length(length: TimeDelta) -> String {
    HumanDuration::secs(u64::try_from(length.num_seconds()).unwrap_or(0)).to_string()
}

/// Text that Markdown shows as it is, in a table's cell as well.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}
