//! HTTP: replies to matching requests come late, with another status, with one header more.
//!
//! The toxic has a stage in each direction of a connection: the one upstream tells requests apart, the one downstream changes
//! the replies to those that match. Requests pass unchanged. What one notes for the other is a queue with an entry for each
//! request in flight.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use super::http::{Body, Event, Reader, announced, first_line};
use super::{Chunk, Commons, Item, PACING_ROOM, Queue, Step};
use crate::clock::{Time, delay};
use crate::control::lock;
use crate::dice::Dice;
use crate::toxic::{Http, Kind, Stream};

/// What the reply to a request is to be.
#[derive(Debug, Clone, Copy)]
pub struct Verdict {
    matches: bool,
    /// The reply has no body whatever it says.
    head_only: bool,
}

/// One verdict for each request whose reply is still to come. Shared by the two directions of a connection.
pub type Verdicts = Arc<Mutex<VecDeque<Verdict>>>;

#[derive(Debug)]
pub(super) struct Stage {
    settings: Http,
    stream: Stream,
    verdicts: Verdicts,
    hits: Arc<AtomicU64>,
    reader: Reader,
    queue: Queue,
    /// What goes out next, and when at the earliest.
    out: VecDeque<(Item, Time)>,
}

impl Stage {
    pub(super) fn new(settings: &Http, stream: Stream, commons: &Commons) -> Self {
        Self {
            settings: settings.clone(),
            stream,
            verdicts: Arc::clone(&commons.verdicts),
            hits: Arc::clone(&commons.hits),
            reader: Reader::new(),
            queue: Queue::default(),
            out: VecDeque::new(),
        }
    }

    fn request(&mut self, head: &[u8]) {
        let words = first_line(head);
        let [method, path, ..] = words.as_slice() else {
            self.reader.body_follows(Body::Rest);
            return;
        };
        let matches = (self.settings.method.is_empty() || self.settings.method.eq_ignore_ascii_case(method))
            && path.starts_with(&self.settings.path);
        lock(&self.verdicts).push_back(Verdict { matches, head_only: method == "HEAD" });
        let upgrade = method == "CONNECT";
        self.reader.body_follows(if upgrade { Body::Rest } else { announced(head, Body::Length(0)) });
    }

    /// The head as it goes on, and how long it is held.
    fn reply(&mut self, head: Vec<u8>) -> (Vec<u8>, Duration) {
        let status: Option<u16> = first_line(&head).get(1).and_then(|word| word.parse().ok());
        let Some(status) = status.filter(|_| head.starts_with(b"HTTP/1")) else {
            self.reader.body_follows(Body::Rest);
            return (head, Duration::ZERO);
        };
        if (100..200).contains(&status) && status != 101 {
            // An interim reply: the real one is still to come.
            self.reader.body_follows(Body::Length(0));
            return (head, Duration::ZERO);
        }
        let verdict = lock(&self.verdicts).pop_front();
        let head_only = verdict.is_some_and(|verdict| verdict.head_only);
        self.reader.body_follows(match status {
            101 => Body::Rest,
            204 | 304 => Body::Length(0),
            _ if head_only => Body::Length(0),
            _ => announced(&head, Body::Rest),
        });
        if !verdict.is_some_and(|verdict| verdict.matches) {
            return (head, Duration::ZERO);
        }
        self.hits.fetch_add(1, Ordering::Relaxed);
        (self.changed(&head), delay(self.settings.delay, Duration::from_millis(1)))
    }

    fn changed(&self, head: &[u8]) -> Vec<u8> {
        let line_end = head.iter().position(|byte| *byte == b'\n').map_or(head.len(), |at| at + 1);
        let (line, rest) = head.split_at(line_end);
        let mut changed = Vec::with_capacity(head.len() + 64);
        if (100..1_000).contains(&self.settings.status) {
            changed.extend(format!("HTTP/1.1 {} deadstick\r\n", self.settings.status).bytes());
        } else {
            changed.extend(line);
        }
        if !self.settings.header.is_empty() {
            // One line, whatever it was given.
            let header = self.settings.header.chars().filter(|c| !c.is_control());
            changed.extend(header.collect::<String>().bytes());
            changed.extend(b"\r\n");
        }
        changed.extend(rest);
        changed
    }

    fn take(&mut self, chunk: &Chunk, now: Time) {
        let mut data = &chunk.data[..];
        // The reader's events borrow from the data, not from itself.
        while let Some(event) = self.reader.next(&mut data) {
            let (data, held) = match event {
                Event::Body(body) => (chunk.data.slice_ref(body), Duration::ZERO),
                Event::Head(head) if self.stream == Stream::Upstream => {
                    self.request(&head);
                    (Bytes::from(head), Duration::ZERO)
                }
                Event::Head(head) => {
                    let (head, held) = self.reply(head);
                    (Bytes::from(head), held)
                }
            };
            self.out.push_back((Item::Data(Chunk { data, at: chunk.at }), now + held));
        }
    }

    fn unfinished(&mut self, at: Time) {
        let data = Bytes::from(self.reader.take_unfinished());
        if !data.is_empty() {
            self.out.push_back((Item::Data(Chunk { data, at }), at));
        }
    }
}

impl super::Stage for Stage {
    fn ready(&self) -> bool {
        self.out.is_empty() && self.queue.has_room(PACING_ROOM)
    }

    fn offer(&mut self, item: Item, _now: Time) {
        self.queue.push(item);
    }

    fn step(&mut self, now: Time, _dice: &mut Dice) -> Step {
        while self.out.is_empty() {
            match self.queue.pop() {
                None => return Step::Idle,
                Some(Item::Data(chunk)) => self.take(&chunk, now),
                Some(end) => {
                    self.unfinished(now);
                    self.out.push_back((end, now));
                }
            }
        }
        match self.out.front() {
            Some((_, at)) if *at > now => Step::WaitUntil(*at),
            _ => self.out.pop_front().map_or(Step::Idle, |(mut item, at)| {
                if let Item::Data(chunk) = &mut item {
                    chunk.at = chunk.at.max(at);
                }
                Step::Send(item)
            }),
        }
    }

    fn update(&mut self, kind: &Kind, _now: Time) {
        if let Kind::Http(settings) = kind {
            self.settings = settings.clone();
        }
    }

    fn release(&mut self, now: Time) -> VecDeque<Item> {
        self.unfinished(now);
        let mut released: VecDeque<Item> = self.out.drain(..).map(|(item, _)| item).collect();
        released.append(&mut self.queue.take());
        released
    }
}
