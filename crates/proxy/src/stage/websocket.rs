//! `WebSocket`: the four deaths of a socket. Only connections that a server upgrades are touched.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::http::{Body, Event, Reader, first_line};
use super::{Chunk, Ending, Item, PACING_ROOM, Queue, Step};
use crate::clock::{Time, delay};
use crate::dice::Dice;
use crate::toxic::{Death, Kind, Websocket};

#[derive(Debug)]
pub(super) struct Stage {
    settings: Websocket,
    hits: Arc<AtomicU64>,
    queue: Queue,
    out: VecDeque<Item>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Waiting for the server's answer to the handshake.
    Handshake(Reader),
    /// A socket, that dies at a time.
    Open { frames: Frames, dies: Time },
    /// Not a socket: left alone.
    Plain,
    /// Silent, or ended.
    Dead,
}

/// Where frames begin and end.
#[derive(Debug, Default)]
struct Frames {
    /// What has been read of a frame's header.
    header: Vec<u8>,
    /// What is left of its payload.
    left: u64,
}

impl Frames {
    fn between(&self) -> bool {
        self.header.is_empty() && self.left == 0
    }

    /// Reads on to the next place between two frames, and returns how far that is; all of `data` if there is none in it.
    fn read_to_boundary(&mut self, data: &[u8]) -> usize {
        let mut at = 0;
        while at < data.len() {
            if self.left > 0 {
                let rest = data.len() - at;
                let taken = usize::try_from(self.left).map_or(rest, |left| left.min(rest));
                self.left -= taken as u64;
                at += taken;
            } else {
                self.header.push(data[at]);
                at += 1;
                if let Some(payload) = payload(&self.header) {
                    self.header.clear();
                    self.left = payload;
                }
            }
            if self.between() {
                return at;
            }
        }
        at
    }
}

/// The length of the payload, once the header is whole.
fn payload(header: &[u8]) -> Option<u64> {
    let second = *header.get(1)?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (size, length) = match second & 0x7f {
        126 => (2, None),
        127 => (8, None),
        length => (0, Some(u64::from(length))),
    };
    if header.len() < 2 + size + mask {
        return None;
    }
    let long = || header[2..2 + size].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    Some(length.unwrap_or_else(long))
}

impl Stage {
    pub(super) fn new(settings: &Websocket, hits: &Arc<AtomicU64>) -> Self {
        Self {
            settings: settings.clone(),
            hits: Arc::clone(hits),
            queue: Queue::default(),
            out: VecDeque::new(),
            state: State::Handshake(Reader::new()),
        }
    }

    fn send(&mut self, data: Bytes, at: Time) {
        if !data.is_empty() {
            self.out.push_back(Item::Data(Chunk { data, at }));
        }
    }

    fn handshake(&mut self, chunk: &Chunk, now: Time, dice: &mut Dice) {
        let State::Handshake(reader) = &mut self.state else { return };
        let mut data = &chunk.data[..];
        let Some(event) = reader.next(&mut data) else { return };
        let head = match event {
            Event::Head(head) => head,
            Event::Body(body) => body.to_vec(),
        };
        reader.body_follows(Body::Rest);
        let rest = chunk.data.slice_ref(data);
        let upgraded =
            head.starts_with(b"HTTP/1.1 ") && first_line(&head).get(1).is_some_and(|word| word == "101");
        if !upgraded {
            self.state = State::Plain;
            self.send(Bytes::from(head), chunk.at);
            self.send(rest, chunk.at);
            return;
        }
        self.hits.fetch_add(1, Ordering::Relaxed);
        if self.settings.death == Death::Refuse {
            let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            self.send(Bytes::from_static(refusal.as_bytes()), now);
            self.die();
            return;
        }
        let spread = u64::try_from(self.settings.spread).unwrap_or(0);
        let extra = (u128::from(dice.bits()) * u128::from(spread)) >> 64;
        let after = self.settings.after.saturating_add(i64::try_from(extra).unwrap_or(0));
        let dies = now + delay(after, Duration::from_millis(1));
        self.state = State::Open { frames: Frames::default(), dies };
        self.send(Bytes::from(head), chunk.at);
        self.queue.put_back(Chunk { data: rest, at: chunk.at });
    }

    fn die(&mut self) {
        self.state = State::Dead;
        self.queue.take();
        self.out.push_back(Item::End(Ending::Close));
    }

    fn open(&mut self, now: Time) -> Step {
        let State::Open { frames, dies } = &mut self.state else { return Step::Idle };
        let due = *dies <= now;
        match self.settings.death {
            Death::Cut if due => self.die(),
            Death::Silence if due => self.state = State::Dead,
            Death::Close if due && frames.between() => {
                let code = u16::try_from(self.settings.code).unwrap_or(1001).to_be_bytes();
                self.send(Bytes::copy_from_slice(&[0x88, 2, code[0], code[1]]), now);
                self.die();
            }
            _ => {
                let dies = *dies;
                match self.queue.pop() {
                    None if due => return Step::Idle,
                    None => return Step::WaitUntil(dies),
                    Some(Item::End(ending)) => self.out.push_back(Item::End(ending)),
                    Some(Item::Data(mut chunk)) => {
                        let mut len = 0;
                        while len < chunk.data.len() {
                            len += frames.read_to_boundary(&chunk.data[len..]);
                            if due && frames.between() {
                                break;
                            }
                        }
                        let first = chunk.data.split_to(len);
                        self.send(first, chunk.at);
                        self.queue.put_back(chunk);
                    }
                }
            }
        }
        self.out.pop_front().map_or(Step::Idle, Step::Send)
    }
}

impl super::Stage for Stage {
    fn ready(&self) -> bool {
        !matches!(self.state, State::Dead) && self.queue.has_room(PACING_ROOM)
    }

    fn offer(&mut self, item: Item, _now: Time) {
        self.queue.push(item);
    }

    fn step(&mut self, now: Time, dice: &mut Dice) -> Step {
        loop {
            if let Some(item) = self.out.pop_front() {
                return Step::Send(item);
            }
            match &mut self.state {
                State::Dead => return Step::Idle,
                State::Open { .. } => return self.open(now),
                State::Plain => return self.queue.pop().map_or(Step::Idle, Step::Send),
                State::Handshake(reader) => match self.queue.pop() {
                    None => return Step::Idle,
                    Some(Item::Data(chunk)) => self.handshake(&chunk, now, dice),
                    Some(end) => {
                        let unfinished = Bytes::from(reader.take_unfinished());
                        self.send(unfinished, now);
                        self.out.push_back(end);
                    }
                },
            }
        }
    }

    fn update(&mut self, kind: &Kind, _now: Time) {
        if let Kind::Websocket(settings) = kind {
            self.settings = settings.clone();
        }
    }

    fn release(&mut self, now: Time) -> VecDeque<Item> {
        if let State::Handshake(reader) = &mut self.state {
            let unfinished = Bytes::from(reader.take_unfinished());
            self.send(unfinished, now);
        }
        let mut released = std::mem::take(&mut self.out);
        released.append(&mut self.queue.take());
        released
    }
}
