//! One direction of one connection: drives a chain with real sockets and real time, in one task.
//!
//! Without an active toxic bytes go straight through: small messages by one read and one write, busy flows by splice inside
//! the kernel. With one, they go through the [`Chain`]. No lock is held while data moves; the control plane is never waited
//! for and never waits for a link.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use rustix::net::Shutdown;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::chain::{Chain, Side};
use crate::clock::{Alarm, Time, now};
use crate::control::{Control, Counter, Fate, ToxicList, Traffic};
use crate::dice::Dice;
use crate::splice::Pipe;
use crate::stage::{Chunk, Ending, Item, Step};
use crate::toxic::Stream;

/// What one read takes at most.
const BUFFER: usize = 64 * 1024;

/// Full reads in a row after which a flow counts as busy and gets a pipe.
const BUSY: u8 = 2;

/// What a busy flow must move at a time to keep its pipe.
const STILL_BUSY: usize = 16 * 1024;

/// Reads, writes and steps after which other tasks get their turn.
const TURN: usize = 64;

thread_local! {
    /// Shared by the links of a thread, since no link keeps anything in it while it waits.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into_boxed_slice());
}

/// The two sockets of a connection.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) client: TcpStream,
    pub(crate) server: TcpStream,
}

/// One direction of a connection.
pub(crate) struct Link {
    pair: Arc<Pair>,
    control: Arc<Control>,
    toxics: Arc<ToxicList>,
    traffic: Arc<Traffic>,
    side: Side,
    /// The version of the toxics that `chain` follows.
    seen: Option<u64>,
    /// The toxics that hit this link; none: bytes go straight through.
    chain: Option<Box<Chain>>,
    /// Whether the sender has ended.
    ended: bool,
    /// Whether it ended by an error.
    broken: bool,
    /// Bytes in the kernel, to be written before `pending`.
    pipe: Option<Pipe>,
    full_reads: u8,
    /// Bytes on their way into the receiver's socket.
    pending: Bytes,
}

/// What a link waits for.
#[derive(Debug, Default)]
struct Wants {
    read: bool,
    write: bool,
    wake: Option<Time>,
    turn_is_over: bool,
}

/// Nothing more moves in this direction.
struct Done;

/// What came of an attempt on a socket.
enum Moved {
    Some,
    WouldBlock,
}

impl Link {
    pub(crate) fn new(
        stream: Stream,
        pair: Arc<Pair>,
        control: Arc<Control>,
        toxics: Arc<ToxicList>,
        traffic: Arc<Traffic>,
        connection: &Dice,
    ) -> Self {
        Self {
            pair,
            control,
            toxics,
            traffic,
            side: Side { connection: connection.clone(), stream },
            seen: None,
            chain: None,
            ended: false,
            broken: false,
            pipe: None,
            full_reads: 0,
            pending: Bytes::new(),
        }
    }

    /// Relays until the direction has ended or the connection's fate is decided.
    pub(crate) async fn run(mut self) {
        let mut alarm = Alarm::default();
        while self.control.fate() == Fate::Open {
            let Ok(wants) = self.advance() else { return };
            if wants.turn_is_over {
                tokio::task::yield_now().await;
                continue;
            }
            // While a toxic holds everything, a reset by the sender would go unnoticed and its connection would never end.
            let stuck = !wants.read && !wants.write && wants.wake.is_none();
            let watch = stuck && !self.ended && !self.silent();
            tokio::select! {
                biased;
                () = self.control.tapped(self.side.stream) => {}
                _ = self.source().readable(), if wants.read => {}
                _ = self.target().writable(), if wants.write => {}
                () = alarm.wait_until(wants.wake.unwrap_or_default()), if wants.wake.is_some() => {}
                _ = self.source().ready(Interest::ERROR), if watch => self.control.end(Fate::Close),
            }
        }
    }

    fn source(&self) -> &TcpStream {
        match self.side.stream {
            Stream::Upstream => &self.pair.client,
            Stream::Downstream => &self.pair.server,
        }
    }

    fn target(&self) -> &TcpStream {
        match self.side.stream {
            Stream::Upstream => &self.pair.server,
            Stream::Downstream => &self.pair.client,
        }
    }

    fn counter(&self) -> &Counter {
        &self.traffic.0[self.side.stream as usize]
    }

    fn silent(&self) -> bool {
        self.chain.as_ref().is_some_and(|chain| chain.is_silent())
    }

    /// Moves what can be moved without waiting.
    fn advance(&mut self) -> Result<Wants, Done> {
        for _ in 0..TURN {
            self.follow();
            let mut wants = Wants::default();
            match self.write() {
                Ok(Moved::Some) => {}
                Ok(Moved::WouldBlock) => {
                    wants.write = true;
                    // A chain goes on taking data while the receiver is slow, as far as it has room.
                    if self.chain.is_some() && self.may_read() {
                        match self.read()? {
                            Moved::Some => continue,
                            Moved::WouldBlock => wants.read = true,
                        }
                    }
                    return Ok(wants);
                }
                Err(_receiver_gone) => {
                    self.control.end(Fate::Close);
                    return Err(Done);
                }
            }
            if let Some(chain) = &mut self.chain {
                match chain.step(now()) {
                    Step::Send(Item::Data(chunk)) => {
                        self.pending = chunk.data;
                        continue;
                    }
                    Step::Send(Item::End(ending)) => return Err(self.end(ending)),
                    Step::WaitUntil(at) => wants.wake = Some(at),
                    Step::Idle if chain.is_idle() => {
                        self.chain = None;
                        continue;
                    }
                    // Neither time nor input will get anything out any more, and nobody is left to wait for.
                    Step::Idle if self.broken && !chain.is_silent() => {
                        return Err(self.end(Ending::Close));
                    }
                    Step::Idle => {}
                }
            }
            if self.may_read() {
                match self.read()? {
                    Moved::Some => continue,
                    Moved::WouldBlock => wants.read = true,
                }
            }
            return Ok(wants);
        }
        Ok(Wants { turn_is_over: true, ..Wants::default() })
    }

    /// Takes up a change of the toxics.
    fn follow(&mut self) {
        if self.seen == Some(self.toxics.version()) {
            return;
        }
        let (version, specs) = self.toxics.specs(self.side.stream);
        self.seen = Some(version);
        if self.chain.is_none() && Chain::wanted(&specs, &self.side) {
            self.chain = Some(Box::new(Chain::new(self.side.clone())));
        }
        if let Some(chain) = &mut self.chain {
            chain.follow(&specs, &self.control.exchange, now());
        }
    }

    fn may_read(&self) -> bool {
        !self.ended && self.chain.as_ref().is_none_or(|chain| chain.ready())
    }

    /// Hands what is on its way to the receiver: first what is in the pipe, then what is in memory.
    fn write(&mut self) -> io::Result<Moved> {
        while let Some(mut pipe) = self.pipe.take_if(|pipe| pipe.filled() > 0) {
            let target = self.target();
            let moved = target.try_io(Interest::WRITABLE, || pipe.empty(target));
            self.pipe = Some(pipe);
            match self.sent(moved)? {
                0 => return Ok(Moved::WouldBlock),
                _ => continue,
            }
        }
        while !self.pending.is_empty() {
            let moved = self.target().try_write(&self.pending);
            match self.sent(moved)? {
                0 => return Ok(Moved::WouldBlock),
                moved => drop(self.pending.split_to(moved)),
            }
        }
        // The last piece of a large buffer would keep all of it alive.
        self.pending = Bytes::new();
        Ok(Moved::Some)
    }

    /// Counts what was sent; 0 if the receiver takes nothing now.
    fn sent(&self, moved: io::Result<usize>) -> io::Result<usize> {
        match moved {
            Ok(moved) => {
                let counter = &self.counter().sent;
                counter.fetch_add(moved as u64, Ordering::Relaxed);
                Ok(moved)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Takes what the sender has: into the chain, or straight on its way.
    fn read(&mut self) -> Result<Moved, Done> {
        let taken = if self.chain.is_none() && self.busy() { self.fill_pipe() } else { self.fill_buffer() };
        match taken {
            Ok(0) => self.sender_ended(Ending::Half),
            Ok(taken) => {
                let counter = &self.counter().received;
                counter.fetch_add(taken as u64, Ordering::Relaxed);
                Ok(Moved::Some)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Moved::WouldBlock),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Moved::Some),
            // What came before still goes out; then the connection is over, in order: an RST is passed on by nobody but a toxic.
            Err(_sender_gone) => {
                self.broken = true;
                self.sender_ended(Ending::Close)
            }
        }
    }

    fn busy(&mut self) -> bool {
        if self.pipe.is_none() && self.full_reads >= BUSY {
            self.pipe = Pipe::borrow();
            self.full_reads = 0;
        }
        self.pipe.is_some()
    }

    fn fill_pipe(&mut self) -> io::Result<usize> {
        let Some(mut pipe) = self.pipe.take() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let source = self.source();
        let taken = source.try_io(Interest::READABLE, || pipe.fill(source));
        let keep = match &taken {
            Ok(taken) => *taken >= STILL_BUSY,
            Err(_) => true,
        };
        if keep || pipe.filled() > 0 {
            self.pipe = Some(pipe);
        }
        taken
    }

    fn fill_buffer(&mut self) -> io::Result<usize> {
        // What was in the pipe has gone out: `write` comes first and this is not reached before it is done.
        self.pipe = self.pipe.take_if(|pipe| pipe.filled() > 0);
        SCRATCH.with_borrow_mut(|scratch| {
            let taken = receive(self.source(), scratch)?;
            self.full_reads = if taken == scratch.len() { self.full_reads.saturating_add(1) } else { 0 };
            let data = &scratch[..taken];
            match &mut self.chain {
                _ if data.is_empty() => {}
                Some(chain) => {
                    let at = now();
                    let data = Bytes::copy_from_slice(data);
                    chain.offer(Item::Data(Chunk { data, at }), at);
                }
                None => {
                    // An error shows again at the next write, where it is dealt with.
                    let moved = self.sent(self.target().try_write(data)).unwrap_or(0);
                    self.pending = Bytes::copy_from_slice(&data[moved..]);
                }
            }
            Ok(taken)
        })
    }

    fn sender_ended(&mut self, ending: Ending) -> Result<Moved, Done> {
        self.ended = true;
        match &mut self.chain {
            Some(chain) => {
                chain.offer(Item::End(ending), now());
                Ok(Moved::Some)
            }
            None => Err(self.end(ending)),
        }
    }

    /// The stream has come out at the end: passes its end on.
    fn end(&self, ending: Ending) -> Done {
        match ending {
            Ending::Half => {
                // Fails only if the receiver is gone, and then there is nobody to tell.
                if rustix::net::shutdown(self.target(), Shutdown::Write).is_err() {
                    self.control.end(Fate::Close);
                }
            }
            Ending::Close => self.control.end(Fate::Close),
            Ending::Reset => self.control.end(Fate::Reset),
        }
        Done
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // A defect of one stage must not leave half a connection behind.
        if std::thread::panicking() {
            self.control.end(Fate::Close);
        }
    }
}

/// One read. A read that did not fill the buffer also notes that the socket is empty, which saves asking it.
fn receive(source: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut taken = 0;
    let outcome = source.try_io(Interest::READABLE, || {
        taken = rustix::io::read(source, &mut *buffer)?;
        if taken > 0 && taken < buffer.len() {
            // Readiness is cleared only if nothing new has come in since before the read, so no wake-up is lost.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(taken)
    });
    if taken > 0 { Ok(taken) } else { outcome }
}
