//! What each kind of toxic does to one direction of one connection, as pure state machines on virtual time.
//!
//! A [`Stage`] is offered items with the moment they arrive and asked what it does now; it answers with an item to
//! pass on, a moment to be asked again, or nothing. It never reads a clock, never waits and never touches a socket. The
//! [`chain`](crate::chain) joins stages; the `link` drives a chain with real sockets and real time.

mod bandwidth;
mod corrupt;
mod disorder;
mod half_open;
mod http;
mod http_toxic;
mod latency;
mod limit_data;
mod packet_loss;
mod reset_peer;
mod slicer;
mod slow_close;
mod timeout;
mod websocket;

#[cfg(test)]
mod laws;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;

use crate::clock::Time;
use crate::dice::Dice;
use crate::toxic::{Kind, Stream};

/// Bytes that travel together: what one read returned, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Never empty.
    pub data: Bytes,
    /// When the chunk left the stage before, or was read.
    pub at: Time,
}

impl Chunk {
    /// What holding this chunk costs: small chunks cost more than their bytes.
    fn weight(&self) -> usize {
        self.data.len() + 128
    }
}

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The sender is done sending; the other direction goes on.
    Half,
    /// Both sides of the connection are closed, after what was sent before.
    Close,
    /// Both sides are reset.
    Reset,
}

/// What travels along a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Bytes.
    Data(Chunk),
    /// Nothing comes after this.
    End(Ending),
}

/// What a stage, or a whole chain, does now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Passes this on. Ask again: there may be more.
    Send(Item),
    /// Nothing before that moment, unless something is offered.
    WaitUntil(Time),
    /// Nothing until something is offered.
    Idle,
}

/// One toxic on one direction of one connection.
pub trait Stage: fmt::Debug + Send {
    /// Whether the stage wants more. A back-pressure hint: an offer is accepted even so.
    fn ready(&self) -> bool;

    /// Hands over the next item of the stream.
    fn offer(&mut self, item: Item, now: Time);

    /// What happens at `now`.
    fn step(&mut self, now: Time, dice: &mut Dice) -> Step;

    /// Takes new attributes. What the stage holds is kept.
    fn update(&mut self, kind: &Kind, now: Time);

    /// The toxic is taken away: all the stage holds, at once and in order.
    fn release(&mut self, now: Time) -> VecDeque<Item>;

    /// Whether the stage must stay although its toxic is gone, since what it began cannot be taken back.
    fn committed(&self) -> bool {
        false
    }

    /// Whether nothing at all gets past this stage, so that not even a broken sender is to be noticed.
    fn silent(&self) -> bool {
        false
    }
}

pub use self::http_toxic::Verdicts;

/// What a stage shares with others.
#[derive(Debug, Clone, Default)]
pub struct Commons {
    /// With the same toxic on all connections of the proxy: when its line is free again, in nanoseconds.
    pub wire: Arc<AtomicU64>,
    /// With the same toxic on the other direction of the connection: what it knows about requests.
    pub verdicts: Verdicts,
    /// With the same toxic on all connections: how often it acted, counted by stages that only act on what matches.
    pub hits: Arc<AtomicU64>,
}

/// The stage for a toxic on a stream, or none for kinds that leave the stream as it is.
pub fn stage(kind: &Kind, stream: Stream, commons: &Commons, now: Time) -> Option<Box<dyn Stage>> {
    Some(match kind {
        Kind::Latency(latency) => Box::new(latency::Stage::new(latency)),
        Kind::Bandwidth(bandwidth) => Box::new(bandwidth::Stage::new(bandwidth)),
        Kind::ProxyBandwidth(all) => Box::new(bandwidth::Stage::shared(all, &commons.wire)),
        Kind::Http(http) => Box::new(http_toxic::Stage::new(http, stream, commons)),
        Kind::Websocket(websocket) => Box::new(websocket::Stage::new(websocket, &commons.hits)),
        Kind::Duplicate(duplicate) => Box::new(disorder::Duplicator::new(duplicate)),
        Kind::Reorder(reorder) => Box::new(disorder::Reorderer::new(reorder)),
        Kind::Corrupt(corrupt) => Box::new(corrupt::Stage::new(corrupt)),
        Kind::SlowClose(slow_close) => Box::new(slow_close::Stage::new(slow_close)),
        Kind::Timeout(timeout) => Box::new(timeout::Stage::new(timeout, now)),
        Kind::ResetPeer(reset_peer) => Box::new(reset_peer::Stage::new(reset_peer)),
        Kind::Slicer(slicer) => Box::new(slicer::Stage::new(slicer)),
        Kind::LimitData(limit_data) => Box::new(limit_data::Stage::new(limit_data)),
        Kind::PacketLoss(packet_loss) => Box::new(packet_loss::Stage::new(packet_loss)),
        Kind::HalfOpen(_) => Box::new(half_open::Stage::default()),
        Kind::Noop(_) | Kind::Connect(_) | Kind::Tls(_) => return None,
    })
}

/// Items in order, with a count of what they weigh.
#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    weight: usize,
    ended: bool,
}

impl Queue {
    fn push(&mut self, item: Item) {
        match &item {
            Item::Data(chunk) => self.weight += chunk.weight(),
            Item::End(_) => self.ended = true,
        }
        self.items.push_back(item);
    }

    fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        if let Item::Data(chunk) = &item {
            self.weight -= chunk.weight();
        }
        Some(item)
    }

    /// Puts back what was popped and not used up.
    fn put_back(&mut self, chunk: Chunk) {
        if !chunk.data.is_empty() {
            self.weight += chunk.weight();
            self.items.push_front(Item::Data(chunk));
        }
    }

    fn head(&self) -> Option<&Item> {
        self.items.front()
    }

    /// Room for more, if `limit` is how much may be held.
    fn has_room(&self, limit: usize) -> bool {
        !self.ended && self.weight < limit
    }

    fn take(&mut self) -> VecDeque<Item> {
        self.weight = 0;
        std::mem::take(&mut self.items)
    }

    /// Cuts the first `len` bytes off the head, which must be data; all of it if it is no longer than that.
    fn split(&mut self, len: usize) -> Option<Chunk> {
        let Some(Item::Data(chunk)) = self.items.front_mut() else {
            return None;
        };
        if chunk.data.len() <= len {
            return match self.pop() {
                Some(Item::Data(chunk)) => Some(chunk),
                _ => None,
            };
        }
        self.weight -= len;
        Some(Chunk { data: chunk.data.split_to(len), at: chunk.at })
    }
}

/// How much a stage that paces or cuts holds before it asks its sender to wait: enough for the reader to run ahead.
const PACING_ROOM: usize = 256 * 1024;
