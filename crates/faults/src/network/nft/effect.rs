//! What the rules of each effect are.

use std::net::IpAddr;

use deadstick_core::fault::{Direction, Flow, Refusal};

use super::batch::Batch;
use super::chooser::{Chooser, Chosen, Header, PORT_PROTOCOLS, WITH_PORTS};
use super::classes;
use super::expression::Expression;
use super::header::{ICMP, ICMP_6, TCP};
use super::hooks::{FIRST, Hooks, Side};
use super::matches;
use crate::kernel::{Group, Layer, TableEffect, TableSpec};
use crate::network::diag::Connection;
use crate::network::links::Link;
use crate::network::wire::Message;

const FLOWS_4: &str = "flows4";
const FLOWS_6: &str = "flows6";

/// Where the chains of a table are. The devices see everything, but know no socket, and cannot answer a packet.
pub(super) fn hooks(spec: &TableSpec) -> Hooks {
    match &spec.effect {
        TableEffect::Forward { .. } => Hooks::Devices,
        TableEffect::Refuse { .. } | TableEffect::Questions { .. } | TableEffect::Redirect { .. } => {
            Hooks::Sockets
        }
        // Its connections are listed, or its packets were chosen before: they need not be asked for their socket.
        TableEffect::Hush { .. } | TableEffect::Adopt { .. } => at(spec.layer),
        other if other.flow().is_some_and(Flow::is_by_socket) => Hooks::Sockets,
        _ => at(spec.layer),
    }
}

const fn at(layer: Layer) -> Hooks {
    match layer {
        Layer::Device => Hooks::Devices,
        Layer::Internet => Hooks::Routing,
    }
}

/// The whole transaction.
pub(super) fn messages(
    spec: &TableSpec,
    links: &[Link],
    connections: &[Connection],
    group: Option<&Group>,
) -> Vec<Message> {
    let said = match &spec.effect {
        TableEffect::Classify { said, .. } | TableEffect::Forward { said, .. } => said.as_slice(),
        _ => &[],
    };
    let mut batch = Batch::of_table(&spec.name, spec.lease, hooks(spec), links, said);
    match &spec.effect {
        TableEffect::Silence => each_side(&mut batch, &Flow::default(), group, &[Expression::Drop]),
        TableEffect::Cut { flow } => each_side(&mut batch, flow, group, &[Expression::Drop]),
        TableEffect::Lose { flow, parts } => {
            each_side(&mut batch, flow, group, &[Expression::Chance(*parts), Expression::Drop]);
        }
        TableEffect::Hush { flow } => hush(&mut batch, flow.direction, connections),
        TableEffect::Refuse { flow, with } => refuse(&mut batch, flow, group, *with),
        TableEffect::Oversize { flow, above } => oversize(&mut batch, flow, group, *above),
        TableEffect::Classify { .. } | TableEffect::Adopt { .. } | TableEffect::Forward { .. } => {
            classes::rules(&mut batch, &spec.effect, group);
        }
        TableEffect::Questions { askers, port, mark } => batch.questions(askers, *port, *mark),
        TableEffect::Redirect { peer, port, mark } => {
            batch.nat_chain();
            let escape = vec![Expression::MetaMark, Expression::Differs(mark.to_ne_bytes().to_vec())];
            let matches = matches::tcp_to(*peer);
            batch.rule(Side::Out, &[escape, matches, vec![Expression::Redirect(*port)]].concat());
        }
    }
    batch.finish()
}

pub(super) fn chooser(flow: &Flow, group: Option<&Group>) -> Chooser {
    Chooser::new(flow, group)
}

pub(super) fn sets(batch: &mut Batch<'_>, chooser: &Chooser) {
    for (name, set) in chooser.sets() {
        batch.peer_set(&name, set);
    }
    if chooser.has_ports() {
        batch.byte_set(WITH_PORTS, &PORT_PROTOCOLS);
    }
}

/// The same done to what is chosen of each side that the flow names.
fn each_side(batch: &mut Batch<'_>, flow: &Flow, group: Option<&Group>, done: &[Expression]) {
    let chooser = chooser(flow, group);
    sets(batch, &chooser);
    for side in Side::of(flow.direction) {
        batch.chain(side, FIRST);
        for matches in chooser.matches(side) {
            batch.rule(side, &[&matches, done].concat());
        }
    }
}

fn hush(batch: &mut Batch<'_>, direction: Direction, connections: &[Connection]) {
    let (four, six): (Vec<_>, Vec<_>) = connections.iter().partition(|one| one.peer.is_ipv4());
    batch.timed_set(FLOWS_4, &[4, 4, 4, 4], four.into_iter().map(flow_key));
    batch.timed_set(FLOWS_6, &[16, 4, 16, 4], six.into_iter().map(flow_key));
    for side in Side::of(direction) {
        batch.chain(side, FIRST);
        for (set, version) in [(FLOWS_4, 4), (FLOWS_6, 6)] {
            let matches = matches::of_connections(set, version, side);
            batch.rule(side, &[matches, vec![Expression::Drop]].concat());
        }
    }
}

/// Resets and ICMP are let through: they are the refusals themselves, on their way out to the peer.
fn refuse(batch: &mut Batch<'_>, flow: &Flow, group: Option<&Group>, with: Refusal) {
    let chooser = chooser(flow, group);
    sets(batch, &chooser);
    let transport = |differs: &[u8]| {
        let mut conditions = vec![Expression::MetaTransport];
        conditions.extend(differs.iter().map(|protocol| Expression::Differs(vec![*protocol])));
        conditions
    };
    for side in Side::of(flow.direction) {
        batch.chain(side, FIRST);
        for matches in chooser.matches(side) {
            let others = match with {
                Refusal::Reset => {
                    let reset = [matches::tcp_but_resets(), vec![Expression::Reset]].concat();
                    batch.rule(side, &[&matches[..], &reset].concat());
                    transport(&[TCP, ICMP, ICMP_6])
                }
                Refusal::Icmp => transport(&[ICMP, ICMP_6]),
            };
            batch.rule(side, &[matches, others, vec![Expression::Unreachable]].concat());
        }
    }
}

/// Large packets, and what would tell their sender that they are too large.
fn oversize(batch: &mut Batch<'_>, flow: &Flow, group: Option<&Group>, above: u16) {
    let chooser = chooser(flow, group);
    sets(batch, &chooser);
    for side in [Side::In, Side::Out] {
        let dropped = Side::of(flow.direction).contains(&side);
        // An answer to what is dropped on one side comes by the other one.
        let answers = Side::of(flow.direction).iter().any(|other| *other != side);
        if dropped || answers {
            batch.chain(side, FIRST);
        }
        if dropped {
            for Chosen { version, conditions } in chooser.of_each_version(side, Header::Own) {
                let large = matches::larger_than(version.unwrap_or(4), above);
                batch.rule(side, &[conditions, large, vec![Expression::Drop]].concat());
            }
        }
        if answers {
            for Chosen { version, conditions } in chooser.of_each_version(side, Header::Quoted) {
                let too_big = matches::too_big(version.unwrap_or(4));
                batch.rule(side, &[too_big, conditions, vec![Expression::Discard]].concat());
            }
        }
    }
}

/// Our address and port, then the peer's; each padded to whole registers.
fn flow_key(flow: &Connection) -> Vec<u8> {
    [flow.local, flow.peer]
        .iter()
        .flat_map(|end| {
            let mut bytes = match end.ip() {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            bytes.extend(end.port().to_be_bytes());
            bytes.extend([0; 2]);
            bytes
        })
        .collect()
}
