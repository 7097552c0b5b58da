//! A question of our own, asked from inside a network as its programs would, and what came of it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) code: ResponseCode,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) after: Duration,
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.addresses.as_slice()) {
            (ResponseCode::NoError, []) => f.write_str("an answer without an address")?,
            (ResponseCode::NoError, addresses) => {
                let addresses: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
                f.write_str(&addresses.join(", "))?;
            }
            (ResponseCode::NXDomain, _) => f.write_str("NXDOMAIN")?,
            (ResponseCode::ServFail, _) => f.write_str("SERVFAIL")?,
            (other, _) => write!(f, "{other}")?,
        }
        write!(f, " after {:.1} ms", self.after.as_secs_f64() * 1e3)
    }
}

/// Asks one server by UDP; none when nothing came back in time. Runs in the network of the calling thread.
pub(crate) fn ask(
    server: IpAddr,
    name: &Name,
    kind: RecordType,
    patience: Duration,
) -> io::Result<Option<Heard>> {
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name.clone(), kind));
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    socket.connect(SocketAddr::new(server, crate::kernel::DNS))?;
    let began = Instant::now();
    socket.send(&question.to_vec().map_err(io::Error::other)?)?;
    let mut bytes = [0; 4096];
    while let Some(left) = patience.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
        socket.set_read_timeout(Some(left))?;
        let length = match socket.recv(&mut bytes) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                break;
            }
            // Nobody listens there, and the host said so.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
            Err(error) => return Err(error),
        };
        let reply = bytes.get(..length).and_then(|bytes| Message::from_vec(bytes).ok());
        if let Some(reply) = reply.filter(|reply| reply.metadata.id == question.metadata.id) {
            let address = |data: &RData| match data {
                RData::A(address) => Some(IpAddr::from(address.0)),
                RData::AAAA(address) => Some(IpAddr::from(address.0)),
                _ => None,
            };
            let addresses = reply.answers.iter().filter_map(|record| address(&record.data)).collect();
            return Ok(Some(Heard { code: reply.metadata.response_code, addresses, after: began.elapsed() }));
        }
    }
    Ok(None)
}
