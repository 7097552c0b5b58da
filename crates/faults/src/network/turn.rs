//! One at a time: whoever changes the queueing disciplines of a network waits for its turn.
//!
//! The kernel cannot remove a root qdisc on condition that it is empty, so looking and removing must not be interleaved with
//! somebody else's adding. The turn is an abstract socket address of that network: it is taken by binding, seen by every
//! deadstick in the network whatever its files and user are, and free again when its bearer dies.

use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

const ADDRESS: &str = "deadstick-queueing-disciplines";
/// A turn takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// The turn, until it is dropped.
pub(crate) struct Turn {
    _socket: UnixDatagram,
}

impl Turn {
    /// Waits for it, in the network of the calling thread.
    pub(crate) fn take() -> io::Result<Self> {
        let address = SocketAddr::from_abstract_name(ADDRESS)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match UnixDatagram::bind_addr(&address) {
                Ok(socket) => return Ok(Self { _socket: socket }),
                Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(error) if error.kind() == ErrorKind::AddrInUse => {
                    let what = format!("somebody else holds the socket address @{ADDRESS} of this network");
                    return Err(io::Error::new(ErrorKind::AddrInUse, what));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_has_it() {
        let first = Turn::take().expect("free");
        let waits = std::thread::spawn(|| Turn::take().map(|_| Instant::now()));
        std::thread::sleep(Duration::from_millis(50));
        let freed = Instant::now();
        drop(first);
        assert!(waits.join().expect("no panic").expect("free again") >= freed);
    }
}
