//! Every answer to every sort of message, junk included.

use hickory_proto::op::Query;
use proptest::prelude::*;

use super::*;

fn script(names: &[&str], answer: DnsAnswer) -> Script {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    Script::new(&names, answer, None, Duration::ZERO).expect("it makes sense")
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), kind));
    message.metadata.recursion_desired = true;
    message
}

fn bytes(message: &Message) -> Vec<u8> {
    message.to_vec().expect("it can be written")
}

fn reply(script: &Script, question: &Message) -> Message {
    match script.decide(&bytes(question), Some(512)) {
        Decision::Ours(Some(reply)) => Message::from_vec(&reply).expect("a message"),
        other => panic!("no reply of ours: {other:?}"),
    }
}

const THEIRS: Decision = Decision::Theirs { late: false };

#[test]
fn names_are_meant_with_what_is_below_them_in_any_case() {
    let script = script(&["db.Internal", "example.com."], DnsAnswer::Nxdomain);
    for name in ["db.internal.", "DB.INTERNAL.", "a.b.db.internal.", "www.example.com."] {
        let reply = reply(&script, &question(name, RecordType::A));
        assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain, "{name}");
    }
    for name in ["internal.", "mydb.internal.", "db.internal.org.", "com.", "."] {
        assert_eq!(script.decide(&bytes(&question(name, RecordType::A)), Some(512)), THEIRS, "{name}");
    }
    let every = self::script(&["*"], DnsAnswer::Servfail);
    assert_eq!(reply(&every, &question(".", RecordType::NS)).metadata.response_code, ResponseCode::ServFail);
}

#[test]
fn a_reply_repeats_the_question_and_is_never_kept() {
    let mut asked = question("db.internal.", RecordType::A);
    asked.set_edns({
        let mut edns = Edns::new();
        edns.set_max_payload(4096).set_dnssec_ok(true);
        edns
    });
    let no = reply(&script(&[], DnsAnswer::Nxdomain), &asked);
    assert_eq!((no.metadata.id, &no.queries), (asked.metadata.id, &asked.queries));
    assert!(no.metadata.recursion_desired && no.metadata.recursion_available);
    assert!(no.authorities.is_empty() && no.answers.is_empty());
    let edns = no.edns.expect("there was one in the question");
    assert!(edns.flags().dnssec_ok && edns.max_payload() == PAYLOAD);
    let wrong = reply(&script(&[], DnsAnswer::Wrong), &question("db.internal.", RecordType::A));
    let [answer] = wrong.answers.as_slice() else { panic!("one answer: {wrong:?}") };
    assert_eq!((answer.ttl, &answer.data), (0, &RData::A(NOBODY.into())));
    assert!(wrong.edns.is_none());
}

#[test]
fn a_wrong_address_is_given_to_whom_it_fits() {
    let six =
        Script::new(&[], DnsAnswer::Wrong, Some("2001:db8::7".parse().expect("an address")), Duration::ZERO)
            .expect("it makes sense");
    for (kind, count) in
        [(RecordType::AAAA, 1), (RecordType::ANY, 1), (RecordType::A, 0), (RecordType::MX, 0)]
    {
        let reply = reply(&six, &question("db.internal.", kind));
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError, "{kind}");
        assert_eq!(reply.answers.len(), count, "{kind}");
    }
}

#[test]
fn several_questions_and_too_many() {
    let mut asked = question("a.internal.", RecordType::A);
    asked.add_query(Query::query(Name::from_ascii("b.internal.").expect("a name"), RecordType::A));
    let both = reply(&script(&["b.internal"], DnsAnswer::Wrong), &asked);
    assert_eq!(both.answers.len(), 2);
    for number in 0..40 {
        let name = Name::from_ascii(format!("name-{number}.internal.")).expect("a name");
        asked.add_query(Query::query(name, RecordType::A));
    }
    let script = script(&[], DnsAnswer::Wrong);
    let cut = reply(&script, &asked);
    assert!(cut.metadata.truncation && cut.answers.is_empty());
    let Decision::Ours(Some(whole)) = script.decide(&bytes(&asked), None) else { panic!("a reply") };
    assert_eq!(Message::from_vec(&whole).expect("a message").answers.len(), 42);
}

#[test]
fn silence_lateness_and_what_is_no_question() {
    let asked = bytes(&question("db.internal.", RecordType::A));
    assert_eq!(script(&[], DnsAnswer::Timeout).decide(&asked, Some(512)), Decision::Ours(None));
    assert_eq!(script(&[], DnsAnswer::Late).decide(&asked, Some(512)), Decision::Theirs { late: true });
    assert_eq!(script(&[], DnsAnswer::Late).delay, LATE);
    let mut reply = asked.clone();
    reply[2] |= 0x80;
    assert_eq!(script(&[], DnsAnswer::Servfail).decide(&reply, Some(512)), Decision::Ours(None));
    let mut update = question("db.internal.", RecordType::SOA);
    update.metadata.op_code = OpCode::Update;
    assert_eq!(script(&["db.internal"], DnsAnswer::Servfail).decide(&bytes(&update), Some(512)), THEIRS);
    assert!(is_transfer(&bytes(&question("internal.", RecordType::AXFR))) && !is_transfer(&asked));
}

#[test]
fn nonsense_is_refused() {
    let new = |names: &[&str], answer, address: Option<&str>, delay| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        Script::new(&names, answer, address.map(|text| text.parse().expect("an address")), delay)
    };
    let zero = Duration::ZERO;
    assert!(new(&["a..b"], DnsAnswer::Nxdomain, None, zero).is_err());
    assert!(new(&["*.internal"], DnsAnswer::Nxdomain, None, zero).is_err());
    assert!(new(&[&"x".repeat(64)], DnsAnswer::Nxdomain, None, zero).is_err());
    assert!(new(&[], DnsAnswer::Nxdomain, Some("10.0.0.1"), zero).is_err());
    assert!(new(&[], DnsAnswer::Timeout, None, Duration::from_secs(1)).is_err());
    assert!(new(&["bücher.example"], DnsAnswer::Wrong, Some("10.0.0.1"), Duration::from_secs(1)).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_decided_without_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        answer in prop_oneof![Just(DnsAnswer::Nxdomain), Just(DnsAnswer::Wrong), Just(DnsAnswer::Late)],
        named: bool,
    ) {
        let script = script(if named { &["db.internal"] } else { &[] }, answer);
        if let Decision::Ours(Some(reply)) = script.decide(&bytes, Some(512)) {
            prop_assert!(reply.len() <= 512 + HEADER);
            prop_assert_eq!(&reply[..2], &bytes[..2]);
            prop_assert!(reply[2] & 0x80 != 0);
        }
        is_transfer(&bytes);
    }

    #[test]
    fn damaged_questions_too(at in 0_usize..40, with: u8, length in 0_usize..60) {
        let mut damaged = bytes(&question("www.db.internal.", RecordType::A));
        let at = at % damaged.len();
        damaged[at] = with;
        damaged.truncate(length);
        let decision = script(&["db.internal"], DnsAnswer::Nxdomain).decide(&damaged, Some(512));
        if let Decision::Ours(Some(reply)) = decision {
            prop_assert!(reply.len() >= HEADER);
        }
    }
}
