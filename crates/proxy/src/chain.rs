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
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::stage::{Chunk, Ending};
    use crate::toxic::{Bandwidth, Latency, Noop, ResetPeer, SlowClose, Timeout};

    fn spec(serial: u64, kind: impl Into<Kind>) -> Spec {
        Spec {
            serial,
            revision: 0,
            toxicity: 1.0,
            kind: kind.into(),
            wire: Arc::default(),
            hits: Arc::default(),
        }
    }

    fn side(connection: Dice) -> Side {
        Side { connection, stream: Stream::Downstream }
    }

    fn latency(ms: i64) -> Latency {
        Latency { latency: ms, jitter: 0 }
    }

    fn ms(count: u64) -> Time {
        Duration::from_millis(count)
    }

    fn data(text: &'static str, at: Time) -> Item {
        Item::Data(Chunk { data: Bytes::from_static(text.as_bytes()), at })
    }

    fn sent(step: Step) -> String {
        match step {
            Step::Send(Item::Data(chunk)) => String::from_utf8_lossy(&chunk.data).into_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn stacked_latencies_add_up_exactly() {
        let mut chain = Chain::new(side(Dice::new(1)));
        chain.follow(&[spec(1, latency(30)), spec(2, latency(12))], &Exchange::default(), ms(0));
        chain.offer(data("a", ms(5)), ms(5));
        assert_eq!(chain.step(ms(5)), Step::WaitUntil(ms(35)));
        // Looked at 3 ms late: the second delay still counts from when the first was due.
        assert_eq!(chain.step(ms(38)), Step::WaitUntil(ms(47)));
        assert_eq!(sent(chain.step(ms(47))), "a");
    }

    #[test]
    fn a_removed_toxic_lets_go_in_order_through_those_that_stay() {
        let mut chain = Chain::new(side(Dice::new(1)));
        let (first, second) = (spec(1, latency(100)), spec(2, latency(50)));
        chain.follow(&[first, second.clone()], &Exchange::default(), ms(0));
        chain.offer(data("a", ms(0)), ms(0));
        assert_eq!(chain.step(ms(100)), Step::WaitUntil(ms(150)));
        chain.offer(data("b", ms(101)), ms(101));
        chain.follow(std::slice::from_ref(&second), &Exchange::default(), ms(102));
        assert_eq!(sent(chain.step(ms(150))), "a");
        assert_eq!(sent(chain.step(ms(151))), "b");
        chain.offer(data("c", ms(151)), ms(151));
        chain.offer(Item::End(Ending::Half), ms(151));
        chain.follow(&[], &Exchange::default(), ms(152));
        assert_eq!(sent(chain.step(ms(152))), "c");
        assert_eq!(chain.step(ms(152)), Step::Send(Item::End(Ending::Half)));
        assert!(chain.is_idle());
    }

    #[test]
    fn bandwidth_of_nothing_holds_and_loses_nothing() {
        let mut chain = Chain::new(side(Dice::new(1)));
        chain.follow(&[spec(1, Bandwidth { rate: 0 })], &Exchange::default(), ms(0));
        chain.offer(data("held", ms(0)), ms(0));
        assert_eq!(chain.step(ms(1_000_000)), Step::Idle);
        chain.follow(&[], &Exchange::default(), ms(1_000_001));
        assert_eq!(sent(chain.step(ms(1_000_001))), "held");
    }

    #[test]
    fn toxicity_is_decided_once_and_a_later_toxic_changes_nothing() {
        for connection in 0..200 {
            let dice = side(Dice::new(9).number(connection));
            let mut half = spec(1, latency(1));
            half.toxicity = 0.5;
            let hit = Chain::wanted(std::slice::from_ref(&half), &dice);
            half.revision += 1;
            assert_eq!(hit, Chain::wanted(&[half.clone(), spec(2, Noop {})], &dice));
            half.toxicity = 1.0;
            assert!(Chain::wanted(std::slice::from_ref(&half), &dice));
            half.toxicity = 0.0;
            assert!(!Chain::wanted(&[half], &dice));
        }
    }

    #[test]
    fn about_the_asked_share_of_connections_is_hit() {
        let mut spec = spec(3, latency(1));
        spec.toxicity = 0.25;
        let hits = (0..4_000)
            .filter(|n| Chain::wanted(std::slice::from_ref(&spec), &side(Dice::new(5).number(*n))))
            .count();
        assert!((850..1_150).contains(&hits), "{hits} of 4000 at 0.25");
    }

    #[test]
    fn a_reset_that_has_begun_survives_the_removal_of_its_toxic() {
        let mut chain = Chain::new(side(Dice::new(1)));
        let reset = spec(1, ResetPeer { timeout: 10 });
        chain.follow(&[reset, spec(2, latency(0))], &Exchange::default(), ms(0));
        assert_eq!(chain.step(ms(5_000)), Step::Idle, "an idle connection is left alone");
        chain.offer(data("x", ms(5_000)), ms(5_000));
        chain.follow(&[spec(2, latency(0))], &Exchange::default(), ms(5_001));
        assert_eq!(chain.step(ms(5_001)), Step::WaitUntil(ms(5_010)));
        assert_eq!(chain.step(ms(5_010)), Step::Send(Item::End(Ending::Reset)));
    }

    #[test]
    fn timeout_counts_from_the_last_byte_and_closes_when_taken_away() {
        let mut chain = Chain::new(side(Dice::new(1)));
        chain.follow(&[spec(1, Timeout { timeout: 300 })], &Exchange::default(), ms(0));
        for beat in 1..10 {
            chain.offer(data("x", ms(beat * 200)), ms(beat * 200));
            assert!(matches!(chain.step(ms(beat * 200)), Step::WaitUntil(_)));
        }
        assert_eq!(chain.step(ms(1_800)), Step::WaitUntil(ms(2_100)));
        assert_eq!(chain.step(ms(2_100)), Step::Send(Item::End(Ending::Close)));
        let mut silent = Chain::new(side(Dice::new(1)));
        silent.follow(&[spec(1, Timeout { timeout: 0 })], &Exchange::default(), ms(0));
        assert_eq!(silent.step(ms(1_000_000)), Step::Idle);
        silent.follow(&[], &Exchange::default(), ms(1_000_000));
        assert_eq!(silent.step(ms(1_000_000)), Step::Send(Item::End(Ending::Close)));
    }

    #[test]
    fn slow_close_holds_only_the_end() {
        let mut chain = Chain::new(side(Dice::new(1)));
        chain.follow(&[spec(1, SlowClose { delay: 70 })], &Exchange::default(), ms(0));
        chain.offer(data("x", ms(1)), ms(1));
        chain.offer(Item::End(Ending::Half), ms(1));
        assert_eq!(sent(chain.step(ms(1))), "x");
        assert_eq!(chain.step(ms(1)), Step::WaitUntil(ms(71)));
        assert_eq!(chain.step(ms(71)), Step::Send(Item::End(Ending::Half)));
    }
}
