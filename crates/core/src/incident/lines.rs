//! One item as people look at it: its state, its value, and why it stands so.
//!
//! Owns the filling of [`ItemRow`]; leaves which items are shown where to [`super::rows`].

use chrono::TimeDelta;

use crate::Timestamp;
use crate::checklist::{Item, Kind};

use super::run::{ItemState, Run, Status};
use super::sense::{STALE_INTERVALS, Senses};
use super::view::{ChecklistState, ItemRow, Marker};

/// The rows of the items that a condition picks, in reading order.
pub(super) fn rows(
    run: &Run,
    now: Timestamp,
    senses: &Senses,
    which: impl Fn(&Item, &ItemState) -> bool,
) -> Vec<ItemRow> {
    let markers = run.markers();
    let current = if run.state == ChecklistState::Open { run.current() } else { None };
    run.items()
        .filter(|(_, item, state)| which(item, state))
        .map(|(n, item, state)| ItemRow {
            current: current == Some(n),
            ..row(run, item, state, markers[n], now, senses)
        })
        .collect()
}

fn row(
    run: &Run,
    item: &Item,
    state: &ItemState,
    marker: Marker,
    now: Timestamp,
    senses: &Senses,
) -> ItemRow {
    let id = run.id(item);
    let latest = senses.latest(&id);
    let value = match &item.kind {
        Kind::Decide { .. } => state.answer.as_ref().map(|given| given.answer.clone()),
        Kind::Sensed(_) => {
            let seen = latest.and_then(|(seen, _)| seen.value.as_deref()).map(crate::text::printable);
            seen.or_else(|| state.value.clone())
        }
        _ => state.value.clone(),
    };
    let answers = match &item.kind {
        Kind::Decide { answers, .. } => answers.clone(),
        _ => Vec::new(),
    };
    let remaining = match state.status {
        Status::Waiting { until } => Some((until - now).max(TimeDelta::zero()).into()),
        _ => None,
    };
    ItemRow {
        depth: item.depth,
        marker,
        text: item.text.clone(),
        response: item.response.clone(),
        kind: item.kind.word(),
        by: item.by.clone(),
        actor: state.actor.clone(),
        value,
        since: state.since,
        age: latest.map(|(_, at)| (now - at).into()),
        remaining,
        back_dated: state.back_dated,
        detail: detail(item, state, marker, latest.map(|(_, at)| at), now),
        current: false,
        explains: explains(item),
        answers,
        branch: item.under.as_ref().map(|(_, answer)| answer.clone()),
        reading: item.reading.clone(),
        command: item.run.as_ref().map(|run| run.iter().map(|argument| argument.value.clone()).collect()),
        needs_second: item.needs_second(),
        ran: state.ran.clone(),
        id,
    }
}

/// Why it stands as it does; for an unknown, how long nobody has answered, and what to do then.
fn detail(
    item: &Item,
    state: &ItemState,
    marker: Marker,
    heard: Option<Timestamp>,
    now: Timestamp,
) -> Option<String> {
    let own = state.detail.clone().filter(|detail| !detail.is_empty());
    let (Marker::Unknown, Some(sense)) = (marker, item.sense()) else { return own };
    let since = state.since.or(heard);
    let span = TimeDelta::from_std(sense.every.0).ok().and_then(|every| every.checked_mul(STALE_INTERVALS));
    let stale = since.zip(span).is_some_and(|(since, span)| now - since > span);
    let parts = [
        own.or_else(|| heard.is_none().then(|| "no answer yet".to_owned())),
        stale.then(|| "stale".to_owned()),
        sense.unknown.as_ref().map(|unknown| format!("while unknown: {unknown}")),
    ];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join("; ")).filter(|detail| !detail.is_empty())
}

/// Why it is on the list, and what completes it.
fn explains(item: &Item) -> String {
    let completes = match &item.kind {
        Kind::Do if item.irreversible => "It cannot be taken back: two people confirm it.".to_owned(),
        Kind::Do => "A person does it and confirms it.".to_owned(),
        Kind::Sensed(sense) => {
            format!(
                "Only its {} probe completes it, every {}; a person can override it.",
                sense.probe.kind(),
                sense.every
            )
        }
        Kind::Decide { observe, sense, .. } => {
            let seen = observe.as_ref().map(|observe| format!(" Seen at: {observe}.")).unwrap_or_default();
            let who = match sense {
                Some(sense) => {
                    format!("Its {} probe answers; a person may while it is unknown.", sense.probe.kind())
                }
                None => "A person answers; the answer may change.".to_owned(),
            };
            format!("{who}{seen}")
        }
        Kind::Wait(_) => "It ends by itself; override it to cut it short.".to_owned(),
        Kind::Deferred { to } => format!("Left for {to}; the incident is not over before."),
    };
    match &item.why {
        Some(why) => format!("{}. {completes}", why.trim_end_matches('.')),
        None => completes,
    }
}
