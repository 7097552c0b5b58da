//! Bytes between the two sockets of one direction: read, held while the receiver takes no more, written.
//!
//! Small messages go by one read and one write. A flow that fills its buffer several times in a row is busy and goes through a
//! pipe inside the kernel, for as long as it stays busy. What is read for a chain is handed back instead of written.

use std::io;
use std::sync::atomic::Ordering;

use bytes::{Buf, Bytes};
use rustix::net::SendFlags;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::block::{Block, SIZE};
use crate::splice::Pipe;
use crate::traffic::Counter;

/// Full reads in a row after which a flow counts as busy and gets a pipe.
const BUSY: u8 = 2;

/// What a busy flow must move at a time to keep its pipe.
const STILL_BUSY: usize = 16 * 1024;

/// The sockets and counters of one direction.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) source: &'a TcpStream,
    pub(super) target: &'a TcpStream,
    pub(super) counter: &'a Counter,
}

/// What one direction holds on its way into the receiver's socket.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Bytes in the kernel, to be written before `pending`. On loan only while there are any.
    pipe: Option<Pipe>,
    pending: Bytes,
    full_reads: u8,
    /// Whether the next read and what it brings do not wait for the runtime to hear of the sockets.
    eager: bool,
}

impl Flow {
    /// A flow whose sender has probably sent something already.
    pub(super) fn eager() -> Self {
        Self { eager: true, ..Self::default() }
    }

    /// What is to be written next. To be called only when all that came before is written.
    pub(super) fn take(&mut self, data: Bytes) {
        self.pending = data;
    }

    /// Hands what is held to the receiver: first what is in the pipe, then what is in memory. "Would block" if the receiver did
    /// not take all of it.
    pub(super) fn write(&mut self, way: Way<'_>) -> io::Result<()> {
        if let Some(pipe) = &mut self.pipe {
            while pipe.filled() > 0 {
                way.sent(way.target.try_io(Interest::WRITABLE, || pipe.empty(way.target)))?;
            }
            self.pipe = None;
        }
        if self.pending.is_empty() {
            return Ok(());
        }
        while !self.pending.is_empty() {
            let moved = way.sent(way.target.try_write(&self.pending))?;
            self.pending.advance(moved);
        }
        // The last piece of a large buffer would keep all of it alive.
        self.pending = Bytes::new();
        Ok(())
    }

    /// Takes what the sender has and sends it straight on, as far as the receiver takes it. 0 is the end of the stream. To be
    /// called only when all that came before is written.
    pub(super) fn relay(&mut self, way: Way<'_>) -> io::Result<usize> {
        if self.full_reads >= BUSY
            && let Some(mut pipe) = Pipe::borrow()
        {
            let taken = way.source.try_io(Interest::READABLE, || pipe.fill(way.source))?;
            way.received(taken);
            if taken < STILL_BUSY {
                self.full_reads = 0;
            }
            self.pipe = Some(pipe);
            return Ok(taken);
        }
        let eager = std::mem::take(&mut self.eager);
        let mut block = Block::take();
        let taken = receive(way.source, block.space(), eager)?;
        way.received(taken);
        self.full_reads = if taken == SIZE { self.full_reads.saturating_add(1) } else { 0 };
        if taken > 0 {
            let data = &block.space()[..taken];
            let moved = if eager {
                rustix::net::send(way.target, data, SendFlags::NOSIGNAL).map_err(io::Error::from)
            } else {
                way.target.try_write(data)
            };
            // An error shows again at the next write, where it is dealt with.
            let moved = way.sent(moved).unwrap_or(0);
            if moved < taken {
                self.pending = block.freeze(taken);
                self.pending.advance(moved);
            }
        }
        Ok(taken)
    }

    /// Takes what the sender has, for a chain. Empty is the end of the stream.
    pub(super) fn read(&mut self, way: Way<'_>) -> io::Result<Bytes> {
        let eager = std::mem::take(&mut self.eager);
        let mut block = Block::take();
        let taken = receive(way.source, block.space(), eager)?;
        way.received(taken);
        Ok(block.freeze(taken))
    }
}

impl Way<'_> {
    fn received(&self, taken: usize) {
        self.counter.received.fetch_add(taken as u64, Ordering::Relaxed);
    }

    fn sent(&self, moved: io::Result<usize>) -> io::Result<usize> {
        match moved {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(moved) => {
                self.counter.sent.fetch_add(moved as u64, Ordering::Relaxed);
                Ok(moved)
            }
            Err(error) => Err(error),
        }
    }
}

/// Reads what a socket has and throws it away. 0 is the end of the stream.
pub(crate) fn discard(source: &TcpStream) -> io::Result<usize> {
    receive(source, Block::take().space(), false)
}

/// One read; an eager one asks the socket although the runtime has not heard of it yet, which it will all the same. A read that
/// did not fill the buffer also notes that the socket is empty, which saves asking it.
fn receive(source: &TcpStream, buffer: &mut [u8], eager: bool) -> io::Result<usize> {
    if eager {
        return Ok(rustix::io::read(source, buffer)?);
    }
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
