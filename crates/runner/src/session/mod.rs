//! A session: one process at work on one incident.
//!
//! Owns the one place where acts are decided, made durable and folded, in that order, so that nothing is shown that is
//! not on the disk; follows what other processes write to the same incident; tells everybody who listens. `sensing`
//! asks the probes of open checklists, `command` runs their commands. Leaves the rules to core's incident engine and
//! the files to the timeline crate.
//!
//! All of it happens on one thread, in turn: two acts can never be decided on the same state.

mod command;
mod desk;
mod sensing;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use deadstick_core::Timestamp;
use deadstick_core::checklist::Checklist;
use deadstick_core::event::{Actor, Body, ItemId, Record};
use deadstick_core::incident::{Act, Incident, Refusal, Senses};
use deadstick_core::probe::Observation;
use deadstick_timeline::log::{Log, LogError, Timeline};
use tokio::sync::{mpsc, oneshot, watch};

use crate::library::Read;

pub use command::{Ran, run_command};
pub use sensing::Sensing;
pub(crate) use sensing::{ask, fill};

use desk::{Desk, Order};

/// Why something could not be put on the timeline.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The rules do not admit it. Nothing was recorded.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The log does not take it. Nothing was recorded.
    #[error("the timeline cannot be written: {0}")]
    Log(#[from] Arc<LogError>),
    /// The session is over.
    #[error("the session is over")]
    Over,
}

/// A handle on a session; clones share it. The session ends when the last one is gone.
#[derive(Clone)]
pub struct Session {
    orders: Sender<Order>,
    incident: watch::Receiver<Arc<Incident>>,
    senses: watch::Receiver<Arc<Senses>>,
    dir: PathBuf,
}

impl Session {
    /// Begins an incident: creates its log in `dir` and records its opening.
    ///
    /// # Errors
    /// The log cannot be created or written.
    pub async fn begin(dir: &Path, by: Actor, opening: Body) -> Result<Self, SessionError> {
        let (path, name) = (dir.to_owned(), by.to_string());
        let created = tokio::task::spawn_blocking(move || Log::create(&path, &name, now())).await;
        let log = created.map_err(|_| SessionError::Over)?.map_err(Arc::new)?;
        let session = Self::start(log, &Timeline::default(), dir.to_owned());
        session.record(by, opening).await?;
        Ok(session)
    }

    /// Joins an incident that exists, as one more writer.
    ///
    /// # Errors
    /// There is no log, or it cannot be read or written.
    pub async fn join(dir: &Path, by: &Actor) -> Result<Self, SessionError> {
        let (path, name) = (dir.to_owned(), by.to_string());
        let opened = tokio::task::spawn_blocking(move || Log::open(&path, &name, now())).await;
        let (log, past) = opened.map_err(|_| SessionError::Over)?.map_err(Arc::new)?;
        Ok(Self::start(log, &past, dir.to_owned()))
    }

    fn start(log: Log, past: &Timeline, dir: PathBuf) -> Self {
        let (orders, inbox) = std::sync::mpsc::channel();
        let (publish, incident) = watch::channel(Arc::new(Incident::default()));
        let (sensed, senses) = watch::channel(Arc::default());
        let desk = Desk::new(log, past, publish, sensed);
        std::thread::Builder::new()
            .name("deadstick-session".to_owned())
            .spawn(move || desk.work(&inbox))
            .expect("a thread can be started");
        Self { orders, incident, senses, dir }
    }

    /// The incident's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The incident's id: the name of its folder.
    #[must_use]
    pub fn id(&self) -> String {
        self.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The incident as it is now.
    #[must_use]
    pub fn incident(&self) -> Arc<Incident> {
        self.incident.borrow().clone()
    }

    /// Resolves whenever the incident has changed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Incident>> {
        self.incident.clone()
    }

    /// Resolves whenever a probe of a checklist has answered: what it said last, for ages and values.
    #[must_use]
    pub fn senses(&self) -> watch::Receiver<Arc<Senses>> {
        self.senses.clone()
    }

    /// Every record there is, and then every new one, in timeline order.
    #[must_use]
    pub fn records(&self) -> mpsc::UnboundedReceiver<Vec<Record>> {
        let (sink, stream) = mpsc::unbounded_channel();
        // A session that is over closes the stream at once, which says as much.
        drop(self.orders.send(Order::Subscribe(sink)));
        stream
    }

    async fn ask<T>(&self, order: impl FnOnce(desk::Reply<T>) -> Order) -> Result<T, SessionError> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(order(reply)).map_err(|_| SessionError::Over)?;
        answer.await.map_err(|_| SessionError::Over)?
    }

    /// Puts a fact on the timeline, as it happens.
    ///
    /// # Errors
    /// It could not be made durable.
    pub async fn record(&self, by: Actor, body: Body) -> Result<(), SessionError> {
        self.record_at(now(), by, body).await
    }

    /// Puts a fact on the timeline that happened at a given time.
    ///
    /// # Errors
    /// It could not be made durable.
    pub async fn record_at(&self, occurred: Timestamp, by: Actor, body: Body) -> Result<(), SessionError> {
        self.ask(|reply| Order::Record { occurred, by, body: Box::new(body), reply }).await
    }

    /// Does what a person asks for; the answer is a command to run, if the act asks for one.
    ///
    /// # Errors
    /// The rules refuse it, or it could not be made durable.
    pub async fn act(&self, by: Actor, act: Act) -> Result<Option<Vec<String>>, SessionError> {
        self.ask(|reply| Order::Act { by, act: Box::new(act), reply }).await
    }

    /// Raises the alert that a checklist answers, and queues the checklist with its text pinned.
    ///
    /// # Errors
    /// It could not be made durable.
    pub async fn alert(&self, by: Actor, checklist: Read<Checklist>) -> Result<(), SessionError> {
        self.ask(|reply| Order::Alert { by, checklist: Box::new(checklist), reply }).await
    }

    /// Reports what a sensed item's probe saw.
    ///
    /// # Errors
    /// What follows from it could not be made durable.
    pub async fn observe(&self, item: ItemId, observation: Observation) -> Result<(), SessionError> {
        self.ask(|reply| Order::Observe { item, observation, reply }).await
    }
}

/// The wall clock.
#[must_use]
pub fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}
