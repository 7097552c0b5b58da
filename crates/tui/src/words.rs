//! The words for states and times that screen and plain mode share.
//!
//! Owns how a row's state reads without colour. Leaves cutting and placing it to whoever shows it.

use deadstick_core::Timestamp;
use deadstick_core::incident::view::{ChecklistState, IncidentBar, ItemRow, Marker, QueueRow};

use crate::text::span;

/// A time of day in UTC.
pub(crate) fn clock(at: Timestamp) -> String {
    at.format("%H:%M:%S").to_string()
}

/// How an item stands: its value, its word, who and when. `<` before a time says that it was recorded later.
pub(crate) fn status(row: &ItemRow) -> String {
    let value = row.value.as_deref();
    let age = row.age.map(|age| format!(", {} ago", span(age.0.max(0)))).unwrap_or_default();
    let when = || {
        let late = if row.back_dated { "<" } else { "" };
        let at = row.since.map(|at| format!(" {late}{}", clock(at))).unwrap_or_default();
        format!("{}{at}", row.actor.as_deref().unwrap_or_default()).trim().to_owned()
    };
    let response = row.response.as_deref().unwrap_or_default();
    match row.marker {
        Marker::Open if row.kind == "sensed" || row.age.is_some() => match value {
            Some(value) => format!("not yet: {value}{age}"),
            None => format!("not yet{age}"),
        },
        Marker::Open => response.to_owned(),
        Marker::Done => {
            let what = value.or(row.response.as_deref()).unwrap_or("done");
            format!("{what} ({})", when())
        }
        // A decision is not true or false: its probe has given the answer.
        Marker::Sensed if row.kind == "decide" => format!("sensed: {}{age}", value.unwrap_or("answered")),
        Marker::Sensed => match value {
            Some(value) => format!("sensed true: {value}{age}"),
            None => format!("sensed true{age}"),
        },
        Marker::Regressed => match value {
            Some(value) => format!("NO LONGER TRUE: {value}{age}"),
            None => format!("NO LONGER TRUE{age}"),
        },
        Marker::Unknown => format!("UNKNOWN{age}"),
        Marker::Waiting => match row.remaining {
            Some(left) => format!("waiting, {} left", span(left.0.max(0))),
            None => "waiting".to_owned(),
        },
        Marker::Overridden => format!("overridden ({})", when()),
        Marker::Deferred => "deferred".to_owned(),
        Marker::Inactive => "inactive".to_owned(),
    }
}

/// How an entry of the queue stands.
pub(crate) fn queue_status(row: &QueueRow) -> String {
    let mut words = match row.state {
        None => "no checklist".to_owned(),
        Some(ChecklistState::Queued) => "not opened".to_owned(),
        Some(ChecklistState::Open) => format!("open, {} of {} left", row.left, row.total),
        Some(ChecklistState::Held) => match row.resume_by {
            Some(at) => format!("held until {}", clock(at)),
            None => "held".to_owned(),
        },
        Some(state) => state.word().to_owned(),
    };
    if row.alert.is_some() && !row.alert_active {
        words.push_str(", alert cleared");
    }
    if !row.folded.is_empty() {
        words.push_str(&format!(", +{} inhibited", row.folded.len()));
    }
    words
}

/// Who commands, and control on its way.
pub(crate) fn control(bar: &IncidentBar, me: &str, now: Timestamp) -> String {
    if !bar.dual_control.is_empty() {
        let others = bar.dual_control.join(", ");
        let first = bar.holder.as_deref().filter(|holder| !bar.dual_control.iter().any(|o| o == holder));
        let all = first.map(|first| format!("{first}, {others}")).unwrap_or(others);
        return format!("DUAL CONTROL: {all}; settle it between you");
    }
    let you = |name: &str| if name == me { format!("{name} (you)") } else { name.to_owned() };
    let mut words = match &bar.holder {
        Some(holder) => format!("control: {}", you(holder)),
        None => "control: NOBODY".to_owned(),
    };
    if let Some(offer) = &bar.pending {
        let left = span((offer.expires - now).num_seconds().max(0));
        let state = if offer.accepted { "accepted by" } else { "offered to" };
        words.push_str(&format!(", {state} {} ({left} left)", you(&offer.to)));
    }
    words
}

/// Severity and whether it is an exercise.
pub(crate) fn gravity(bar: &IncidentBar) -> String {
    let exercise = if bar.exercise { " EXERCISE" } else { "" };
    let closed = if bar.closed_at.is_some() { " CLOSED" } else { "" };
    format!("{}{exercise}{closed}", bar.severity.word())
}

/// What users and the drill are going through; what is staged only for those who may see it.
pub(crate) fn condition(bar: &IncidentBar, hides_staging: bool) -> String {
    let mut words = Vec::new();
    if let Some(since) = bar.steady_state_lost_at {
        words.push(format!("USERS HURT since {}", clock(since)));
    }
    if let Some(verdict) = bar.verdict {
        words.push(format!("verdict: {}", verdict.word()));
    }
    if !hides_staging {
        if let Some(phase) = bar.phase.filter(|_| bar.verdict.is_none()) {
            words.push(format!("phase: {}", phase.word()));
        }
        if bar.faults_active > 0 {
            words.push(crate::text::count(bar.faults_active, "fault") + " in place");
        }
    }
    words.join(", ")
}
