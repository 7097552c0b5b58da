//! Markdown: a timeline that a postmortem's author can paste. Write-only.
//!
//! Owns what is left out, what is emphasised and the quoting of foreign text. In order of when things happened.

use std::io::{self, Write};

use chrono::TimeDelta;
use deadstick_core::Timestamp;
use deadstick_core::debrief::Debrief;
use deadstick_core::event::{Body, Record, describe_with};
use deadstick_core::text::printable;
use deadstick_core::units::HumanDuration;

/// Characters of a command and what it printed that a summary shows.
const LONGEST_RUN: usize = 160;

/// How much is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Without routine: phases and steps of a drill, changes of single probes, queued checklists, waits. What a command
    /// printed is cut short.
    #[default]
    Summary,
    /// Everything.
    Full,
}

/// Writes a title block and the timeline of records that come in the log's order.
///
/// # Errors
/// The output does not take it.
pub fn markdown(records: &[Record], detail: Detail, mut out: impl Write) -> io::Result<()> {
    let debrief = Debrief::of(records);
    title_block(records, &debrief, &mut out)?;
    let mut records: Vec<&Record> = records.iter().collect();
    // Stable: what happened at the same moment keeps the log's order, causes first.
    records.sort_by_key(|record| record.event.occurred);

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
            "| {} | {} | {}{late} |",
            event.occurred.format("%H:%M:%S"),
            escape(event.by.as_str()),
            sentence(&event.body, &debrief, detail),
        )?;
    }
    if routine > 0 {
        let (events, are, them) =
            if routine == 1 { ("event", "is", "it") } else { ("events", "are", "them") };
        writeln!(
            out,
            "\n{routine} routine {events} (drill phases and steps, single probes, queued checklists, waits) {are} left out; the log has {them}."
        )?;
    }
    out.flush()
}

/// What a reader wants to know before the timeline.
fn title_block(records: &[Record], debrief: &Debrief, out: &mut impl Write) -> io::Result<()> {
    let time = |t: Timestamp| t.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let clock = |t: Timestamp| t.format("%H:%M:%S");
    // An exercise is opened under a name that gives nothing away; the drill's own title says what it was about.
    let drill = records.iter().find_map(|record| match &record.event.body {
        Body::DrillStarted { title, .. } => Some(title),
        _ => None,
    });
    let title = match drill {
        Some(title) => title,
        None if debrief.title.is_empty() => "Incident",
        None => &debrief.title,
    };
    writeln!(out, "# {}\n\n| | |\n|---|---|", escape(&printable(title)))?;
    let mut row = |key: &str, value: &str| writeln!(out, "| {key} | {value} |");

    match (debrief.exercise, &debrief.playbook) {
        (true, Some(playbook)) => row("Kind", &format!("exercise, playbook {playbook}"))?,
        (true, None) => row("Kind", "exercise")?,
        (false, _) => row("Kind", "incident")?,
    }
    let start = debrief.opened_at.or_else(|| records.iter().map(|r| r.event.occurred).min());
    if let Some(start) = start {
        row("Start", &time(start))?;
    }
    row("End", &debrief.closed_at.map_or("not closed".to_owned(), time))?;
    if let (Some(start), Some(end)) = (start, debrief.closed_at) {
        row("Duration", &length(end - start))?;
    }
    let (mut severity, mut control) = (Vec::new(), Vec::new());
    for record in records {
        let event = &record.event;
        match &event.body {
            Body::IncidentOpened { severity: now, .. } | Body::SeverityChanged { to: now, .. } => {
                severity.push(now.word());
            }
            Body::ControlAssumed => control.push((event.by.as_str(), event.occurred)),
            Body::ControlTransferred { to } => control.push((to, event.occurred)),
            _ => {}
        }
    }
    if !severity.is_empty() {
        row("Severity", &severity.join(", then "))?;
    }
    let holders: Vec<_> = control
        .iter()
        .map(|(who, from)| format!("{} from {}", escape(&printable(who)), clock(*from)))
        .collect();
    row("Control", if holders.is_empty() { "nobody".to_owned() } else { holders.join(", then ") }.as_str())?;
    for loss in &debrief.losses {
        let until = match loss.regained_at {
            Some(at) => format!("to {} ({})", clock(at), length(at - loss.lost_at)),
            None => "and not regained".to_owned(),
        };
        row("Steady state lost", &format!("{}, {} {until}", loss.probe, clock(loss.lost_at)))?;
    }
    for fault in debrief.faults.iter().filter(|fault| fault.residue.is_some() && fault.undone.is_none()) {
        row("**Residue**", &format!("**fault {} is still in place**", escape(&printable(&fault.id))))?;
    }
    if let Some((verdict, _)) = &debrief.verdict {
        row("Verdict", &verdict.word().replace('-', " "))?;
    }
    Ok(())
}

/// The event's sentence with what matters most in bold, and the text of a checklist's item in italics.
fn sentence(body: &Body, debrief: &Debrief, detail: Detail) -> String {
    let begins = matches!(body, Body::FaultApplying { .. });
    let name = |id: &str| match debrief.faults.iter().find(|fault| fault.id == id) {
        // The sentence goes on to say what it is.
        Some(_) if begins => "a fault".to_owned(),
        Some(fault) => format!("the fault {} on {}", fault.kind.word(), fault.target),
        None => format!("the fault {id}"),
    };
    let mut text = describe_with(body, &name);
    if detail == Detail::Summary
        && matches!(body, Body::ItemRan { .. })
        && let Some((at, _)) = text.char_indices().nth(LONGEST_RUN)
    {
        text.truncate(at);
        text.push('…');
    }
    let text = escape(&text);
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
            | Body::ChecklistQueued { .. }
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
