//! Watches users: the open-loop streams and the watched probes of a playbook, as inputs to the engine.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadstick_core::Timestamp;
use deadstick_core::drill::Input;
use deadstick_core::playbook::Playbook;
use deadstick_core::probe::{Answer, HttpProbe, Probe};
use deadstick_core::steady_state;
use deadstick_core::template::{self, Variables};
use deadstick_core::units::Name;
use deadstick_probes::{Context, Load, LoadHandle, Prober, Sample};
use deadstick_timeline::samples::{self, Samples};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::performer::Performer;
use crate::session::{ask, fill};
use crate::surroundings::Surroundings;

/// The flight data recorder: every answer, beside the timeline.
struct Recorder {
    began_at: Timestamp,
    samples: Mutex<Samples>,
}

impl Recorder {
    fn take(&self, name: &Name, sample: &Sample) {
        let Sample::Answered { at, ok, latency, detail, .. } = sample else { return };
        let due = at.saturating_sub(*latency);
        let answer = if *ok { Answer::Satisfied } else { Answer::Unsatisfied };
        let sample = samples::Sample {
            at: self.began_at + chrono::TimeDelta::from_std(due).unwrap_or_default(),
            probe: name.to_string(),
            answer,
            took: *latency,
            value: (!ok).then(|| detail.clone()),
        };
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        // Samples are telemetry: when the disk is full, the timeline itself says so and stops the drill.
        drop(samples.record(&sample));
    }
}

pub(super) struct Streams {
    prober: Prober,
    began: Instant,
    samples: Arc<Recorder>,
    loads: Vec<LoadHandle>,
    tasks: JoinSet<()>,
}

impl Streams {
    pub(super) fn new(prober: Prober, samples: Samples, began: Instant, began_at: Timestamp) -> Self {
        let samples = Arc::new(Recorder { began_at, samples: Mutex::new(samples) });
        Self { prober, began, samples, loads: Vec::new(), tasks: JoinSet::new() }
    }

    /// Starts everything a playbook watches.
    pub(super) async fn start(&mut self, playbook: &Playbook, performer: &Performer) {
        let mut variables = match performer.client() {
            Some(lab) => match lab.variables().await {
                Ok(variables) => variables,
                Err(why) => {
                    let why = format!("the lab does not say where it is: {why}");
                    return performer.input(Input::Stop(why));
                }
            },
            None => Variables::new(),
        };
        if let Some(link) = performer.link() {
            link.lead(&mut variables);
        }
        let judged = playbook.steady_state.iter().map(|s| (&s.name, &s.http, s.every, true));
        let unjudged = playbook.load.iter().map(|l| (&l.name, &l.http, l.every, false));
        for (name, http, every, judge) in judged.chain(unjudged) {
            if let Err(why) = self.load(name, http, every, judge, &variables, performer) {
                performer.input(Input::Stop(format!("the stream {name} could not be started: {why}")));
            }
        }
        for watched in &playbook.probes {
            let (name, every) = (watched.name.clone(), watched.every);
            let (prober, inputs, probe) = (self.prober.clone(), performer.inputs(), watched.probe.clone());
            let lab = performer.surroundings();
            self.tasks.spawn(async move {
                let mut due = tokio::time::interval(every);
                due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                loop {
                    due.tick().await;
                    let (variables, context): (Variables, Context) = lab.now().await;
                    let seen = ask(&prober, &context, fill(Probe::clone(&probe), &variables)).await;
                    let input =
                        Input::Answered { probe: name.clone(), answer: seen.answer, detail: seen.detail };
                    if inputs.send(input).is_err() {
                        return;
                    }
                }
            });
        }
    }

    fn load(
        &mut self,
        name: &Name,
        http: &HttpProbe,
        every: Duration,
        judge: bool,
        variables: &Variables,
        performer: &Performer,
    ) -> Result<(), String> {
        let mut probe = http.clone();
        probe.url = template::fill(&probe.url, variables).map_err(|e| e.to_string())?;
        let (sink, mut stream) = mpsc::unbounded_channel();
        let load = Load { probe, every, seed: performer.seed(), keys: None };
        self.loads.push(load.start(&self.prober, self.began, sink).map_err(|e| e.to_string())?);
        let (name, inputs, samples) = (name.clone(), performer.inputs(), self.samples.clone());
        self.tasks.spawn(async move {
            while let Some(sample) = stream.recv().await {
                samples.take(&name, &sample);
                if !judge {
                    continue;
                }
                let sample = match sample {
                    Sample::Sent { seq, at } => steady_state::Sample::Sent { seq, at },
                    Sample::Answered { seq, ok, latency, .. } => {
                        steady_state::Sample::Answered { seq, ok, latency }
                    }
                };
                if inputs.send(Input::Sample { stream: name.clone(), sample }).is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    /// Ends everything; the last samples are written.
    pub(super) async fn stop(mut self) {
        self.tasks.abort_all();
        while self.tasks.join_next().await.is_some() {}
        self.loads.clear();
    }
}
