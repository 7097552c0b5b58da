//! Moving bytes between two sockets inside the kernel, through a pipe, without copying them to this process.
//!
//! Pipes cost descriptors, so they are lent out of one small pool for the whole process, only to flows that are busy;
//! a flow that gets none is relayed through a buffer instead.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// What a pipe is asked to hold. The kernel grants this to anyone.
const CAPACITY: usize = 1024 * 1024;

/// Pipes that exist at most, two descriptors each.
const PIPES: usize = 256;

/// Empty pipes kept for the next flow.
const SPARE: usize = 16;

static LENT: AtomicUsize = AtomicUsize::new(0);
static POOL: Mutex<Vec<Ends>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Ends {
    read: OwnedFd,
    write: OwnedFd,
    capacity: usize,
}

impl Ends {
    fn open() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        // A user over the soft limit for pipes keeps the default of 64 KiB, which works as well, if slower.
        let capacity = fcntl_setpipe_size(&write, CAPACITY).unwrap_or(64 * 1024);
        Ok(Self { read, write, capacity })
    }
}

/// A pipe on loan, with the bytes that are in it.
#[derive(Debug)]
pub(crate) struct Pipe {
    ends: Option<Ends>,
    filled: usize,
}

impl Pipe {
    /// A pipe, if one is to be had.
    pub(crate) fn borrow() -> Option<Self> {
        if LENT.fetch_add(1, Ordering::Relaxed) >= PIPES {
            LENT.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let spare = POOL.lock().ok().and_then(|mut pool| pool.pop());
        match spare.map_or_else(Ends::open, Ok) {
            Ok(ends) => Some(Self { ends: Some(ends), filled: 0 }),
            Err(_out_of_descriptors) => {
                LENT.fetch_sub(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// Bytes that went in and have not come out.
    pub(crate) fn filled(&self) -> usize {
        self.filled
    }

    /// Takes what `source` has. To be called on an empty pipe only, so that "would block" speaks of the source.
    /// 0 is the end of the stream.
    pub(crate) fn fill(&mut self, source: impl AsFd) -> io::Result<usize> {
        let Some(ends) = &self.ends else { return Ok(0) };
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        let moved = splice(source, None, &ends.write, None, ends.capacity, flags)?;
        self.filled += moved;
        Ok(moved)
    }

    /// Hands what the pipe holds to `target`, as far as that takes it.
    pub(crate) fn empty(&mut self, target: impl AsFd) -> io::Result<usize> {
        let Some(ends) = &self.ends else { return Ok(0) };
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        let moved = splice(&ends.read, None, target, None, self.filled, flags)?;
        self.filled -= moved;
        Ok(moved)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        LENT.fetch_sub(1, Ordering::Relaxed);
        let Some(ends) = self.ends.take().filter(|_| self.filled == 0) else {
            return;
        };
        if let Ok(mut pool) = POOL.lock()
            && pool.len() < SPARE
        {
            pool.push(ends);
        }
    }
}
