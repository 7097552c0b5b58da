//! The lab's network: one namespace per host, and a hub that joins them with a bridge.
//!
//! Nothing is ever bind-mounted or named outside: a namespace lives as long as a process, thread or file of this
//! supervisor holds it. The supervisor's main thread stays in the machine's network.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use nix::sched::{CloneFlags, unshare};
use rtnetlink::{Handle, LinkBridge, LinkUnspec, LinkVeth, new_connection};
use tokio::net::{TcpSocket, TcpStream};

use crate::LabError;

/// The hub's address; the hosts come after it.
const HUB: Ipv4Addr = Ipv4Addr::new(10, 83, 0, 1);
const PREFIX: u8 = 24;
/// The bridge in the hub's namespace, and every host's way to it.
const BRIDGE: &str = "deadstick";
const UPLINK: &str = "eth0";

type Errand = Box<dyn FnOnce() + Send>;

/// A network namespace, with a thread that lives in it.
///
/// A thread of its own, because without root nobody can come back: the machine's network belongs to a user namespace in
/// which this process has no say. The thread ends with the last clone of this, and what it started ends with it.
#[derive(Clone)]
pub(crate) struct Namespace {
    errands: Sender<Errand>,
    file: Arc<File>,
}

impl Namespace {
    /// Makes an empty one.
    fn make(name: &str) -> Result<Self, LabError> {
        let failed = |e: std::io::Error| LabError::network(format!("hold namespace {name}"), e);
        let (errands, waiting) = channel::<Errand>();
        let (made, told) = channel();
        let runtime = tokio::runtime::Handle::current();
        let thread = std::thread::Builder::new().name(format!("network {name}"));
        let live = move || {
            let _inside_runtime = runtime.enter();
            let file = unshare(CloneFlags::CLONE_NEWNET).map(|()| File::open("/proc/thread-self/ns/net"));
            if made.send(file).is_ok() {
                waiting.into_iter().for_each(|errand| errand());
            }
        };
        thread.spawn(live).map_err(failed)?;
        let file = told.recv().map_err(|e| LabError::network(format!("hold namespace {name}"), e))?;
        let file =
            file.map_err(|e| LabError::not_permitted("make a network namespace", e))?.map_err(failed)?;
        Ok(Self { errands, file: Arc::new(file) })
    }

    /// Does something inside: what it opens or starts belongs to the namespace for good. Short, because the caller waits.
    pub(crate) fn inside<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LabError> {
        let gone = || LabError::network("do something in a namespace", "its thread has ended");
        let (done, result) = channel();
        // Nobody can have stopped waiting for it: this does, just below.
        let errand = Box::new(move || drop(done.send(act())));
        self.errands.send(errand).map_err(|_| gone())?;
        result.recv().map_err(|_| gone())
    }

    /// Connects from inside: the socket is born there, the waiting is done here.
    pub(crate) async fn connect(&self, to: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = self.inside(TcpSocket::new_v4).map_err(std::io::Error::other)??;
        socket.connect(to).await
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
        let hub = Namespace::make("hub")?;
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
            let namespace = Namespace::make(name)?;
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
