//! The lab's network: one namespace per host, and a hub that joins them with a bridge.
//!
//! Nothing is ever bind-mounted or named outside: a namespace lives as long as a process or a file of this supervisor
//! holds it. The supervisor itself stays in the machine's network.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use nix::sched::{CloneFlags, setns, unshare};
use rtnetlink::{Handle, LinkBridge, LinkUnspec, LinkVeth, new_connection};
use tokio::net::{TcpSocket, TcpStream};

use crate::LabError;

/// The hub's address; the hosts come after it.
const HUB: Ipv4Addr = Ipv4Addr::new(10, 83, 0, 1);
const PREFIX: u8 = 24;
/// The bridge in the hub's namespace, and every host's way to it.
const BRIDGE: &str = "deadstick";
const UPLINK: &str = "eth0";

/// A network namespace, held open.
#[derive(Clone)]
pub(crate) struct Namespace {
    file: Arc<File>,
    home: Arc<File>,
}

impl Namespace {
    /// Makes an empty one.
    fn make(home: &Arc<File>) -> Result<Self, LabError> {
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|e| LabError::not_permitted("make a network namespace", e))?;
        let made = File::open("/proc/thread-self/ns/net");
        go_home(home);
        let file = made.map_err(|e| LabError::network("hold a namespace", e))?;
        Ok(Self { file: Arc::new(file), home: Arc::clone(home) })
    }

    /// Does something inside: what it opens or starts belongs to the namespace for good. Short, and never across an
    /// await, because the whole thread is inside meanwhile.
    pub(crate) fn inside<T>(&self, act: impl FnOnce() -> T) -> Result<T, LabError> {
        setns(&*self.file, CloneFlags::CLONE_NEWNET)
            .map_err(|e| LabError::network("enter a namespace", e))?;
        let result = act();
        go_home(&self.home);
        Ok(result)
    }

    /// Connects from inside to outside callers' knowledge: the socket is born there, the waiting is done here.
    pub(crate) async fn connect(&self, to: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = self.inside(TcpSocket::new_v4).map_err(std::io::Error::other)??;
        socket.connect(to).await
    }
}

/// Back to the machine's network. A supervisor that is lost in a lab's namespace must not go on.
fn go_home(home: &File) {
    if setns(home, CloneFlags::CLONE_NEWNET).is_err() {
        std::process::abort();
    }
}

/// One host's place in the network.
pub(crate) struct Place {
    pub(crate) namespace: Namespace,
    pub(crate) address: IpAddr,
}

/// All of it.
pub(crate) struct Network {
    pub(crate) hub: Namespace,
    hosts: BTreeMap<&'static str, Place>,
}

impl Network {
    /// Makes a namespace for each host, and joins them.
    pub(crate) async fn make(hosts: &'static [&'static str]) -> Result<Self, LabError> {
        let home =
            File::open("/proc/thread-self/ns/net").map_err(|e| LabError::network("find the way home", e))?;
        let home = Arc::new(home);
        let hub = Namespace::make(&home)?;
        let hub_links = links(&hub)?;
        bring_up_loopback(&hub_links).await?;
        let bridge = hub_links.link().add(LinkBridge::new(BRIDGE).up().build()).execute().await;
        bridge.map_err(|e| LabError::network("make the bridge", e))?;
        let bridge = index_of(&hub_links, BRIDGE).await?;
        give_address(&hub_links, bridge, HUB).await?;
        let mut places = BTreeMap::new();
        for (&name, last) in hosts.iter().zip(HUB.octets()[3] + 1..) {
            let [a, b, c, _] = HUB.octets();
            let address = Ipv4Addr::new(a, b, c, last);
            let namespace = Namespace::make(&home)?;
            join(&hub_links, bridge, name, &namespace, address).await?;
            places.insert(name, Place { namespace, address: IpAddr::V4(address) });
        }
        Ok(Self { hub, hosts: places })
    }

    /// A host's place. Hosts are named by this crate only, so one that is missing is a mistake in it.
    pub(crate) fn place(&self, host: &str) -> Result<&Place, LabError> {
        self.hosts.get(host).ok_or_else(|| LabError::network("find a host", format!("there is no {host}")))
    }

    /// The same, to keep.
    pub(crate) fn take(&mut self, host: &str) -> Result<Place, LabError> {
        self.hosts.remove(host).ok_or_else(|| LabError::network("find a host", format!("there is no {host}")))
    }
}

/// Joins a host to the bridge.
async fn join(
    hub: &Handle,
    bridge: u32,
    name: &str,
    namespace: &Namespace,
    address: Ipv4Addr,
) -> Result<(), LabError> {
    let failed = |e: rtnetlink::Error| LabError::network(format!("join {name} to the bridge"), e);
    let far = format!("{name}-far");
    hub.link().add(LinkVeth::new(name, &far).build()).execute().await.map_err(failed)?;
    let (near, far) = (index_of(hub, name).await?, index_of(hub, &far).await?);
    let near = LinkUnspec::new_with_index(near).controller(bridge).up().build();
    hub.link().set(near).execute().await.map_err(failed)?;
    let moved = LinkUnspec::new_with_index(far).name(UPLINK).setns_by_fd(namespace.file.as_raw_fd()).build();
    hub.link().set(moved).execute().await.map_err(failed)?;
    let host = links(namespace)?;
    bring_up_loopback(&host).await?;
    let uplink = index_of(&host, UPLINK).await?;
    give_address(&host, uplink, address).await?;
    host.link().set(LinkUnspec::new_with_index(uplink).up().build()).execute().await.map_err(failed)
}

/// A netlink socket that was born in this namespace.
fn links(namespace: &Namespace) -> Result<Handle, LabError> {
    let opened = namespace.inside(new_connection)?;
    let (connection, handle, _) = opened.map_err(|e| LabError::network("open netlink", e))?;
    tokio::spawn(connection);
    Ok(handle)
}

async fn index_of(links: &Handle, name: &str) -> Result<u32, LabError> {
    use futures_util::TryStreamExt as _;
    let mut found = links.link().get().match_name(name.to_owned()).execute();
    let link = found.try_next().await.map_err(|e| LabError::network(format!("find link {name}"), e))?;
    link.map(|l| l.header.index)
        .ok_or_else(|| LabError::network(format!("find link {name}"), "it is not there"))
}

async fn bring_up_loopback(links: &Handle) -> Result<(), LabError> {
    let index = index_of(links, "lo").await?;
    let up = links.link().set(LinkUnspec::new_with_index(index).up().build()).execute().await;
    up.map_err(|e| LabError::network("bring up loopback", e))
}

async fn give_address(links: &Handle, index: u32, address: Ipv4Addr) -> Result<(), LabError> {
    let given = links.address().add(index, IpAddr::V4(address), PREFIX).execute().await;
    given.map_err(|e| LabError::network(format!("give address {address}"), e))
}
