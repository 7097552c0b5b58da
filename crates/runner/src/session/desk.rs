//! The thread at which everything about one incident is decided, in turn.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use deadstick_core::Timestamp;
use deadstick_core::checklist::Checklist;
use deadstick_core::event::{Actor, Body, Event, ItemId, Record};
use deadstick_core::incident::{Act, Alert, Incident, Senses};
use deadstick_core::probe::Observation;
use deadstick_timeline::log::{Log, Timeline};
use tokio::sync::{mpsc, oneshot, watch};

use super::{SessionError, now};
use crate::library::Read;

/// How often other writers' files are looked at, and timers are asked whether they are over.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, SessionError>>;

/// Something to be done in turn.
pub(super) enum Order {
    Record { occurred: Timestamp, by: Actor, body: Box<Body>, reply: Reply<()> },
    Act { by: Actor, act: Box<Act>, reply: Reply<Option<Vec<String>>> },
    Alert { by: Actor, checklist: Box<Read<Checklist>>, reply: Reply<()> },
    Observe { item: ItemId, observation: Observation, reply: Reply<()> },
    Subscribe(mpsc::UnboundedSender<Vec<Record>>),
}

pub(super) struct Desk {
    log: Log,
    incident: Incident,
    senses: Senses,
    records: Vec<Record>,
    publish: watch::Sender<Arc<Incident>>,
    sensed: watch::Sender<Arc<Senses>>,
    listeners: Vec<mpsc::UnboundedSender<Vec<Record>>>,
}

impl Desk {
    pub(super) fn new(
        log: Log,
        past: &Timeline,
        publish: watch::Sender<Arc<Incident>>,
        sensed: watch::Sender<Arc<Senses>>,
    ) -> Self {
        let (incident, records, listeners) = (Incident::default(), Vec::new(), Vec::new());
        let mut desk = Self { log, incident, senses: Senses::default(), records, publish, sensed, listeners };
        desk.take(&past.records);
        desk
    }

    /// Works until nobody holds a handle any more.
    pub(super) fn work(mut self, inbox: &Receiver<Order>) {
        loop {
            match inbox.recv_timeout(LOOK_EVERY) {
                Ok(order) => self.carry_out(order),
                Err(RecvTimeoutError::Timeout) => self.look_around(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn carry_out(&mut self, order: Order) {
        // An asker who has gone away does not want the answer; what was done is on the timeline all the same.
        match order {
            Order::Record { occurred, by, body, reply } => {
                let event = Event::at(occurred, now(), by, *body);
                drop(reply.send(self.append(&[event])));
            }
            Order::Act { by, act, reply } => {
                let decided = self.incident.decide(now(), &by, &act).map_err(SessionError::from);
                let answer = decided.and_then(|decision| {
                    self.append(&decision.events)?;
                    Ok(decision.run)
                });
                self.tick();
                drop(reply.send(answer));
            }
            Order::Alert { by, checklist, reply } => {
                let Read { source, value } = *checklist;
                let alert = Alert::for_checklist(&value);
                let events = self.incident.alert(now(), &by, &alert, Some((&source, &value)));
                drop(reply.send(self.append(&events)));
            }
            Order::Observe { item, observation, reply } => {
                let events = self.incident.observe(&mut self.senses, now(), &item, &observation);
                let answer = self.append(&events);
                self.sensed.send_replace(Arc::new(self.senses.clone()));
                self.tick();
                drop(reply.send(answer));
            }
            Order::Subscribe(listener) => {
                if listener.send(self.records.clone()).is_ok() {
                    self.listeners.push(listener);
                }
            }
        }
    }

    /// What happens without an order: others write, timers end.
    fn look_around(&mut self) {
        // A folder that cannot be listed for a moment is looked at again; our own appends report what lasts.
        if let Ok(news) = self.log.refresh() {
            self.take(&news.records);
        }
        let lapsed = self.incident.lapse(&mut self.senses, now());
        // As with timers: what lapsed has still lapsed the next time it is asked.
        drop(self.append(&lapsed));
        self.tick();
    }

    fn tick(&mut self) {
        let events = self.incident.tick(now());
        // When the disk says no, the timer is still over the next time it is asked.
        drop(self.append(&events));
    }

    /// Durable first, then folded, then told.
    fn append(&mut self, events: &[Event]) -> Result<(), SessionError> {
        if events.is_empty() {
            return Ok(());
        }
        let records = self.log.append(events).map_err(Arc::new)?;
        self.take(&records);
        Ok(())
    }

    fn take(&mut self, records: &[Record]) {
        if records.is_empty() {
            return;
        }
        let late = self.records.last().is_some_and(|last| last.order() > records[0].order());
        if late {
            // Another writer's record belongs before one that we have folded already: fold again, in order.
            self.records.extend(records.iter().cloned());
            self.records.sort_by(|a, b| a.order().cmp(&b.order()));
            let mut seen = BTreeSet::new();
            self.records.retain(|record| seen.insert(record.id.clone()));
            self.incident = Incident::default();
            for record in &self.records {
                self.incident.apply(record);
            }
        } else {
            for record in records {
                self.incident.apply(record);
            }
            self.records.extend(records.iter().cloned());
        }
        self.publish.send_replace(Arc::new(self.incident.clone()));
        self.listeners.retain(|listener| listener.send(records.to_vec()).is_ok());
    }
}
