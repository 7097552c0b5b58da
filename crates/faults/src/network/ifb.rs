//! Devices that give back what they are given, as if it had just been received (`ifb`): where received packets queue.
//!
//! Ours is one for each network, whichever faults use it, and carries a mark as the number of its device group.

use super::links::{self, Link};
use super::wire::{self, ACK, CREATE, DUMP, Message, REQUEST, u32_at};
use super::{Netlink, NetlinkError};

/// What the name of every device of ours begins with.
pub(crate) const PREFIX: &str = "deadstick";
/// The name of the one that received packets are led through.
pub(crate) const NAME_OF_INTAKE: &str = "deadstick-in";
/// Its group, which no device has by itself.
pub(crate) const MARK: u32 = 0x6465_6164;
const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const NAME: u16 = 3;
const INFORMATION: u16 = 18;
const KIND: u16 = 1;
const GROUP: u16 = 27;
const UP: u32 = 1;

/// `ifinfomsg`: family and type, number, flags, which of them change.
fn header(index: u32, flags: u32) -> Vec<u8> {
    [0, index, flags, flags].into_iter().flat_map(u32::to_ne_bytes).collect()
}

/// Makes one in the network of the calling thread, up; it must not be there yet.
pub(crate) fn make(name: &str, mark: u32) -> Result<Link, NetlinkError> {
    let mut message = Message::new(NEW_LINK, REQUEST | ACK | CREATE, &header(0, UP));
    message.text(NAME, name).attr(GROUP, &mark.to_ne_bytes()).nest(INFORMATION, |information| {
        information.text(KIND, "ifb");
    });
    Netlink::open(libc::NETLINK_ROUTE)?.commit("add an ifb device", vec![message])?;
    links::named(name)?.ok_or_else(|| std::io::Error::from_raw_os_error(libc::ENODEV).into())
}

/// The number of the one of this name, if it is ours. One of the same name without the mark is somebody else's.
pub(crate) fn find(name: &str, mark: u32) -> Result<Option<u32>, NetlinkError> {
    let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
    let answers = netlink.ask("list the devices", Message::new(GET_LINK, REQUEST | DUMP, &[0; 16]))?;
    Ok(answers.iter().find_map(|(_, body)| {
        let attributes = body.get(16..)?;
        let kind = wire::find(wire::find(attributes, INFORMATION)?, KIND).map(wire::text)?;
        let named = wire::text(wire::find(attributes, NAME)?);
        let group = u32_at(wire::find(attributes, GROUP)?, 0)?;
        (named == name && kind == "ifb" && group == mark).then(|| u32_at(body, 4)).flatten()
    }))
}

/// Removes one of ours; says whether it was there. One of the same name without the mark is left alone.
pub(crate) fn remove(name: &str, mark: u32) -> Result<bool, NetlinkError> {
    let Some(index) = find(name, mark)? else { return Ok(false) };
    let message = Message::new(DELETE_LINK, REQUEST | ACK, &header(index, 0));
    match Netlink::open(libc::NETLINK_ROUTE)?.commit("remove the ifb device", vec![message]) {
        Ok(()) => Ok(true),
        // Owner and guardian may both be at it.
        Err(error) if error.errno() == Some(libc::ENODEV) => Ok(false),
        Err(error) => Err(error),
    }
}
