//! The front's workers: a few threads that do one request at a time, and the queue before them.
//!
//! Owns who is served next. With the bulkhead on, checkouts may keep at most half of the workers busy; with it off,
//! everybody shares, and enough checkouts that wait for a lock leave nobody for the catalogue.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use serde::Serialize;
use tokio::sync::oneshot;

use super::store::{self, Product};

/// More than this many in the queue, and the next one is turned away.
const QUEUE: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Catalogue,
    Checkout,
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    Catalogue(Vec<Product>),
    Sold(i64),
    /// The lock was not to be had in time, or the queue is full.
    TryLater(&'static str),
    Failed(String),
}

struct Request {
    kind: Kind,
    reply: oneshot::Sender<Outcome>,
}

struct State {
    wanted: usize,
    bulkhead: bool,
    queue: VecDeque<Request>,
    /// Workers that exist, by number; and what each one is doing.
    workers: Vec<Option<Kind>>,
    started: usize,
}

struct Shared {
    file: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Pool(Arc<Shared>);

/// What the health page shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Use {
    workers: usize,
    busy_with_catalogue: usize,
    busy_with_checkout: usize,
    waiting_for_write_lock: u64,
    queued: usize,
    bulkhead: bool,
}

impl State {
    fn busy_with(&self, kind: Kind) -> usize {
        self.workers.iter().filter(|doing| **doing == Some(kind)).count()
    }

    /// The first in the queue that may be served now; whoever has gone meanwhile is dropped from it.
    fn next(&mut self) -> Option<Request> {
        self.queue.retain(|request| !request.reply.is_closed());
        let checkout = !self.bulkhead || self.busy_with(Kind::Checkout) < (self.wanted / 2).max(1);
        let place = self.queue.iter().position(|request| checkout || request.kind == Kind::Catalogue)?;
        self.queue.remove(place)
    }
}

impl Pool {
    pub(super) fn new(file: PathBuf, workers: usize, bulkhead: bool) -> std::io::Result<Self> {
        let state = State { wanted: 0, bulkhead, queue: VecDeque::new(), workers: Vec::new(), started: 0 };
        let pool = Self(Arc::new(Shared { file, state: Mutex::new(state), changed: Condvar::new() }));
        pool.resize(workers)?;
        Ok(pool)
    }

    /// More workers start at once; fewer means that the last ones end when they are done.
    pub(super) fn resize(&self, workers: usize) -> std::io::Result<()> {
        let mut state = self.lock();
        state.wanted = workers;
        while state.started < workers {
            let number = state.started;
            if state.workers.len() <= number {
                state.workers.push(None);
            }
            let pool = self.clone();
            std::thread::Builder::new().name(format!("worker {number}")).spawn(move || pool.work(number))?;
            state.started += 1;
        }
        drop(state);
        self.0.changed.notify_all();
        Ok(())
    }

    pub(super) fn set_bulkhead(&self, on: bool) {
        self.lock().bulkhead = on;
        self.0.changed.notify_all();
    }

    pub(super) fn usage(&self) -> Use {
        let state = self.lock();
        Use {
            workers: state.wanted,
            busy_with_catalogue: state.busy_with(Kind::Catalogue),
            busy_with_checkout: state.busy_with(Kind::Checkout),
            waiting_for_write_lock: store::waiting(),
            queued: state.queue.iter().filter(|request| !request.reply.is_closed()).count(),
            bulkhead: state.bulkhead,
        }
    }

    /// Queues for a worker and waits for the outcome. Giving up means to drop the future.
    pub(super) async fn ask(&self, kind: Kind) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        {
            let mut state = self.lock();
            if state.queue.len() >= QUEUE {
                return Outcome::TryLater("too many are waiting");
            }
            state.queue.push_back(Request { kind, reply });
        }
        self.0.changed.notify_one();
        outcome.await.unwrap_or_else(|_| Outcome::Failed("the worker failed".to_owned()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of one worker.
    fn work(&self, number: usize) {
        let mut shop = None;
        let mut state = self.lock();
        loop {
            if number >= state.wanted && number + 1 == state.started {
                state.started -= 1;
                // The one before may be waiting to end, too.
                self.0.changed.notify_all();
                return;
            }
            let request = if number < state.wanted { state.next() } else { None };
            let Some(request) = request else {
                state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.workers[number] = Some(request.kind);
            drop(state);
            let outcome = serve(&mut shop, &self.0.file, request.kind);
            // Whoever asked may have given up meanwhile.
            request.reply.send(outcome).ok();
            state = self.lock();
            state.workers[number] = None;
            // A place for a checkout may have become free for somebody else to fill.
            self.0.changed.notify_one();
        }
    }
}

/// Does one request on this worker's connection, which is opened when it is first needed and again after a failure.
fn serve(shop: &mut Option<Connection>, file: &std::path::Path, kind: Kind) -> Outcome {
    let served = match shop.take().map_or_else(|| store::open(file), Ok) {
        Err(error) => Err(error),
        Ok(mut open) => {
            let served = match kind {
                Kind::Catalogue => store::catalogue(&open).map(Outcome::Catalogue),
                Kind::Checkout => store::checkout(&mut open).map(Outcome::Sold),
            };
            if served.as_ref().err().is_none_or(store::is_locked) {
                *shop = Some(open);
            }
            served
        }
    };
    match served {
        Ok(outcome) => outcome,
        Err(error) if store::is_locked(&error) => Outcome::TryLater("the shop is busy writing"),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}
