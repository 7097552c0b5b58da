//! The addresses of the network that the calling thread is in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use deadstick_core::identity::NetworkIdentity;

use super::links::{LOOPBACK_INDEX, links};
use super::wire::{self, DUMP, Message, REQUEST, u32_at};
use super::{Netlink, NetlinkError, enter};
use crate::kernel::KernelError;

const GET_ADDRESS: u16 = 22;
/// The peer of a point-to-point device, otherwise the same as the next.
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;

/// One address of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Which.
    pub address: IpAddr,
    /// How many leading bits its neighbours share.
    pub prefix: u8,
    /// The name of its device.
    pub device: String,
}

/// Every address of a network, but those of loopback.
///
/// # Errors
/// The network is gone, or the kernel does not say.
pub fn addresses(network: &NetworkIdentity) -> Result<Vec<Address>, KernelError> {
    Ok(enter(network, list)??)
}

fn list() -> Result<Vec<Address>, NetlinkError> {
    let links = links()?;
    let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
    // `ifaddrmsg`: family, prefix length, flags, scope, device.
    let answers = netlink.ask("list the addresses", Message::new(GET_ADDRESS, REQUEST | DUMP, &[0; 8]))?;
    let read = |body: &[u8]| {
        let (prefix, index) = (*body.get(1)?, u32_at(body, 4)?);
        let attributes = body.get(8..)?;
        let bytes = wire::find(attributes, LOCAL).or_else(|| wire::find(attributes, ADDRESS))?;
        let address: IpAddr = match bytes.len() {
            4 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into(),
            _ => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into(),
        };
        let device = links.iter().find(|link| link.index == index && index != LOOPBACK_INDEX)?;
        Some(Address { address, prefix, device: device.name.clone() })
    };
    Ok(answers.iter().filter_map(|(_, body)| read(body)).collect())
}
