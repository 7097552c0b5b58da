//! The incidents of a state folder: their names, and what each was.

use std::path::Path;

use deadstick_core::Timestamp;
use deadstick_core::debrief::Debrief;
use deadstick_core::event::Record;
use deadstick_timeline::state::StateError;
use deadstick_timeline::{LogError, StateDir, read_all};
use serde::Serialize;
use uuid::Uuid;

/// One incident in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Whether it is a drill.
    pub exercise: bool,
    /// When it began.
    pub opened_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// How many events it has.
    pub events: usize,
}

/// Why an incident cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum IncidentError {
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// Its log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// No such incident.
    #[error("there is no incident `{0}`; see `deadstick incident list`")]
    Unknown(String),
    /// None at all.
    #[error(
        "there is no incident yet; `deadstick drill` stages one, `deadstick respond --new TITLE` opens one"
    )]
    None,
    /// Several begin like that.
    #[error("several incidents begin with `{0}`: {1}")]
    Ambiguous(String, String),
}

/// A new incident's id: when, what, and something that makes it unique.
#[must_use]
pub fn new_id(now: Timestamp, title: &str) -> String {
    let mut words: String =
        title.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    while words.contains("--") {
        words = words.replace("--", "-");
    }
    let words: String = words.trim_matches('-').chars().take(40).collect();
    let unique = Uuid::now_v7().simple().to_string();
    let unique = &unique[unique.len() - 6..];
    format!("{}-{}-{unique}", now.format("%Y%m%d-%H%M%S"), words.trim_matches('-'))
}

/// The id meant by a person: the whole one, the beginning of one, or the newest when none is given.
///
/// # Errors
/// No such incident, or several.
pub fn find(state: &StateDir, asked: Option<&str>) -> Result<String, IncidentError> {
    let all = state.incidents()?;
    let Some(asked) = asked else { return all.into_iter().max().ok_or(IncidentError::None) };
    let matching: Vec<String> = all.into_iter().filter(|id| id.starts_with(asked)).collect();
    match matching.as_slice() {
        [] => Err(IncidentError::Unknown(asked.to_owned())),
        [one] => Ok(one.clone()),
        several if several.iter().any(|id| id == asked) => Ok(asked.to_owned()),
        several => Err(IncidentError::Ambiguous(asked.to_owned(), several.join(", "))),
    }
}

/// All incidents, oldest first.
///
/// # Errors
/// The state folder or a log cannot be read.
pub fn list(state: &StateDir) -> Result<Vec<Listed>, IncidentError> {
    let mut ids = state.incidents()?;
    ids.sort();
    ids.into_iter()
        .map(|id| {
            let records = read_all(&state.incident(&id)?)?.records;
            let debrief = Debrief::of(&records);
            Ok(Listed {
                id,
                title: debrief.title,
                exercise: debrief.exercise,
                opened_at: debrief.opened_at,
                closed_at: debrief.closed_at,
                events: records.len(),
            })
        })
        .collect()
}

/// The newest incident, if it is still open and no drill: what is done by hand now belongs to it.
///
/// # Errors
/// The state folder or its log cannot be read.
pub fn current(state: &StateDir) -> Result<Option<String>, IncidentError> {
    let Some(id) = state.incidents()?.into_iter().max() else { return Ok(None) };
    let debrief = Debrief::of(&read_all(&state.incident(&id)?)?.records);
    Ok((debrief.opened_at.is_some() && debrief.closed_at.is_none() && !debrief.exercise).then_some(id))
}

/// The records of one incident, in timeline order.
///
/// # Errors
/// Its log cannot be read.
pub fn records(dir: &Path) -> Result<Vec<Record>, IncidentError> {
    Ok(read_all(dir)?.records)
}
