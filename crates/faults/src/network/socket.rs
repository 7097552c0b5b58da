//! A netlink socket that asks and waits for the answer.
//!
//! Owns sending, acknowledgements and the kernel's explanatory texts. A socket belongs to the network namespace of the
//! thread that made it, for ever.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use netlink_sys::{Socket, SocketAddr};

use super::wire::{self, Message, u16_at, u32_at};

/// No kernel takes as long; only so that nothing can hang for ever.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a socket takes in one write without being told.
const ROOMY: usize = 128 << 10;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const MULTI: u16 = 0x2;
const CAPPED: u16 = 0x100;
const HAS_TEXTS: u16 = 0x200;
const TEXT: u16 = 1;

/// A request that the kernel did not grant.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The socket failed.
    #[error("netlink: {0}")]
    Socket(#[from] io::Error),
    /// The kernel refused.
    #[error("{doing}: {source}{}", if text.is_empty() { String::new() } else { format!(" ({text})") })]
    Refused {
        /// What was asked.
        doing: &'static str,
        /// Its error.
        source: io::Error,
        /// Its explanation, often empty.
        text: String,
    },
}

impl NetlinkError {
    /// The error number, where the kernel gave one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Socket(source) | Self::Refused { source, .. } => source.raw_os_error(),
        }
    }
}

/// The socket.
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// A socket for one netlink family, in the namespace of the calling thread.
    pub(crate) fn open(protocol: i32) -> Result<Self, NetlinkError> {
        let mut socket = Socket::new(protocol as isize)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Old kernels know no explanations: then there are none.
        socket.set_ext_ack(true).or_else(|error| {
            if error.raw_os_error() == Some(libc::ENOPROTOOPT) { Ok(()) } else { Err(error) }
        })?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Sends messages in one write and waits until each that asked for it is acknowledged.
    pub(crate) fn commit(&mut self, doing: &'static str, messages: Vec<Message>) -> Result<(), NetlinkError> {
        let mut bytes = Vec::new();
        let mut expected = 0_usize;
        for message in messages {
            self.sequence += 1;
            let one = message.finish(self.sequence);
            expected += usize::from(u16_at(&one, 6).unwrap_or(0) & wire::ACK != 0);
            bytes.extend(one);
        }
        if bytes.len() > ROOMY {
            nix::sys::socket::setsockopt(
                &self.fd(),
                nix::sys::socket::sockopt::SndBufForce,
                &(2 * bytes.len()),
            )
            .map_err(io::Error::from)?;
        }
        self.socket.send(&bytes, 0)?;
        while expected > 0 {
            let (bytes, _) = self.receive()?;
            for reply in wire::replies(&bytes).filter(|reply| reply.kind == ERROR) {
                accepted(doing, reply)?;
                expected = expected.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// Sends one message and collects the answers' bodies with their types.
    pub(crate) fn ask(
        &mut self,
        doing: &'static str,
        message: Message,
    ) -> Result<Vec<(u16, Vec<u8>)>, NetlinkError> {
        self.sequence += 1;
        self.socket.send(&message.finish(self.sequence), 0)?;
        let mut answers = Vec::new();
        loop {
            let (bytes, _) = self.receive()?;
            for reply in wire::replies(&bytes) {
                match reply.kind {
                    DONE => return Ok(answers),
                    ERROR => {
                        accepted(doing, reply)?;
                        return Ok(answers);
                    }
                    kind => {
                        answers.push((kind, reply.body.to_vec()));
                        if reply.flags & MULTI == 0 {
                            return Ok(answers);
                        }
                    }
                }
            }
        }
    }

    fn receive(&self) -> Result<(Vec<u8>, SocketAddr), NetlinkError> {
        self.wait()?;
        Ok(self.socket.recv_from_full()?)
    }

    fn wait(&self) -> Result<(), NetlinkError> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let patience = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
        let fd = self.fd();
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        match poll(&mut fds, Some(&patience)).map_err(io::Error::from)? {
            0 => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            _ => Ok(()),
        }
    }

    #[expect(unsafe_code, reason = "the netlink crate gives its descriptor out only as a number")]
    fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor belongs to `self.socket`, which outlives the borrow of `self`.
        unsafe { BorrowedFd::borrow_raw(self.socket.as_raw_fd()) }
    }
}

/// Reads an acknowledgement: zero is yes, everything else an error with perhaps a text.
fn accepted(doing: &'static str, reply: wire::Reply<'_>) -> Result<(), NetlinkError> {
    let code = u32_at(reply.body, 0).unwrap_or(0).cast_signed();
    if code == 0 {
        return Ok(());
    }
    let mut text = String::new();
    if reply.flags & HAS_TEXTS != 0 {
        // The echoed request stands between the code and the texts: its header only, or the whole of it.
        let echoed = if reply.flags & CAPPED != 0 {
            wire::HEADER
        } else {
            u32_at(reply.body, 4).unwrap_or(0) as usize
        };
        let texts = reply.body.get(4 + echoed.next_multiple_of(4)..).unwrap_or(&[]);
        text = wire::find(texts, TEXT).map(wire::text).unwrap_or_default();
    }
    Err(NetlinkError::Refused { doing, source: io::Error::from_raw_os_error(-code), text })
}
