//! A scripted responder: acts that are done when their time has come, for tests and demonstrations.
//!
//! Owns the script's format and its pace. Every act goes the way of a person's: through the same rules, onto the same
//! timeline, under the responder's name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadstick_core::event::{Actor, ItemId};
use deadstick_core::incident::{Act, Incident, Senses};
use deadstick_core::source::Source;
use deadstick_core::template;
use deadstick_core::units::{HumanDuration, Name};
use deadstick_core::yaml;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::session::{Ran, Session, SessionError, now, run_command};
use crate::surroundings::Surroundings;

/// How often a script looks whether its next act is due.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A script: who responds, and what they do.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Script {
    /// The responder's name.
    pub responder: String,
    /// What they do, in order.
    pub acts: Vec<Cue>,
}

/// One act and when it is due.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cue {
    /// Wait until this checklist is queued.
    #[serde(default)]
    pub queued: Option<Name>,
    /// Wait until this item is done or sensed true (`CHECKLIST/ITEM`).
    #[serde(default)]
    pub done: Option<String>,
    /// Wait this long after that.
    #[serde(default)]
    pub pause: HumanDuration,
    /// Give up (and say so) when it is not due by then; one minute by default.
    #[serde(default = "one_minute")]
    pub within: HumanDuration,
    /// Who, when it is not the responder: for handing over.
    #[serde(default)]
    pub by: Option<String>,
    /// What; `{{names}}` in its texts are filled from the lab.
    #[serde(rename = "do")]
    pub act: Act,
}

fn one_minute() -> HumanDuration {
    HumanDuration::secs(60)
}

/// Why a script came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// Its next act never became due.
    #[error("act {number} was not due within {within}")]
    NotDue {
        /// Which, from 1.
        number: usize,
        /// How long was waited.
        within: HumanDuration,
    },
    /// An act was refused.
    #[error("act {number}: {error}")]
    Refused {
        /// Which, from 1.
        number: usize,
        /// Why.
        error: SessionError,
    },
    /// A placeholder has no value.
    #[error("act {number}: {error}")]
    Unbound {
        /// Which, from 1.
        number: usize,
        /// Which placeholder.
        error: template::Unbound,
    },
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn read(source: &Source) -> Result<Self, Box<deadstick_core::source::Diagnostic>> {
        yaml::read(source)
    }

    /// Does everything in it.
    ///
    /// # Errors
    /// The first act that was refused, or never due.
    pub async fn play(
        self,
        session: Session,
        surroundings: Arc<dyn Surroundings>,
        program: PathBuf,
    ) -> Result<(), ScriptError> {
        for (index, cue) in self.acts.into_iter().enumerate() {
            let number = index + 1;
            let asked = Instant::now();
            while !is_due(&session.incident(), &cue) {
                if asked.elapsed() > cue.within.0 {
                    return Err(ScriptError::NotDue { number, within: cue.within });
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            tokio::time::sleep(cue.pause.0).await;
            let by = Actor::person(cue.by.as_deref().unwrap_or(&self.responder));
            let (variables, _) = surroundings.now().await;
            let act = fill(cue.act, &variables).map_err(|error| ScriptError::Unbound { number, error })?;
            perform(&session, &surroundings, &program, by, act)
                .await
                .map_err(|error| ScriptError::Refused { number, error })?;
        }
        Ok(())
    }
}

/// Does an act as a person would: when it asks for a command, runs it and reports what became of it.
///
/// # Errors
/// The rules refuse it, or it could not be made durable.
pub async fn perform(
    session: &Session,
    surroundings: &Arc<dyn Surroundings>,
    program: &std::path::Path,
    by: Actor,
    act: Act,
) -> Result<Option<Ran>, SessionError> {
    let item = if let Act::Run { item, .. } = &act { Some(item.clone()) } else { None };
    let Some(argv) = session.act(by.clone(), act).await? else { return Ok(None) };
    let (variables, _) = surroundings.now().await;
    let ran = run_command(&argv, &variables, program, &surroundings.environment()).await;
    if let Some(item) = item {
        let Ran { command, exit, output } = ran.clone();
        session.act(by, Act::Ran { item, command, exit, output }).await?;
    }
    Ok(Some(ran))
}

fn is_due(incident: &Incident, cue: &Cue) -> bool {
    let queued = cue
        .queued
        .as_ref()
        .is_none_or(|name| incident.queue().iter().any(|row| row.checklist.as_ref() == Some(name)));
    let done = cue
        .done
        .as_ref()
        .is_none_or(|item| item.parse::<ItemId>().is_ok_and(|item| is_done(incident, &item)));
    queued && done
}

fn is_done(incident: &Incident, item: &ItemId) -> bool {
    let view = incident.checklist(&item.checklist, now(), &Senses::default());
    let rows = view.into_iter().flat_map(|view| view.sections).flat_map(|section| section.rows);
    rows.into_iter().any(|row| row.id == *item && row.marker.is_terminal())
}

/// Fills the texts of an act.
fn fill(mut act: Act, variables: &BTreeMap<String, String>) -> Result<Act, template::Unbound> {
    if let Act::Confirm { reading: Some(reading), .. } = &mut act {
        *reading = template::fill(reading, variables)?;
    }
    Ok(act)
}
