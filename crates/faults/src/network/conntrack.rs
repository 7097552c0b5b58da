//! Conversations as the kernel tracks them in the network of the thread that opened this: where a redirected one was
//! meant to go, and forgetting some.

use std::net::{IpAddr, SocketAddr};

use deadstick_core::fault::Protocol;

use super::wire::{self, ACK, DUMP, Message, REQUEST};
use super::{Netlink, NetlinkError};

const SUBSYSTEM: u16 = 1;
const GET: u16 = 1;
const DELETE: u16 = 2;
/// As the side that began sees it, and as its peer answers; redirection makes the difference.
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const ADDRESSES: u16 = 1;
const PORTS: u16 = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// From whom to whom, by which protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tuple {
    pub(crate) protocol: Protocol,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
}

/// One conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tracked {
    /// What the side that began has sent.
    pub(crate) original: Tuple,
    /// What is expected from the other side.
    pub(crate) reply: Tuple,
}

/// The table of conversations of one network.
pub(crate) struct Conntrack(Netlink);

impl Conntrack {
    /// Opens it, in the network of the calling thread.
    pub(crate) fn open() -> Result<Self, NetlinkError> {
        Ok(Self(Netlink::open(libc::NETLINK_NETFILTER)?))
    }

    /// Whom the other side of a conversation that came in here wanted to talk to. None when it is not tracked.
    pub(crate) fn original(&mut self, reply: &Tuple) -> Result<Option<SocketAddr>, NetlinkError> {
        // The one answer is marked as if more would follow; the acknowledgement says that none does.
        let message = about(GET, REQUEST | ACK, REPLY, reply);
        match self.0.ask("look for a tracked conversation", message) {
            Ok(answers) => Ok(answers.iter().find_map(|(_, body)| read(body)).map(|found| found.original.to)),
            Err(error) if error.errno() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Forgets the conversations that are chosen, so that their next packet is looked at as if it were the first; how many.
    pub(crate) fn forget(&mut self, chosen: impl Fn(&Tracked) -> bool) -> Result<usize, NetlinkError> {
        let mut count = 0;
        for family in [libc::AF_INET, libc::AF_INET6] {
            let all = Message::new(kind(GET), REQUEST | DUMP, &header(family));
            let answers = self.0.ask("list tracked conversations", all)?;
            for tracked in answers.iter().filter_map(|(_, body)| read(body)).filter(&chosen) {
                let message = about(DELETE, REQUEST | ACK, ORIGINAL, &tracked.original);
                match self.0.commit("forget a tracked conversation", vec![message]) {
                    Ok(()) => count += 1,
                    // It ended by itself.
                    Err(error) if error.errno() == Some(libc::ENOENT) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(count)
    }
}

const fn kind(command: u16) -> u16 {
    (SUBSYSTEM << 8) | command
}

/// `nfgenmsg`.
fn header(family: i32) -> [u8; 4] {
    [u8::try_from(family).unwrap_or(0), 0, 0, 0]
}

/// A message about the conversation that has this tuple on that side.
fn about(command: u16, flags: u16, side: u16, tuple: &Tuple) -> Message {
    let family = if tuple.to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut message = Message::new(kind(command), flags, &header(family));
    message.nest(side, |whole| {
        whole.nest(ADDRESSES, |addresses| {
            for (four, six, end) in [(1, 3, tuple.from), (2, 4, tuple.to)] {
                match end.ip() {
                    IpAddr::V4(address) => addresses.attr(four, &address.octets()),
                    IpAddr::V6(address) => addresses.attr(six, &address.octets()),
                };
            }
        });
        whole.nest(PORTS, |ports| {
            let protocol = if tuple.protocol == Protocol::Tcp { TCP } else { UDP };
            ports
                .attr(1, &[protocol])
                .attr(2, &tuple.from.port().to_be_bytes())
                .attr(3, &tuple.to.port().to_be_bytes());
        });
    });
    message
}

/// What follows `nfgenmsg`; conversations that are neither TCP nor UDP are passed over.
fn read(body: &[u8]) -> Option<Tracked> {
    let attributes = body.get(4..)?;
    let tuple = |side| {
        let whole = wire::find(attributes, side)?;
        let (addresses, ports) = (wire::find(whole, ADDRESSES)?, wire::find(whole, PORTS)?);
        let protocol = match *wire::find(ports, 1)?.first()? {
            TCP => Protocol::Tcp,
            UDP => Protocol::Udp,
            _ => return None,
        };
        let end = |four, six, port| {
            let four = wire::find(addresses, four).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
            let six = wire::find(addresses, six).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
            let port = u16::from_be_bytes(wire::find(ports, port)?.try_into().ok()?);
            Some(SocketAddr::new(four.map(IpAddr::from).or(six.map(IpAddr::from))?, port))
        };
        Some(Tuple { protocol, from: end(1, 3, 2)?, to: end(2, 4, 3)? })
    };
    Some(Tracked { original: tuple(ORIGINAL)?, reply: tuple(REPLY)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_asked_is_read_back() {
        for (from, to) in [("10.0.0.1:4000", "10.0.0.2:53"), ("[2001:db8::1]:4000", "[2001:db8::2]:53")] {
            let tuple = Tuple {
                protocol: Protocol::Udp,
                from: from.parse().expect("an end"),
                to: to.parse().expect("an end"),
            };
            let bytes = about(GET, REQUEST, ORIGINAL, &tuple).finish(1);
            let other = about(GET, REQUEST, REPLY, &tuple).finish(1);
            let both = [&bytes[wire::HEADER..], &other[wire::HEADER + 4..]].concat();
            assert_eq!(read(&both), Some(Tracked { original: tuple, reply: tuple }));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
