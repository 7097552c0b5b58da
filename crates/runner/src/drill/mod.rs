//! Stages a playbook: the async shell around core's drill engine.
//!
//! Owns the loop that turns every outside happening into one input and carries out what comes back: the lab, the faults,
//! the streams, the timeline. `performer` does things, `step` carries out one step, `streams` watches users, `link` is what toxics are put on. Leaves
//! every decision to the engine, and privileged work to the faults crate.

pub(crate) mod link;
mod performer;
mod step;
mod streams;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadstick_core::Timestamp;
use deadstick_core::drill::{Drill, Effect, Input, Order, Outcome, TICK, UnknownSlice};
use deadstick_core::event::{Actor, Body, IncidentSeverity, Verdict};
use deadstick_core::playbook::Playbook;
use deadstick_core::units::Name;
use deadstick_faults::FaultError;
use deadstick_lab::{LabClient, LabError};
use deadstick_probes::Prober;
use deadstick_timeline::samples::Samples;
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use crate::library::Read;
use crate::session::{Session, SessionError};
use crate::signals;

use performer::Performer;

/// Who is told how a drill gets on, in lines.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// What a drill needs.
pub struct Settings {
    /// The playbook, with the text it was read from.
    pub playbook: Read<Playbook>,
    /// What is asked of it.
    pub order: Order,
    /// The incident it is recorded on.
    pub session: Session,
    /// The binary: guardian, holders and lab processes are itself.
    pub program: PathBuf,
    /// Where this run's ledger goes.
    pub ledger: deadstick_timeline::ledger::Ledger,
    /// Asks probes.
    pub prober: Prober,
    /// Told how it gets on.
    pub progress: Progress,
    /// A text here stops it.
    pub stop: watch::Receiver<Option<String>>,
    /// Told when the lab is up and when it is gone.
    pub lab: watch::Sender<Option<LabClient>>,
    /// Test hook: told of each step of each fault's life, and may block.
    pub steps: Option<deadstick_faults::StepHook>,
}

/// Why a drill could not even be staged.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// A slice that the playbook does not have.
    #[error(transparent)]
    Order(#[from] UnknownSlice),
    /// The timeline.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Guardian or ledger.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// The lab.
    #[error(transparent)]
    Lab(#[from] LabError),
}

/// How a drill ended: the last line for machines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The playbook's name.
    pub playbook: Name,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one line.
    pub because: String,
    /// The holes that were opened.
    pub holes: Vec<Name>,
    /// When steady state was lost and regained.
    pub steady_state: SteadyState,
    /// What could not be undone; empty when all was.
    pub residue: Vec<String>,
    /// The incident's id.
    pub incident: String,
    /// For what chance decided.
    pub seed: u64,
}

/// When steady state was lost and regained.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SteadyState {
    /// None when it held throughout.
    pub lost_at: Option<Timestamp>,
    /// None when it was never lost, or never came back.
    pub regained_at: Option<Timestamp>,
}

/// The line of progress that says so.
pub const LAB_IS_UP: &str = "          lab: up";

/// How an exercise is put on the timeline: under its name alone, since its title would tell responders what is wrong.
#[must_use]
pub fn opening(playbook: &Playbook) -> Body {
    Body::IncidentOpened {
        title: format!("Exercise {} on the lab {}", playbook.name, playbook.lab.name),
        severity: IncidentSeverity::Sev2,
        exercise: true,
        playbook: Some(playbook.name.clone()),
    }
}

/// Stages a drill to its end. Whatever happens, everything is taken back out before it returns.
///
/// # Errors
/// It could not be staged at all; whatever had begun was undone.
pub async fn run(settings: Settings) -> Result<Report, DrillError> {
    let began = Instant::now();
    let began_at = crate::session::now();
    let Settings { playbook, order, session, prober, progress, stop, .. } = &settings;
    let (session, prober, progress) = (session.clone(), prober.clone(), progress.clone());
    let mut stop = stop.clone();
    let (name, respond, seed) = (playbook.value.name.clone(), order.respond, order.seed);
    let mut drill = Drill::new(playbook.value.clone(), order.clone())?;
    let (inputs, mut inbox) = mpsc::unbounded_channel();
    let samples = Samples::open(session.dir(), "drill").map_err(|e| SessionError::Log(Arc::new(e)))?;
    let mut performer = Performer::new(settings, inputs).await?;
    let mut streams = streams::Streams::new(prober, samples, began, began_at);
    let mut changes = session.changes();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut pending = drill.begin();
    let mut stopping = false;
    let outcome = 'drill: loop {
        for effect in std::mem::take(&mut pending) {
            match effect {
                Effect::Record(body) => {
                    tell(&progress, began.elapsed(), &body);
                    // A timeline that cannot be written ends the drill: no record, no fault.
                    if let Err(error) = session.record(Actor::tool(), body).await
                        && !stopping
                    {
                        stopping = true;
                        performer.input(Input::Stop(error.to_string()));
                    }
                }
                Effect::StartLab(values) => performer.start_lab(values),
                Effect::StartStreams => {
                    progress(LAB_IS_UP);
                    if drill.playbook().has_toxics()
                        && let Err(why) = performer.lead_users().await
                    {
                        performer
                            .input(Input::Stop(format!("the proxy for toxics could not be started: {why}")));
                    }
                    streams.start(drill.playbook(), &performer).await;
                }
                Effect::Do(id, step) => performer.carry_out(id, step),
                Effect::Annunciate(response) => performer.annunciate(response),
                Effect::ClearAlert(response) => performer.clear_alert(response),
                Effect::Revert(values) => performer.revert(values),
                Effect::Finish(outcome) => break 'drill outcome,
            }
        }
        let input = tokio::select! {
            biased;
            why = signals::stopped(&mut stop), if !stopping => {
                stopping = true;
                Input::Stop(why)
            }
            () = performer.guardian_lost(), if !stopping => {
                stopping = true;
                Input::Stop("the guardian died; nothing stays injected without one".to_owned())
            }
            Some(input) = inbox.recv() => input,
            _ = tick.tick() => Input::Tick,
            Ok(()) = changes.changed() => {
                let closed = respond && changes.borrow_and_update().bar().closed_at.is_some();
                if closed { Input::ResponseOver } else { Input::Tick }
            }
        };
        pending = drill.step(began.elapsed(), input);
    };
    streams.stop().await;
    let mut residue = outcome.residue.clone();
    residue.extend(performer.close().await);
    let at = |elapsed: Option<Duration>| {
        elapsed.and_then(|elapsed| Some(began_at + chrono::TimeDelta::from_std(elapsed).ok()?))
    };
    let steady_state = SteadyState { lost_at: at(outcome.lost_at), regained_at: at(outcome.regained_at) };
    let Outcome { verdict, because, holes, .. } = outcome;
    if !respond {
        let summary = format!("{}: {because}", verdict.word());
        session.record(Actor::tool(), Body::IncidentClosed { summary }).await?;
    }
    let incident = session.id();
    Ok(Report { playbook: name, verdict, because, holes, steady_state, residue, incident, seed })
}

/// One line of progress for what a facilitator wants to see as it happens.
fn tell(progress: &Progress, elapsed: Duration, body: &Body) {
    let line = deadstick_core::event::describe(body);
    progress(&format!("{:>7.1}s  {line}", elapsed.as_secs_f64()));
}
