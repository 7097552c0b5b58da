//! Root qdiscs of the network that the calling thread is in: ours removed by their reserved handle.

use super::links;
use super::wire::{ACK, CREATE, DUMP, Message, REQUEST, u32_at};
use super::{Netlink, NetlinkError};

const NEW: u16 = 36;
const DELETE: u16 = 37;
const GET: u16 = 38;
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const ROOT: u32 = 0xffff_ffff;

/// Removes the root qdisc of a device if its handle's major number is this one; says whether it did.
pub(crate) fn remove_root(device: &str, handle: u16) -> Result<bool, NetlinkError> {
    let Some(link) = links::links()?.into_iter().find(|link| link.name == device) else { return Ok(false) };
    let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
    let major = u32::from(handle) << 16;
    let answers = netlink.ask("list the qdiscs", Message::new(GET, REQUEST | DUMP, &[0; 20]))?;
    let ours = answers.iter().any(|(_, body)| {
        (u32_at(body, 4), u32_at(body, 8), u32_at(body, 12)) == (Some(link.index), Some(major), Some(ROOT))
    });
    if ours {
        netlink.commit(
            "remove the root qdisc",
            vec![Message::new(DELETE, REQUEST | ACK, &header(link.index, major, ROOT))],
        )?;
    }
    Ok(ours)
}

/// Puts a netem qdisc on loopback of the calling thread's network, which must be one made for this.
pub(crate) fn probe_netem() -> Result<(), NetlinkError> {
    let mut message =
        Message::new(NEW, REQUEST | ACK | CREATE, &header(links::LOOPBACK_INDEX, 1 << 16, ROOT));
    // `tc_netem_qopt`: latency, limit, loss, gap, duplicate, jitter; nothing but a limit, so it passes everything on.
    let options: Vec<u8> = [0, 1000, 0, 0, 0, 0].into_iter().flat_map(u32::to_ne_bytes).collect();
    message.text(KIND, "netem").attr(OPTIONS, &options);
    Netlink::open(libc::NETLINK_ROUTE)?.commit("add a netem qdisc", vec![message])
}

/// `tcmsg`: family, device, handle, parent, info.
fn header(device: u32, handle: u32, parent: u32) -> Vec<u8> {
    [0, device, handle, parent, 0].into_iter().flat_map(u32::to_ne_bytes).collect()
}
