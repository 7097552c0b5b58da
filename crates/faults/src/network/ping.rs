//! An ICMP echo of a chosen size: a question that any host answers in kind. Runs in the network of the calling thread.

use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use socket2::{Domain, Protocol, Socket, Type};

use crate::kernel::KernelError;

const HEADER: usize = 8;

/// Sends one echo in an IP packet of this length and waits for its answer.
pub(crate) fn ping(peer: IpAddr, length: u16, patience: Duration) -> Result<Option<Duration>, KernelError> {
    once(peer, length, patience).map_err(|source| KernelError::Call { doing: "send an ICMP echo", source })
}

fn once(peer: IpAddr, length: u16, patience: Duration) -> io::Result<Option<Duration>> {
    let (domain, protocol, request, reply, own_header) = match peer {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8, 0, 20),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128, 129, 40),
    };
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    never_fragment(&socket, peer)?;
    socket.connect(&SocketAddr::new(peer, 0).into())?;
    let mark = uuid::Uuid::now_v7().into_bytes();
    let mut packet = vec![0; usize::from(length).saturating_sub(own_header).max(HEADER + mark.len())];
    packet[0] = request;
    packet[HEADER..HEADER + mark.len()].copy_from_slice(&mark);
    if peer.is_ipv4() {
        // The kernel fills it in for IPv6.
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    let began = Instant::now();
    match socket.send(&packet) {
        Ok(_) => {}
        // Dropped on its way out: in the internet protocols, or at the device.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOBUFS)) => return Ok(None),
        Err(error) if no_way(&error) => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut buffer = vec![0; usize::from(length) + 100];
    loop {
        let left = patience.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        socket.set_read_timeout(Some(left))?;
        match (&socket).read(&mut buffer) {
            Ok(count) => {
                let bytes = &buffer[..count];
                // A raw IPv4 socket gives the IP header, too.
                let start = if peer.is_ipv4() {
                    usize::from(bytes.first().copied().unwrap_or(0) & 0xf) * 4
                } else {
                    0
                };
                let answer = bytes.get(start..).unwrap_or(&[]);
                if answer.first() == Some(&reply)
                    && answer.get(HEADER..HEADER + mark.len()) == Some(&mark[..])
                {
                    return Ok(Some(began.elapsed()));
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) if no_way(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

fn no_way(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::ConnectionRefused
    )
}

/// Whole or not at all, whatever size the path is believed to take.
fn never_fragment(socket: &Socket, peer: IpAddr) -> io::Result<()> {
    match peer {
        IpAddr::V4(_) => sockopt::set_ip_mtu_discover(socket, sockopt::Ipv4PathMtuDiscovery::PROBE)?,
        IpAddr::V6(_) => sockopt::set_ipv6_mtu_discover(socket, sockopt::Ipv6PathMtuDiscovery::PROBE)?,
    }
    Ok(())
}

/// The Internet checksum.
fn checksum(bytes: &[u8]) -> u16 {
    let pairs =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let mut sum: u32 = pairs.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_with_its_complement_is_all_ones() {
        let bytes = [0x08, 0x00, 0x00, 0x00, 0x12, 0x34, 0x56, 0x78, 0x9a];
        let sum = checksum(&bytes);
        let mut with = bytes.to_vec();
        with[2..4].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(checksum(&with), 0);
        // The example of RFC 1071.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }
}
