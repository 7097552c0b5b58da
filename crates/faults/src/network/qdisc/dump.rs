//! Qdiscs, classes and filters as the kernel shows them.

use crate::network::wire::{self, DUMP, Message, REQUEST, u32_at};
use crate::network::{Netlink, NetlinkError};

const GET: u16 = 38;
const GET_CLASS: u16 = 42;
const GET_FILTER: u16 = 46;
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const COUNTERS: u16 = 7;
const SIZE_TABLE: u16 = 8;
/// Within the counters.
const BASIC: u16 = 1;
const QUEUE: u16 = 3;

/// A qdisc or a class.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) kind: String,
    pub(super) handle: u32,
    pub(super) parent: u32,
    pub(super) options: Option<Vec<u8>>,
    /// It has a size table, which is shown in another form than it is set.
    pub(super) has_size_table: bool,
    pub(super) sent: u64,
    pub(super) dropped: u64,
    pub(super) waiting: u64,
}

impl Object {
    fn read(body: &[u8]) -> Option<Self> {
        let attributes = body.get(20..)?;
        let counters = wire::find(attributes, COUNTERS).unwrap_or(&[]);
        // Bytes come first, in eight bytes of their own; then packets. Of the queue: length, backlog, drops.
        let counter =
            |kind, at| wire::find(counters, kind).and_then(|value| u32_at(value, at)).map_or(0, u64::from);
        Some(Self {
            kind: wire::text(wire::find(attributes, KIND)?),
            handle: u32_at(body, 8)?,
            parent: u32_at(body, 12)?,
            options: wire::find(attributes, OPTIONS).map(<[u8]>::to_vec),
            has_size_table: wire::find(attributes, SIZE_TABLE).is_some(),
            sent: counter(BASIC, 8),
            dropped: counter(QUEUE, 8),
            waiting: counter(QUEUE, 0),
        })
    }
}

fn ask(
    netlink: &mut Netlink,
    doing: &'static str,
    kind: u16,
    device: u32,
    parent: u32,
) -> Result<Vec<Vec<u8>>, NetlinkError> {
    let message = Message::new(kind, REQUEST | DUMP, &super::header(device, 0, parent));
    let answers = netlink.ask(doing, message)?;
    // Old kernels show the qdiscs of every device, whichever was asked for.
    Ok(answers.into_iter().map(|(_, body)| body).filter(|body| u32_at(body, 4) == Some(device)).collect())
}

/// The qdiscs of a device.
pub(super) fn qdiscs(netlink: &mut Netlink, device: u32) -> Result<Vec<Object>, NetlinkError> {
    let bodies = ask(netlink, "list the qdiscs", GET, device, 0)?;
    Ok(bodies.iter().filter_map(|body| Object::read(body)).collect())
}

/// The classes of a device.
pub(super) fn classes(netlink: &mut Netlink, device: u32) -> Result<Vec<Object>, NetlinkError> {
    let bodies = ask(netlink, "list the classes", GET_CLASS, device, 0)?;
    Ok(bodies.iter().filter_map(|body| Object::read(body)).collect())
}

/// The kind of a filter attached to a qdisc or class, if there is one.
pub(super) fn filter(netlink: &mut Netlink, device: u32, at: u32) -> Result<Option<String>, NetlinkError> {
    let bodies = match ask(netlink, "list the filters", GET_FILTER, device, at) {
        // What takes no filters has none.
        Err(error)
            if error.errno().is_some_and(|errno| [libc::EINVAL, libc::EOPNOTSUPP].contains(&errno)) =>
        {
            return Ok(None);
        }
        other => other?,
    };
    Ok(bodies.iter().find_map(|body| wire::find(body.get(20..)?, KIND).map(wire::text)))
}
