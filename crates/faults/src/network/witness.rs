//! Connections made only to see whether packets pass. They run in the network of the calling thread.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::kernel::{Conversation, KernelError, Reach};

fn call(doing: &'static str) -> impl Fn(io::Error) -> KernelError {
    move |source| KernelError::Call { doing, source }
}

/// Connects and says what came of it.
pub(crate) fn connect(
    peer: SocketAddr,
    patience: Duration,
) -> Result<(Reach, Option<TcpStream>), KernelError> {
    let began = Instant::now();
    match TcpStream::connect_timeout(&peer, patience) {
        Ok(stream) => Ok((Reach::Accepted(began.elapsed()), Some(stream))),
        Err(error) => match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Ok((Reach::Silent, None)),
            // No route, no neighbour: nobody answered either.
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Ok((Reach::Silent, None)),
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => {
                Ok((Reach::Refused(error.to_string()), None))
            }
            _ => Err(call("connect to the witness")(error)),
        },
    }
}

/// Connects, says that nothing will come, and waits for the peer to say the same.
pub(crate) fn farewell(peer: SocketAddr, patience: Duration) -> Result<Option<Duration>, KernelError> {
    let (_, Some(mut stream)) = connect(peer, patience)? else { return Ok(None) };
    let began = Instant::now();
    stream.shutdown(Shutdown::Write).map_err(call("end a direction"))?;
    stream.set_read_timeout(Some(patience)).map_err(call("limit a read"))?;
    let mut some = [0; 512];
    loop {
        match stream.read(&mut some) {
            // A greeting is read past, up to the end.
            Ok(1..) if began.elapsed() < patience => {}
            Ok(0) => return Ok(Some(began.elapsed())),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Some(began.elapsed())),
            Ok(_) | Err(_) => return Ok(None),
        }
    }
}

/// An open connection to a witness.
pub(crate) struct Open {
    stream: TcpStream,
}

impl Open {
    /// Connects.
    pub(crate) fn new(peer: SocketAddr, patience: Duration) -> Result<Self, KernelError> {
        match connect(peer, patience)? {
            (_, Some(stream)) => Ok(Self { stream }),
            (reach, None) => {
                let source = io::Error::new(ErrorKind::NotConnected, format!("{peer}: {reach:?}"));
                Err(call("connect to the witness")(source))
            }
        }
    }
}

impl Conversation for Open {
    fn is_heard(&mut self, patience: Duration) -> Result<bool, KernelError> {
        self.stream.write_all(b"\n").map_err(call("write to the witness"))?;
        let deadline = Instant::now() + patience;
        while unsent_or_unacknowledged(&self.stream).map_err(call("ask the socket"))? > 0 {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(true)
    }
}

/// Bytes that the peer has not acknowledged yet (`SIOCOUTQ`).
#[expect(unsafe_code, reason = "no safe wrapper for this ioctl")]
fn unsent_or_unacknowledged(stream: &TcpStream) -> io::Result<i32> {
    use std::os::fd::AsRawFd;
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for the length of the borrow, and TIOCOUTQ (the number of SIOCOUTQ) writes one
    // int to the pointer, which points to one.
    let result = unsafe { libc::ioctl(stream.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == 0 { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}
