//! The devices of the network that the calling thread is in.

use super::wire::{self, DUMP, Message, REQUEST, u32_at};
use super::{Netlink, NetlinkError, ifb};

const GET_LINK: u16 = 18;
const LINK_NAME: u16 = 3;
const LOOPBACK: u32 = 0x8;

/// The number that loopback has in every network.
pub(crate) const LOOPBACK_INDEX: u32 = 1;

/// One network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Its number.
    pub(crate) index: u32,
    /// Its name.
    pub(crate) name: String,
}

/// Every device but loopback, for what happens inside the host is never disturbed, and but our own.
pub(crate) fn links() -> Result<Vec<Link>, NetlinkError> {
    let mut links = all()?;
    links.retain(|link| !link.name.starts_with(ifb::PREFIX));
    Ok(links)
}

/// The device of this name, if it is there.
pub(crate) fn named(name: &str) -> Result<Option<Link>, NetlinkError> {
    Ok(all()?.into_iter().find(|link| link.name == name))
}

fn all() -> Result<Vec<Link>, NetlinkError> {
    let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
    let answers = netlink.ask("list the devices", Message::new(GET_LINK, REQUEST | DUMP, &[0; 16]))?;
    Ok(answers
        .iter()
        .filter_map(|(_, body)| {
            let (index, flags) = (u32_at(body, 4)?, u32_at(body, 8)?);
            let name = wire::text(wire::find(body.get(16..)?, LINK_NAME)?);
            (flags & LOOPBACK == 0).then_some(Link { index, name })
        })
        .collect())
}
