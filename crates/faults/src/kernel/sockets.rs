//! Sockets: connections that are destroyed, and ports that somebody has.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use deadstick_core::fault::{Flow, Peer, Protocol};
use deadstick_core::identity::{NetworkIdentity, ProcessIdentity};
use serde::{Deserialize, Serialize};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{KernelError, Linux};
use crate::network::{Namespace, SocketOwner, diag, groups, owners, witness};

/// A connection that was destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The end in the network.
    pub local: SocketAddr,
    /// The other one.
    pub peer: SocketAddr,
}

/// Destroys connections in one network, for as long as it is kept, whatever becomes of the process that stood for it.
pub trait Destroyer: Send + Sync {
    /// Destroys the TCP connections that a flow is about, but for those of these processes, and returns those that
    /// are not there any more. A control group is the one that had its name the first time.
    ///
    /// # Errors
    /// The kernel refuses, or control groups cannot be read.
    fn destroy(&self, flow: &Flow, spared: &[ProcessIdentity]) -> Result<Vec<Ended>, KernelError>;
}

/// Where a program would listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// By which protocol.
    pub protocol: Protocol,
    /// On which address; on all of them when none is given.
    pub address: Option<IpAddr>,
    /// On which port.
    pub port: u16,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.address {
            Some(address) => write!(f, "{} {}", self.protocol, SocketAddr::new(address, self.port)),
            None => write!(f, "{} port {} on every address", self.protocol, self.port),
        }
    }
}

impl Place {
    /// Binds there, as servers do; for TCP it listens. Runs in the network of the calling thread.
    pub(crate) fn bind(&self) -> io::Result<Socket> {
        match self.address {
            Some(address) => self.bind_to(address),
            // One socket for both families; where there is no IPv6, IPv4 is all there is.
            None => match self.bind_to(Ipv6Addr::UNSPECIFIED.into()) {
                Err(error)
                    if matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)) =>
                {
                    self.bind_to(Ipv4Addr::UNSPECIFIED.into())
                }
                other => other,
            },
        }
    }

    fn bind_to(&self, address: IpAddr) -> io::Result<Socket> {
        let at = SockAddr::from(SocketAddr::new(address, self.port));
        let kind = if self.protocol == Protocol::Tcp { Type::STREAM } else { Type::DGRAM };
        let socket = Socket::new(Domain::for_address(SocketAddr::new(address, 0)), kind, None)?;
        if address.is_ipv6() {
            socket.set_only_v6(self.address.is_some())?;
        }
        if self.protocol == Protocol::Tcp {
            // Connections that a server has just closed keep its port from a socket without this; two that listen
            // exclude each other all the same. UDP has no such remains, and there it would let others in.
            socket.set_reuse_address(true)?;
        }
        socket.bind(&at)?;
        if self.protocol == Protocol::Tcp {
            socket.listen(128)?;
        }
        Ok(socket)
    }

    /// Whether a socket at this address keeps others from here.
    fn excludes(&self, local: IpAddr) -> bool {
        self.address
            .is_none_or(|address| local == address || local.is_unspecified() || address.is_unspecified())
    }
}

/// Somebody who has a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOwner {
    /// Where.
    pub local: SocketAddr,
    /// Who; none when that may not be seen.
    pub process: Option<SocketOwner>,
}

/// What faults ask of sockets.
pub trait Sockets: Send + Sync {
    /// Something that destroys connections in a network.
    ///
    /// # Errors
    /// The network is gone.
    fn destroyer(&self, network: &NetworkIdentity) -> Result<Box<dyn Destroyer>, KernelError>;
    /// Connects to a peer, destroys that connection alone, and measures how long its socket takes to say so. None when the
    /// peer does not accept, or the socket says nothing. Blocks up to `patience`, twice.
    ///
    /// # Errors
    /// The network is gone, or the kernel refuses.
    fn sacrifice(
        &self,
        network: &NetworkIdentity,
        peer: SocketAddr,
        patience: Duration,
    ) -> Result<Option<Duration>, KernelError>;
    /// Who keeps a program from listening there.
    ///
    /// # Errors
    /// The network is gone, or the kernel does not say.
    fn port_owners(&self, network: &NetworkIdentity, place: &Place) -> Result<Vec<PortOwner>, KernelError>;
    /// Tries to listen there, and lets go at once; what the kernel said when it refused.
    ///
    /// # Errors
    /// The network is gone.
    fn try_bind(
        &self,
        network: &NetworkIdentity,
        place: &Place,
    ) -> Result<Result<(), io::Error>, KernelError>;
}

fn call(doing: &'static str) -> impl Fn(io::Error) -> KernelError {
    move |source| KernelError::Call { doing, source }
}

impl Sockets for Linux {
    fn destroyer(&self, network: &NetworkIdentity) -> Result<Box<dyn Destroyer>, KernelError> {
        Ok(Box::new(Inside { namespace: Namespace::open(network)?, group: OnceLock::new() }))
    }

    fn sacrifice(
        &self,
        network: &NetworkIdentity,
        peer: SocketAddr,
        patience: Duration,
    ) -> Result<Option<Duration>, KernelError> {
        Namespace::open(network)?.run(|| {
            let (_, Some(mut stream)) = witness::connect(peer, patience)? else { return Ok(None) };
            let local = stream.local_addr().map_err(call("ask for a socket's address"))?;
            let own = Flow { from: vec![Peer::from(local)], ..Flow::with(Peer::from(peer)) };
            let began = Instant::now();
            diag::chosen(&own, &BTreeSet::new())?.iter().try_for_each(diag::destroy)?;
            stream.set_read_timeout(Some(patience)).map_err(call("limit a read"))?;
            let mut some = [0; 512];
            loop {
                match stream.read(&mut some) {
                    // A greeting was there before.
                    Ok(1..) => {}
                    Err(error) if error.raw_os_error() == Some(libc::ECONNABORTED) => {
                        return Ok(Some(began.elapsed()));
                    }
                    Ok(_) | Err(_) => return Ok(None),
                }
            }
        })?
    }

    fn port_owners(&self, network: &NetworkIdentity, place: &Place) -> Result<Vec<PortOwner>, KernelError> {
        let found = Namespace::open(network)?.run(|| diag::holding_port(place.protocol, place.port))??;
        let owner =
            |one: diag::Connection| PortOwner { local: one.local, process: owners::owner_of(one.inode) };
        Ok(found.into_iter().filter(|one| place.excludes(one.local.ip())).map(owner).collect())
    }

    fn try_bind(
        &self,
        network: &NetworkIdentity,
        place: &Place,
    ) -> Result<Result<(), io::Error>, KernelError> {
        Ok(Namespace::open(network)?.run(|| place.bind().map(drop))?)
    }
}

struct Inside {
    namespace: Namespace,
    /// The number of the flow's control group when it was first asked for; none when it was gone by then.
    group: OnceLock<Option<u64>>,
}

impl Inside {
    /// The numbers of the flow's control group and of those below it now. None when that group is gone: a later one of the
    /// same name, as of a unit that was restarted, is another one.
    fn groups(&self, group: &Path) -> Result<Option<BTreeSet<u64>>, KernelError> {
        let now = groups::number(group)?;
        if now.is_none() || now != *self.group.get_or_init(|| now) {
            return Ok(None);
        }
        Ok(Some(groups::numbers(group)?))
    }
}

impl Destroyer for Inside {
    fn destroy(&self, flow: &Flow, spared: &[ProcessIdentity]) -> Result<Vec<Ended>, KernelError> {
        let groups = match &flow.cgroup {
            Some(group) => match self.groups(group)? {
                Some(groups) => groups,
                None => return Ok(Vec::new()),
            },
            None => BTreeSet::new(),
        };
        let mut chosen = self.namespace.run(|| diag::chosen(flow, &groups))??;
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        let ours = owners::sockets_of_family(&spared.iter().map(|process| process.pid).collect());
        chosen.retain(|one| !ours.contains(&one.inode));
        let left = self.namespace.run(|| {
            chosen.iter().try_for_each(diag::destroy)?;
            diag::chosen(flow, &groups)
        })??;
        chosen.retain(|one| !left.iter().any(|other| other.is(one)));
        Ok(chosen.into_iter().map(|one| Ended { local: one.local, peer: one.peer }).collect())
    }
}
