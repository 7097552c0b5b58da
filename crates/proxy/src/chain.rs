//! The toxics that hit one direction of one connection, joined in order. Pure, like the stages it is made of.
//!
//! Owns which toxics apply here (the dice are thrown once per connection, stream and toxic) and what becomes of held
//! data when the list changes. Leaves sockets and waiting to the `link`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::clock::Time;
use crate::control::lock;
use crate::dice::Dice;
use crate::stage::{Commons, Item, Stage, Step, Verdicts, stage};
use crate::toxic::{Kind, Stream};

/// One toxic as links see it.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Tells toxics apart, also one from another that later took its name.
    pub serial: u64,
    /// Grows with each change of the attributes.
    pub revision: u64,
    /// The share of connections it hits.
    pub toxicity: f32,
    /// What it does.
    pub kind: Kind,
    /// What all connections of the proxy share for it; see [`stage`].
    pub wire: Arc<AtomicU64>,
    /// On how many streams of connections (`http`: replies, `websocket`: sockets) it has begun to act.
    pub hits: Arc<AtomicU64>,
}

impl Spec {
    /// Whether it hits that side. The same answer however often it is asked for.
    pub fn hits(&self, side: &Side) -> bool {
        let dice = if self.kind.spans_streams() { side.connection.clone() } else { side.dice() };
        dice.number(self.serial).fraction() < f64::from(self.toxicity)
    }
}

/// One direction of one connection, as the dice know it.
#[derive(Debug, Clone)]
pub struct Side {
    /// The connection's dice.
    pub connection: Dice,
    /// The direction.
    pub stream: Stream,
}

impl Side {
    fn dice(&self) -> Dice {
        self.connection.number(self.stream as u64)
    }
}

/// The toxics of one stream, in order. Shared by all connections of a proxy; a change makes a new list.
pub type Specs = Arc<[Spec]>;

/// What the two directions of one connection share, by toxic. Empty on most connections.
#[derive(Debug, Default)]
pub struct Exchange(Mutex<BTreeMap<u64, Verdicts>>);

impl Exchange {
    fn commons(&self, spec: &Spec) -> Commons {
        let verdicts = match spec.kind {
            Kind::Http(_) => Arc::clone(lock(&self.0).entry(spec.serial).or_default()),
            _ => Verdicts::default(),
        };
        Commons { wire: Arc::clone(&spec.wire), verdicts, hits: Arc::clone(&spec.hits) }
    }
}

#[derive(Debug)]
struct Slot {
    serial: u64,
    revision: u64,
    stage: Box<dyn Stage>,
    dice: Dice,
}

/// The stages of one direction of one connection.
#[derive(Debug)]
pub struct Chain {
    slots: Vec<Slot>,
    /// What has left the last stage.
    out: VecDeque<Item>,
    side: Side,
}

impl Chain {
    /// A chain without stages, for that side of a connection.
    pub fn new(side: Side) -> Self {
        Self { slots: Vec::new(), out: VecDeque::new(), side }
    }

    /// Whether any of `specs` would act on this connection.
    pub fn wanted(specs: &[Spec], side: &Side) -> bool {
        specs.iter().any(|spec| {
            !matches!(spec.kind, Kind::Noop(_) | Kind::Connect(_) | Kind::Tls(_)) && spec.hits(side)
        })
    }

    /// Follows a change of the list: stages whose toxic stays keep what they hold, the others let go of it.
    pub fn follow(&mut self, specs: &[Spec], exchange: &Exchange, now: Time) {
        let hit: Vec<&Spec> = specs.iter().filter(|spec| spec.hits(&self.side)).collect();
        let mut old = std::mem::take(&mut self.slots);

        // First the departing stages empty into the next one that stays, front to back: what stands further back is
        // earlier in the stream and keeps its place.
        let mut carried = VecDeque::new();
        let mut stayed = Vec::with_capacity(old.len());
        for mut slot in old.drain(..) {
            let stays = slot.stage.committed() || hit.iter().any(|spec| spec.serial == slot.serial);
            if stays {
                for item in carried.drain(..) {
                    slot.stage.offer(item, now);
                }
                stayed.push(slot);
            } else {
                let mut released = slot.stage.release(now);
                released.append(&mut carried);
                carried = released;
            }
        }
        self.out.append(&mut carried);

        // Then the list is put together in its new order; what is committed but no longer listed keeps its turn at the front.
        let mut stayed = stayed.into_iter().peekable();
        for spec in hit {
            while let Some(slot) = stayed.next_if(|slot| {
                slot.serial != spec.serial && !specs.iter().any(|spec| spec.serial == slot.serial)
            }) {
                self.slots.push(slot);
            }
            if let Some(mut slot) = stayed.next_if(|slot| slot.serial == spec.serial) {
                if slot.revision != spec.revision {
                    slot.stage.update(&spec.kind, now);
                    slot.revision = spec.revision;
                }
                self.slots.push(slot);
            } else if let Some(stage) = stage(&spec.kind, self.side.stream, &exchange.commons(spec), now) {
                // These see for themselves whether there is anything for them to act on.
                if !matches!(spec.kind, Kind::Http(_) | Kind::Websocket(_)) {
                    spec.hits.fetch_add(1, Ordering::Relaxed);
                }
                self.slots.push(Slot {
                    serial: spec.serial,
                    revision: spec.revision,
                    stage,
                    dice: self.side.dice().number(spec.serial).part(b"stage"),
                });
            }
        }
        self.slots.extend(stayed);
    }

    /// Whether nothing is left to do: no stage and nothing held.
    pub fn is_idle(&self) -> bool {
        self.slots.is_empty() && self.out.is_empty()
    }

    /// Whether a stage stands for a silent path, on which not even a reset arrives.
    pub fn is_silent(&self) -> bool {
        self.slots.iter().any(|slot| slot.stage.silent())
    }

    /// Whether the chain wants more input.
    pub fn ready(&self) -> bool {
        match self.slots.first() {
            Some(slot) => slot.stage.ready(),
            None => self.out.is_empty(),
        }
    }

    /// The next item of the stream.
    pub fn offer(&mut self, item: Item, now: Time) {
        match self.slots.first_mut() {
            Some(slot) => slot.stage.offer(item, now),
            None => self.out.push_back(item),
        }
    }

    /// What leaves the chain at `now`. To be asked only when the receiver can take it.
    pub fn step(&mut self, now: Time) -> Step {
        if let Some(item) = self.out.pop_front() {
            return Step::Send(item);
        }
        loop {
            let mut moved = false;
            let mut wake: Option<Time> = None;
            for index in 0..self.slots.len() {
                let (front, behind) = self.slots.split_at_mut(index + 1);
                let Some(slot) = front.last_mut() else {
                    continue;
                };
                loop {
                    if behind.first().is_some_and(|next| !next.stage.ready()) {
                        break;
                    }
                    match slot.stage.step(now, &mut slot.dice) {
                        Step::Send(item) => {
                            let Some(next) = behind.first_mut() else {
                                return Step::Send(item);
                            };
                            moved = true;
                            next.stage.offer(item, now);
                        }
                        Step::WaitUntil(at) => {
                            wake = Some(wake.map_or(at, |wake| wake.min(at)));
                            break;
                        }
                        Step::Idle => break,
                    }
                }
            }
            if !moved {
                return wake.map_or(Step::Idle, Step::WaitUntil);
            }
        }
    }
}

#[cfg(test)]
mod tests;
