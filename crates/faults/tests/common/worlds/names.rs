//! A host that asks a name server at the other end of its link.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use deadstick_core::fault::ResolvedTarget;
use deadstick_faults::network::enter;
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RData, RecordType};

use super::links::{pair, passes};
use super::same::Same;
use crate::common::matrix::World;

const SERVER: ([u8; 4], u16) = ([10, 9, 0, 2], 53);
const TRUTH: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 77);

pub(crate) fn lied(words: &'static str) -> Option<Box<dyn World>> {
    let mut pair = pair();
    pair.server.ask(&format!("names 10.9.0.2:53 {TRUTH}"));
    let target = pair.target();
    Same::new(words, target.clone(), pair, move || passes(&target) && asked(&target) == Some(TRUTH)).boxed()
}

fn asked(target: &ResolvedTarget) -> Option<Ipv4Addr> {
    let bind = || UdpSocket::bind("0.0.0.0:0");
    let socket =
        enter(target.network.as_ref().expect("a network"), bind).expect("entered").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(1))).expect("a limit");
    let mut question = Message::query();
    question.add_query(Query::query(Name::from_ascii("db.internal.").expect("a name"), RecordType::A));
    // While the table is being made there may be no way.
    socket.send_to(&question.to_vec().expect("a question"), SocketAddr::from(SERVER)).ok()?;
    let mut bytes = [0; 512];
    let length = socket.recv(&mut bytes).ok()?;
    let reply = Message::from_vec(&bytes[..length]).ok()?;
    reply.answers.iter().find_map(|answer| match answer.data {
        RData::A(address) => Some(address.0),
        _ => None,
    })
}
