//! What questions get: decided from the bytes of one message, without a clock or a socket.
//!
//! Owns names and answers. Answers of ours carry no lifetime, and denials no SOA record, so that no cache keeps them
//! longer than the fault lives (RFC 2308). Leaves waiting and forwarding to [`super::serve`].

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use deadstick_core::fault::DnsAnswer;
use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// What a server says it takes, without asking for fragments (DNS flag day 2020).
const PAYLOAD: u16 = 1232;
/// Bytes of the header of a message.
const HEADER: usize = 12;
/// A documentation address: nobody has it.
const NOBODY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// How late answers are when nothing is said.
const LATE: Duration = Duration::from_secs(2);

/// How questions for names are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    /// With everything below them; every name when empty.
    names: Vec<Name>,
    pub(crate) answer: DnsAnswer,
    pub(crate) address: IpAddr,
    pub(crate) delay: Duration,
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It gets this from us, or nothing.
    Ours(Option<Vec<u8>>),
    /// It goes to the server that it was for; `late` when its answer is to be held back.
    Theirs { late: bool },
}

/// A script that makes no sense: what, and what to do instead.
pub(crate) type Nonsense = (String, &'static str);

impl Script {
    pub(crate) fn new(
        names: &[String],
        answer: DnsAnswer,
        address: Option<IpAddr>,
        delay: Duration,
    ) -> Result<Self, Nonsense> {
        if address.is_some() && answer != DnsAnswer::Wrong {
            return Err((
                format!("an address is no part of the answer {answer}"),
                "ask for the answer `wrong`",
            ));
        }
        if answer == DnsAnswer::Timeout && !delay.is_zero() {
            return Err((
                "no answer cannot be late".to_owned(),
                "leave `delay` out, or ask for another answer",
            ));
        }
        let delay = if answer == DnsAnswer::Late && delay.is_zero() { LATE } else { delay };
        let every = names.iter().any(|name| name == "*" || name == ".");
        let names =
            if every { Vec::new() } else { names.iter().map(|name| read(name)).collect::<Result<_, _>>()? };
        Ok(Self { names, answer, address: address.unwrap_or(NOBODY.into()), delay })
    }

    /// A name it is about, and the type of record that its answer would have.
    pub(crate) fn example(&self) -> (Name, RecordType) {
        // Nobody has a name below `invalid` (RFC 6761).
        let invented = || Name::from_labels(["deadstick", "invalid"]).unwrap_or_default();
        let kind = if self.address.is_ipv4() { RecordType::A } else { RecordType::AAAA };
        (self.names.first().cloned().unwrap_or_else(invented), kind)
    }

    fn is_about(&self, message: &Message) -> bool {
        let asked = |name: &Name| message.queries.iter().any(|query| name.zone_of(query.name()));
        self.names.is_empty() || self.names.iter().any(asked)
    }

    /// What becomes of a message; `limit` is what a reply may have, if the asker does not say that it takes more.
    pub(crate) fn decide(&self, bytes: &[u8], limit: Option<usize>) -> Decision {
        let theirs = Decision::Theirs { late: false };
        match Message::from_vec(bytes) {
            Ok(message) if message.metadata.message_type == MessageType::Response => Decision::Ours(None),
            Ok(message) if message.metadata.op_code != OpCode::Query || !self.is_about(&message) => theirs,
            Ok(message) => match self.answer {
                DnsAnswer::Late => Decision::Theirs { late: true },
                DnsAnswer::Timeout => Decision::Ours(None),
                _ => Decision::Ours(self.reply(&message, limit)),
            },
            // Junk is about no name in particular.
            Err(_) if !self.names.is_empty() => theirs,
            Err(_) => match self.answer {
                DnsAnswer::Late => Decision::Theirs { late: true },
                DnsAnswer::Timeout => Decision::Ours(None),
                _ => Decision::Ours(error(bytes, ResponseCode::FormErr)),
            },
        }
    }

    fn reply(&self, question: &Message, limit: Option<usize>) -> Option<Vec<u8>> {
        let mut reply = answer_to(question);
        match self.answer {
            DnsAnswer::Nxdomain => reply.metadata.response_code = ResponseCode::NXDomain,
            DnsAnswer::Servfail => reply.metadata.response_code = ResponseCode::ServFail,
            DnsAnswer::Wrong => {
                for query in &question.queries {
                    let (kind, data) = match self.address {
                        IpAddr::V4(address) => (RecordType::A, RData::A(address.into())),
                        IpAddr::V6(address) => (RecordType::AAAA, RData::AAAA(address.into())),
                    };
                    if query.query_type() == kind || query.query_type() == RecordType::ANY {
                        reply.add_answer(Record::from_rdata(query.name().clone(), 0, data));
                    }
                }
            }
            // Decided before.
            DnsAnswer::Timeout | DnsAnswer::Late => return None,
        }
        let bytes = reply.to_vec().ok()?;
        let limit =
            limit.map_or(usize::from(u16::MAX), |least| least.max(usize::from(question.max_payload())));
        if bytes.len() <= limit { Some(bytes) } else { reply.truncate().to_vec().ok() }
    }
}

fn read(name: &str) -> Result<Name, Nonsense> {
    let hint = "write it as db.internal; what is below it belongs to it";
    if name.contains('*') {
        return Err((format!("`{name}` is no name"), hint));
    }
    let mut read = Name::from_utf8(name.trim()).map_err(|_| (format!("`{name}` is no name"), hint))?;
    read.set_fqdn(true);
    Ok(read)
}

/// An empty reply that repeats the question.
fn answer_to(question: &Message) -> Message {
    let mut reply = Message::response(question.metadata.id, question.metadata.op_code);
    reply.metadata = Metadata::response_from_request(&question.metadata);
    reply.metadata.recursion_available = true;
    reply.add_queries(question.queries.iter().cloned());
    if let Some(theirs) = &question.edns {
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD).set_dnssec_ok(theirs.flags().dnssec_ok);
        reply.set_edns(edns);
    }
    reply
}

/// A reply that says only what went wrong, to a message that has a header at least and is no reply itself.
pub(crate) fn error(bytes: &[u8], code: ResponseCode) -> Option<Vec<u8>> {
    let [high, low, flags, ..] = bytes else { return None };
    if bytes.len() < HEADER || flags & 0x80 != 0 {
        return None;
    }
    let id = u16::from_be_bytes([*high, *low]);
    let mut reply = Message::from_vec(bytes)
        .map_or_else(|_| Message::error_msg(id, OpCode::Query, code), |question| answer_to(&question));
    reply.metadata.response_code = code;
    reply.to_vec().ok()
}

/// Whether it asks for a whole zone, which is answered by many messages.
pub(crate) fn is_transfer(bytes: &[u8]) -> bool {
    let kinds = [RecordType::AXFR, RecordType::IXFR];
    Message::from_vec(bytes)
        .is_ok_and(|message| message.queries.iter().any(|query| kinds.contains(&query.query_type())))
}

#[cfg(test)]
mod tests;
