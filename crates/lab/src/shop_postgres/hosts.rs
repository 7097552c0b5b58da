//! What the lab's hosts have from the beginning: their answerers, the front, and the doors that lead to them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};

use super::{PORT, front};
use crate::LabError;
use crate::describe::{self, SHOP_POSTGRES};
use crate::shop::options_of;
use crate::supervisor::child::Child;
use crate::supervisor::children::{Children, What};
use crate::supervisor::doors;
use crate::supervisor::network::{Namespace, Network, Place};

/// What answers on a host as long as that is on the network.
pub(super) struct Answerer {
    pub(super) child: Child,
    pub(super) address: SocketAddr,
}

/// Ports on the machine's loopback.
pub(super) struct Doors {
    pub(super) shop: u16,
    pub(super) primary: u16,
    pub(super) replica: u16,
    pub(super) job: u16,
}

impl Doors {
    pub(super) fn open(
        hub: &Namespace,
        front: SocketAddr,
        primary: IpAddr,
        replica: IpAddr,
        job: SocketAddr,
    ) -> Result<Self, LabError> {
        Ok(Self {
            shop: doors::open(hub, front)?,
            primary: doors::open(hub, SocketAddr::new(primary, PORT))?,
            replica: doors::open(hub, SocketAddr::new(replica, PORT))?,
            // Who asks whether the host is there must be told the truth, and not that the door is.
            job: doors::open_following(hub, job)?,
        })
    }
}

async fn answer_on(children: &Children, host: &str, place: &Place) -> Result<Answerer, LabError> {
    let what = What::Part("answerer", Vec::new());
    let mut child = children.start(&format!("{host}-answerer"), what, Some(&place.namespace)).await?;
    let port = child.port().await?;
    Ok(Answerer { child, address: SocketAddr::new(place.address, port) })
}

/// The network, with an answerer on each host.
pub(super) async fn build_network(
    children: &Children,
) -> Result<(Network, BTreeMap<&'static str, Answerer>), LabError> {
    let network = Network::make(SHOP_POSTGRES.hosts).await?;
    let mut answerers = BTreeMap::new();
    for &host in SHOP_POSTGRES.hosts {
        answerers.insert(host, answer_on(children, host, network.place(host)?).await?);
    }
    Ok((network, answerers))
}

/// `--host ADDRESS`, which every client of a server needs.
pub(super) fn host_option(server: IpAddr) -> (&'static str, OsString) {
    ("host", server.to_string().into())
}

pub(super) async fn open_front(
    children: &Children,
    place: &Place,
    primary: IpAddr,
) -> Result<(Child, u16), LabError> {
    let mut options = options_of("front", &describe::defaults(&SHOP_POSTGRES), front::SETTINGS);
    options.push(host_option(primary));
    let mut child =
        children.start("front", What::Part("postgres-front", options), Some(&place.namespace)).await?;
    let port = child.port().await?;
    Ok((child, port))
}
