//! Does what the engine asks for: the lab, the steps, the alert, the way back.
//!
//! Owns the injector and the lab of one drill, and the tasks that may have to be interrupted. Every task ends in an input
//! to the engine; none of them decides anything.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use deadstick_core::drill::{Input, StepId, StepOutcome};
use deadstick_core::event::{Actor, Body};
use deadstick_core::incident::Act;
use deadstick_core::playbook::{Response, Step};
use deadstick_core::template;
use deadstick_core::units::HumanDuration;
use deadstick_faults::{FaultEvent, Injector};
use deadstick_lab::{Lab, LabClient, LabError};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::link::Link;
use super::step::perform;
use super::{DrillError, Progress, Settings};
use crate::injection::body_of;
use crate::ledger::SharedLedger;
use crate::library;
use crate::load::OpenLoads;
use crate::relay::ProxyRelays;
use crate::session::{Session, SessionError};
use crate::surroundings::{self, LabSurroundings};

/// How much longer than the run may take the lab and its folder may live.
const LAB_GRACE: Duration = Duration::from_secs(180);

pub(super) struct Performer {
    injector: Injector,
    session: Session,
    program: PathBuf,
    progress: Progress,
    inputs: mpsc::UnboundedSender<Input>,
    lab: Arc<Mutex<Option<Lab>>>,
    client: watch::Sender<Option<LabClient>>,
    link: Option<Arc<Link>>,
    lab_kind: &'static deadstick_core::lab::LabDescription,
    longest: Duration,
    steps: JoinSet<()>,
    recorder: JoinHandle<()>,
    ledger: SharedLedger,
    seed: u64,
}

impl Performer {
    pub(super) async fn new(
        settings: Settings,
        inputs: mpsc::UnboundedSender<Input>,
    ) -> Result<Self, DrillError> {
        let Settings { playbook, order, session, program, ledger, progress, lab, steps, .. } = settings;
        let (observed, recorder) = record_faults(session.clone(), progress.clone());
        let ledger = SharedLedger::new(ledger);
        let injector = Injector::arm(deadstick_faults::Settings {
            program: program.clone(),
            ledger: ledger.path(),
            store: ledger.store(),
            observer: Arc::new(move |event| {
                // The recorder ends after the injector does, so nothing is lost here.
                drop(observed.send(event));
            }),
            relay: Some(Arc::new(ProxyRelays)),
            load: Some(Arc::new(OpenLoads)),
            steps,
        })
        .await?;
        // Its faults come at times of their own: none is to wait for that.
        injector.look_ahead();
        let playbook = playbook.value;
        Ok(Self {
            injector,
            session,
            program,
            progress,
            inputs,
            lab: Arc::default(),
            client: lab,
            link: None,
            lab_kind: playbook.lab,
            longest: playbook.abort_after + playbook.recovery + LAB_GRACE,
            steps: JoinSet::new(),
            recorder,
            ledger,
            seed: order.seed,
        })
    }

    pub(super) fn input(&self, input: Input) {
        // The loop that reads these outlives every task that writes them.
        drop(self.inputs.send(input));
    }

    pub(super) async fn guardian_lost(&self) {
        self.injector.guardian_lost().await;
    }

    pub(super) fn client(&self) -> Option<LabClient> {
        self.client.borrow().clone()
    }

    /// The lab as sensors see it: also when it is not up yet, or no longer.
    pub(super) fn surroundings(&self) -> Arc<LabSurroundings> {
        LabSurroundings::new(self.client.subscribe())
    }

    /// For what chance decides.
    pub(super) const fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn inputs(&self) -> mpsc::UnboundedSender<Input> {
        self.inputs.clone()
    }

    /// Brings the lab up; its undo is on the ledger before anything of it exists.
    pub(super) fn start_lab(&mut self, values: Vec<(String, String)>) {
        let (injector, inputs, progress) =
            (self.injector.clone(), self.inputs.clone(), self.progress.clone());
        let (slot, client, session) = (self.lab.clone(), self.client.clone(), self.session.clone());
        let (kind, lease) = (self.lab_kind, HumanDuration(self.longest));
        let options = deadstick_lab::Options { program: self.program.clone(), under: std::env::temp_dir() };
        self.steps.spawn(async move {
            let up = async {
                let prepared = Lab::prepare(kind, &options).await.map_err(|e| e.to_string())?;
                let what = format!("lab {}", kind.name);
                injector.register(&what, prepared.undo(), lease).await.map_err(|e| e.to_string())?;
                let lab = prepared.start(|line| progress(&format!("          lab: {line}"))).await;
                let lab = lab.map_err(|e| e.to_string())?;
                for (key, value) in &values {
                    lab.client().set(key, value).await.map_err(|e| e.to_string())?;
                }
                surroundings::note_lab(session.dir(), lab.client().folder()).map_err(|e| e.to_string())?;
                client.send_replace(Some(lab.client().clone()));
                let ended = lab.ended();
                *slot.lock().await = Some(lab);
                Ok::<_, String>(ended)
            };
            match up.await {
                Ok(ended) => {
                    drop(inputs.send(Input::LabUp));
                    ended.await;
                    drop(inputs.send(Input::Stop("the lab has ended".to_owned())));
                }
                Err(why) => drop(inputs.send(Input::LabFailed(why))),
            }
        });
    }

    /// Puts a proxy in front of the lab, which the streams started from now on go through.
    pub(super) async fn lead_users(&mut self) -> Result<(), String> {
        let lab = self.client().ok_or("the lab is not up")?;
        let variables = lab.variables().await.map_err(|e| e.to_string())?;
        self.link = Some(Arc::new(Link::start(&variables, self.seed).await?));
        Ok(())
    }

    /// What the streams go through, if any toxic may be put on it.
    pub(super) fn link(&self) -> Option<&Link> {
        self.link.as_deref()
    }

    /// Carries out one step, and says how it ended.
    pub(super) fn carry_out(&mut self, id: StepId, step: Step) {
        let (injector, inputs, session) = (self.injector.clone(), self.inputs.clone(), self.session.clone());
        let (client, link, longest) = (self.client(), self.link.clone(), self.longest);
        self.steps.spawn(async move {
            let result = match client {
                Some(lab) => perform(&injector, &lab, link.as_deref(), &session, step, longest).await,
                None => Err("the lab is not up".to_owned()),
            };
            let outcome = match result {
                Ok(()) => StepOutcome::Done,
                Err(why) => StepOutcome::NotLanded(why),
            };
            drop(inputs.send(Input::StepDone { step: id, outcome }));
        });
    }

    /// Calls the responders, and notes for the debrief what would be right.
    pub(super) fn annunciate(&mut self, response: Response) {
        let (session, client) = (self.session.clone(), self.client());
        let inputs = self.inputs.clone();
        self.steps.spawn(async move {
            if let Err(why) = raise(&session, client, response).await {
                drop(inputs.send(Input::Stop(format!("the alert could not be raised: {why}"))));
            }
        });
    }

    pub(super) fn clear_alert(&mut self, response: Response) {
        let (session, inputs) = (self.session.clone(), self.inputs.clone());
        self.steps.spawn(async move {
            let act = Act::ClearAlert { alert: response.annunciates };
            match session.act(Actor::tool(), act).await {
                // Refused: responders have cleared it themselves.
                Ok(_) | Err(SessionError::Refused(_)) => {}
                Err(why) => drop(inputs.send(Input::Stop(format!("the alert could not be cleared: {why}")))),
            }
        });
    }

    /// Interrupts whatever is running, undoes all faults, ends what the lab ran, puts the safe settings back.
    pub(super) fn revert(&mut self, values: Vec<(String, String)>) {
        self.steps.abort_all();
        let (injector, inputs, client) = (self.injector.clone(), self.inputs.clone(), self.client());
        let (session, toxics) = (self.session.clone(), self.link().map(Link::clear).unwrap_or_default());
        tokio::spawn(async move {
            for name in toxics {
                let what = format!("the toxic {name} is off the link: the drill is over");
                // They are off, whether or not the timeline can still be written.
                drop(session.record(Actor::tool(), Body::DrillStep { what }).await);
            }
            let residue = injector.undo_faults("the drill is over").await;
            let mut left: Vec<String> = residue.iter().map(describe_residue).collect();
            if let Some(lab) = client {
                match put_back(&lab, &values).await {
                    // A lab that is gone has no settings left to put back.
                    Ok(()) | Err(LabError::Ended) => {}
                    Err(error) => left.push(format!("the lab was not put back: {error}")),
                }
            }
            drop(inputs.send(Input::Reverted(left)));
        });
    }

    /// Ends the lab and dismisses the guardian; says what is left.
    pub(super) async fn close(mut self) -> Vec<String> {
        self.steps.abort_all();
        while self.steps.join_next().await.is_some() {}
        self.client.send_replace(None);
        if let Some(lab) = self.lab.lock().await.take()
            && let Err(error) = lab.stop().await
        {
            // The registered undo ends it whatever this says.
            (self.progress)(&format!("          the lab did not stop by itself: {error}"));
        }
        let residue = self.injector.close().await;
        // Every injector handle is gone with the tasks that held them, so the recorder's stream ends here.
        drop(self.recorder.await);
        let mut left: Vec<String> = residue.iter().map(describe_residue).collect();
        left.extend(
            self.ledger.retire().err().map(|error| format!("the ledger could not be retired: {error}")),
        );
        left
    }
}

fn describe_residue(residue: &deadstick_faults::Residue) -> String {
    format!("{}: {}; run: {}", residue.id, residue.why, residue.manual)
}

/// Puts every event of a fault's life on the timeline, in order.
fn record_faults(
    session: Session,
    progress: Progress,
) -> (mpsc::UnboundedSender<FaultEvent>, JoinHandle<()>) {
    let (sink, mut stream) = mpsc::unbounded_channel();
    let recorder = tokio::spawn(async move {
        while let Some(event) = stream.recv().await {
            let Some(body) = body_of(event) else { continue };
            progress(&format!("          {}", deadstick_core::event::describe(&body)));
            if let Err(error) = session.record(Actor::tool(), body).await {
                progress(&format!("          {error}"));
            }
        }
    });
    (sink, recorder)
}

async fn raise(session: &Session, lab: Option<LabClient>, response: Response) -> Result<(), String> {
    let variables = match &lab {
        Some(lab) => lab.variables().await.map_err(|e| e.to_string())?,
        None => template::Variables::new(),
    };
    let Response { annunciates, target, act } = response;
    let checklist = library::checklist(annunciates.as_str()).map_err(|e| e.to_string())?;
    // Without the job's session there is nothing to name; the debrief then scores the act alone.
    let target = target.and_then(|(item, right)| Some((item, template::fill(&right, &variables).ok()?)));
    let truth = Body::DrillGroundTruth { checklist: annunciates, target, act };
    session.record(Actor::tool(), truth).await.map_err(|e| e.to_string())?;
    session.alert(Actor::tool(), checklist).await.map_err(|e| e.to_string())
}

async fn put_back(lab: &LabClient, values: &[(String, String)]) -> Result<(), LabError> {
    lab.reset().await?;
    for (key, value) in values {
        lab.set(key, value).await?;
    }
    Ok(())
}
