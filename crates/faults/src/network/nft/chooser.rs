//! The choice of packets: what a flow asks of them, as sets to look them up in and as the beginnings of rules.
//!
//! However many peers a flow has, a packet meets one lookup for each shape of them: at most a handful of rules.

use deadstick_core::fault::Flow;

use super::expression::{Expression, FIRST_REGISTER};
use super::header::{Layout, NETWORK, TCP, TRANSPORT, UDP};
use super::hooks::Side;
use super::matches::{is_version, of_sockets};
use super::sets::{PeerSet, by_shape};
use crate::kernel::Group;

/// The set of protocols that have ports.
pub(super) const WITH_PORTS: &str = "with-ports";
/// Its elements.
pub(super) const PORT_PROTOCOLS: [u8; 2] = [TCP, UDP];

/// Conditions on packets of one family, or of any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// 4 or 6, where the conditions say so.
    pub(super) version: Option<u8>,
    /// What must hold.
    pub(super) conditions: Vec<Expression>,
}

/// Where addresses and ports are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// Of the packet itself.
    Own,
    /// Of the packet that an ICMP error quotes, which went the other way.
    Quoted,
}

/// A flow, ready to be asked for.
pub(super) struct Chooser {
    to: Option<Vec<PeerSet>>,
    from: Option<Vec<PeerSet>>,
    socket: Vec<Expression>,
}

impl Chooser {
    /// `group` is what the flow's control group is to the kernel.
    pub(super) fn new(flow: &Flow, group: Option<&Group>) -> Self {
        let sets = |peers: &[_]| (!peers.is_empty()).then(|| by_shape(peers));
        Self { to: sets(&flow.to), from: sets(&flow.from), socket: of_sockets(group, flow.user) }
    }

    /// The sets that rules look into, with their names.
    pub(super) fn sets(&self) -> impl Iterator<Item = (String, &PeerSet)> {
        let ends = [("to", &self.to), ("from", &self.from)];
        ends.into_iter().flat_map(|(end, sets)| sets.iter().flatten().map(move |set| (name(end, set), set)))
    }

    /// Whether a rule asks for the protocol because of a port.
    pub(super) fn has_ports(&self) -> bool {
        self.sets().any(|(_, set)| set.with_port)
    }

    /// The conditions of each rule, for one side.
    pub(super) fn matches(&self, side: Side) -> Vec<Vec<Expression>> {
        self.chosen(side, Header::Own).into_iter().map(|chosen| chosen.conditions).collect()
    }

    /// The same with the family, for rules that read more of a header.
    pub(super) fn of_each_version(&self, side: Side, header: Header) -> Vec<Chosen> {
        let whole = |chosen: Chosen| match chosen.version {
            Some(_) => vec![chosen],
            None => [4, 6]
                .into_iter()
                .map(|version| {
                    let conditions = [is_version(version), chosen.conditions.clone()].concat();
                    Chosen { version: Some(version), conditions }
                })
                .collect(),
        };
        self.chosen(side, header).into_iter().flat_map(whole).collect()
    }

    fn chosen(&self, side: Side, header: Header) -> Vec<Chosen> {
        if self.to.is_none() && self.from.is_none() {
            return vec![Chosen { version: None, conditions: self.socket.clone() }];
        }
        let mut all = Vec::new();
        for version in [4, 6] {
            for to in of_version(self.to.as_deref(), version) {
                for from in of_version(self.from.as_deref(), version) {
                    let mut conditions = is_version(version);
                    if header == Header::Own && [to, from].iter().flatten().any(|set| set.with_port) {
                        conditions.push(Expression::MetaTransport);
                        conditions.push(lookup(WITH_PORTS));
                    }
                    // A quoted packet is one that was sent: whoever got the quotation had sent it.
                    let sent = (side == Side::Out) == (header == Header::Own);
                    for (end, set, is_destination) in [("to", to, sent), ("from", from, !sent)] {
                        if let Some(set) = set {
                            conditions.extend(read(set, is_destination, header));
                            conditions.push(lookup(&name(end, set)));
                        }
                    }
                    conditions.extend(self.socket.iter().cloned());
                    all.push(Chosen { version: Some(version), conditions });
                }
            }
        }
        all
    }
}

/// The sets of a family, or "any" where the end does not matter. None at all when only the other family is named.
fn of_version(sets: Option<&[PeerSet]>, version: u8) -> Vec<Option<&PeerSet>> {
    match sets {
        None => vec![None],
        Some(sets) => sets.iter().filter(|set| set.version == version).map(Some).collect(),
    }
}

fn name(end: &str, set: &PeerSet) -> String {
    format!("{end}{}{}", set.version, if set.with_port { "-ports" } else { "" })
}

fn lookup(set: &str) -> Expression {
    Expression::InSet { set: set.to_owned(), register: FIRST_REGISTER }
}

/// Loads one end of a packet into the registers, as the set has it.
fn read(set: &PeerSet, is_destination: bool, header: Header) -> Vec<Expression> {
    let Layout { address: length, source, destination, whole } = Layout::of(set.version);
    let address = if is_destination { destination } else { source };
    let port = if is_destination { 2 } else { 0 };
    // The quotation stands behind the eight bytes of the ICMP header; options in its own header hide its ports.
    let (base, offset, port_offset) = match header {
        Header::Own => (NETWORK, address, port),
        Header::Quoted => (TRANSPORT, 8 + address, 8 + whole + port),
    };
    let mut loads = vec![Expression::Load { base, offset, length, register: FIRST_REGISTER }];
    if set.with_port {
        let register = FIRST_REGISTER + length / 4;
        loads.push(Expression::Load { base: TRANSPORT, offset: port_offset, length: 2, register });
    }
    loads
}
