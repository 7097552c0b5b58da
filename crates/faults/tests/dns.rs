//! Questions for names in a network made for it: asked by `dig`, answered by two name servers that differ, and lied to.

mod common;

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use common::group::TestGroup;
use common::{Bench, Pair, fault};
use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::units::HumanDuration;
use deadstick_faults::network::enter;
use deadstick_faults::{FaultError, Injected, Injector, Undone};

const LEASE: HumanDuration = HumanDuration::secs(60);
/// What the two servers say of every name.
const FIRST: &str = "10.9.0.77";
const SECOND: &str = "10.9.0.88";

/// The pair, with a name server on each of two addresses of the second host.
fn pair() -> Pair {
    let mut pair = Pair::new();
    pair.server.ask("run ip addr add 10.9.0.3/24 dev dsb");
    pair.server.ask(&format!("names 10.9.0.2:53 {FIRST}"));
    pair.server.ask(&format!("names 10.9.0.3:53 {SECOND}"));
    pair
}

fn inside<T: Send>(target: &ResolvedTarget, function: impl FnOnce() -> T + Send) -> T {
    enter(target.network.as_ref().expect("a network"), function).expect("entered")
}

/// What `dig` says of a name, in words: its addresses or texts, or the code of the reply, or `silence`.
fn dig(target: &ResolvedTarget, words: &str) -> String {
    let mut command = Command::new("dig");
    command.args(["+tries=1", "+time=3", "+noall", "+answer", "+comments"]).args(words.split(' '));
    let output =
        inside(target, move || command.output()).expect("dig, of the package bind9-dnsutils, starts");
    let text = String::from_utf8_lossy(&output.stdout);
    if !text.contains("status:") {
        return "silence".to_owned();
    }
    let status = text.split("status: ").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default();
    let answers = text.lines().filter(|line| !line.starts_with(';') && !line.is_empty());
    let data: Vec<_> = answers.filter_map(|line| line.split_whitespace().last()).collect();
    if data.is_empty() { status.to_owned() } else { data.join(" ") }
}

async fn inject(injector: &Injector, fault: Fault, target: &ResolvedTarget) -> Injected {
    let injected = injector.inject(fault, target.clone(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    injected
}

/// Nobody is lied to.
fn is_honest(target: &ResolvedTarget) -> bool {
    dig(target, "@10.9.0.2 db.internal") == FIRST && dig(target, "@10.9.0.3 +tcp db.internal") == SECOND
}

#[tokio::test(flavor = "multi_thread")]
async fn names_do_not_exist_and_others_get_their_own_servers_answer() {
    let (bench, pair) = (Bench::new(), pair());
    let (injector, target) = (bench.injector().await, pair.target());
    assert!(is_honest(&target));
    let injected =
        inject(&injector, fault("dns answer=nxdomain names=db.internal,mail.example"), &target).await;
    assert!(injected.proof.evidence.contains("10.9.0.77") && injected.proof.evidence.contains("NXDOMAIN"));
    for words in [
        "@10.9.0.2 db.internal",
        "@10.9.0.3 DB.Internal",
        "@10.9.0.2 +tcp a.b.db.internal",
        "@10.9.0.2 +noedns mail.example AAAA",
        "@10.9.0.99 db.internal",
    ] {
        assert_eq!(dig(&target, words), "NXDOMAIN", "{words}");
    }
    for (words, expected) in [
        ("@10.9.0.2 other.internal", FIRST),
        ("@10.9.0.3 other.internal", SECOND),
        ("@10.9.0.2 +tcp other.internal", FIRST),
        ("@10.9.0.3 +tcp mydb.internal", SECOND),
    ] {
        assert_eq!(dig(&target, words), expected, "{words}");
    }
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    assert!(is_honest(&target));
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_answer() {
    let (bench, pair) = (Bench::new(), pair());
    let (injector, target) = (bench.injector().await, pair.target());
    for (words, question, expected) in [
        ("dns answer=servfail", "@10.9.0.2 any.name", "SERVFAIL"),
        ("dns answer=wrong names=db.internal", "@10.9.0.2 db.internal", "192.0.2.1"),
        ("dns answer=wrong names=db.internal address=10.1.2.3", "@10.9.0.3 +tcp db.internal", "10.1.2.3"),
        ("dns answer=wrong names=db.internal address=10.1.2.3", "@10.9.0.3 db.internal AAAA", "NOERROR"),
        (
            "dns answer=wrong names=db.internal address=2001:db8::7",
            "@10.9.0.3 db.internal AAAA",
            "2001:db8::7",
        ),
        ("dns answer=timeout names=db.internal", "@10.9.0.2 +time=1 db.internal", "silence"),
        ("dns answer=timeout names=db.internal", "@10.9.0.2 +tcp +time=1 db.internal", "silence"),
        ("dns answer=nxdomain names=db.internal delay=300ms", "@10.9.0.2 db.internal", "NXDOMAIN"),
    ] {
        let injected = inject(&injector, fault(words), &target).await;
        assert_eq!(dig(&target, question), expected, "{words}: {question}");
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        assert!(is_honest(&target), "{words}");
    }
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_answer_comes_late() {
    let (bench, pair) = (Bench::new(), pair());
    let (injector, target) = (bench.injector().await, pair.target());
    inject(&injector, fault("dns answer=late names=db.internal delay=700ms"), &target).await;
    for (words, expected) in [("@10.9.0.2 db.internal", FIRST), ("@10.9.0.3 +tcp db.internal", SECOND)] {
        let began = Instant::now();
        assert_eq!(dig(&target, words), expected);
        assert!(began.elapsed() >= Duration::from_millis(700), "{words}: {:?}", began.elapsed());
    }
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_and_zones_pass() {
    let (bench, pair) = (Bench::new(), pair());
    let (injector, target) = (bench.injector().await, pair.target());
    inject(&injector, fault("dns answer=nxdomain names=db.internal"), &target).await;
    let texts = dig(&target, "@10.9.0.2 large.internal TXT");
    assert!(
        texts.contains("39") && texts.split(' ').count() == 40,
        "by UDP it is cut, and asked by TCP: {texts}"
    );
    let cut = dig(&target, "@10.9.0.2 +ignore large.internal TXT");
    assert_eq!(cut, "NOERROR");
    let zone = inside(&target, || {
        let mut stream = TcpStream::connect("10.9.0.2:53").expect("connected");
        let question = hickory_proto::op::Message::query();
        let name = hickory_proto::rr::Name::from_ascii("internal.").expect("a name");
        let query = hickory_proto::op::Query::query(name, hickory_proto::rr::RecordType::AXFR);
        let mut question = question;
        question.add_query(query);
        let bytes = question.to_vec().expect("it can be written");
        let length = u16::try_from(bytes.len()).expect("short").to_be_bytes();
        std::io::Write::write_all(&mut stream, &[&length, bytes.as_slice()].concat()).expect("sent");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
        let mut messages = 0;
        let mut length = [0; 2];
        while messages < 3 && std::io::Read::read_exact(&mut stream, &mut length).is_ok() {
            let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
            std::io::Read::read_exact(&mut stream, &mut message).expect("whole");
            messages += 1;
        }
        messages
    });
    assert_eq!(zone, 3, "a zone comes in several messages");
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolver_on_loopback_is_caught_and_reached() {
    let (bench, mut pair) = (Bench::new(), pair());
    let (injector, target) = (bench.injector().await, pair.target());
    pair.client.ask("names 127.0.0.53:53 10.9.0.99");
    inject(&injector, fault("dns answer=nxdomain names=db.internal"), &target).await;
    assert_eq!(dig(&target, "@127.0.0.53 db.internal"), "NXDOMAIN");
    assert_eq!(dig(&target, "@127.0.0.53 +tcp db.internal"), "NXDOMAIN");
    assert_eq!(dig(&target, "@127.0.0.53 other.internal"), "10.9.0.99");
    assert_eq!(dig(&target, "@127.0.0.53 +tcp other.internal"), "10.9.0.99");
    assert_eq!(injector.close().await, []);
    assert_eq!(dig(&target, "@127.0.0.53 db.internal"), "10.9.0.99");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_ipv6() {
    let (bench, mut pair) = (Bench::new(), pair());
    let (injector, target) = (bench.injector().await, pair.target());
    for (host, device, end) in [(&mut pair.client, "dsa", 1), (&mut pair.server, "dsb", 2)] {
        host.ask(&format!("run ip addr add 2001:db8:9::{end}/64 dev {device} nodad"));
    }
    pair.server.ask("names [2001:db8:9::2]:53 10.9.0.66");
    inject(&injector, fault("dns answer=nxdomain names=db.internal"), &target).await;
    for how in ["", " +tcp"] {
        assert_eq!(dig(&target, &format!("@2001:db8:9::2{how} db.internal")), "NXDOMAIN");
        assert_eq!(dig(&target, &format!("@2001:db8:9::2{how} other.internal")), "10.9.0.66");
    }
    assert_eq!(injector.close().await, []);
    let only = inject_on(&bench, fault("dns answer=servfail to=2001:db8:9::/64"), &target).await;
    assert_eq!(dig(&target, "@2001:db8:9::2 db.internal"), "SERVFAIL");
    assert!(is_honest(&target), "only the servers named");
    assert_eq!(only.close().await, []);
}

async fn inject_on(bench: &Bench, fault: Fault, target: &ResolvedTarget) -> Injector {
    let injector = bench.injector().await;
    inject(&injector, fault, target).await;
    injector
}

/// The table that is asked first passes on to the other one what it is not about.
#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_hold_both_and_either_may_go_first() {
    let (bench, pair) = (Bench::new(), pair());
    let (injector, target) = (bench.injector().await, pair.target());
    let asked = || (dig(&target, "@10.9.0.2 a.internal"), dig(&target, "@10.9.0.2 +tcp b.internal"));
    for first_goes in [true, false] {
        let one = inject(&injector, fault("dns answer=nxdomain names=a.internal"), &target).await;
        let two = inject(&injector, fault("dns answer=servfail names=b.internal"), &target).await;
        assert_eq!(asked(), ("NXDOMAIN".to_owned(), "SERVFAIL".to_owned()));
        assert_eq!(dig(&target, "@10.9.0.3 c.internal"), SECOND);
        let (gone, left, expected) =
            if first_goes { (&one, &two, (FIRST, "SERVFAIL")) } else { (&two, &one, ("NXDOMAIN", FIRST)) };
        assert_eq!(injector.undo(&gone.id, "asked").await, Ok(Undone::Done));
        assert_eq!(asked(), (expected.0.to_owned(), expected.1.to_owned()));
        assert_eq!(injector.undo(&left.id, "asked").await, Ok(Undone::Done));
        assert!(is_honest(&target));
    }
    assert_eq!(injector.close().await, []);
}

/// A program that keeps one socket for all its questions is caught at once, and free at once: also where other rules keep
/// the kernel's address translation going.
#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_asks_before_meanwhile_and_afterwards() {
    let (bench, pair) = (Bench::new(), pair());
    let (injector, target) = (bench.injector().await, pair.target());
    let foreign = "add table inet other; add chain inet other out { type nat hook output priority -90 ; }";
    for rule in foreign.split("; add") {
        let rule = rule.trim_start_matches("add").trim();
        let words = format!("add {rule}");
        let status = inside(&target, || Command::new("nft").arg(&words).status());
        assert!(status.is_ok_and(|status| status.success()), "{words}");
    }
    let before = ruleset(&target);
    let socket = inside(&target, || UdpSocket::bind("10.9.0.1:0")).expect("bound");
    socket.connect("10.9.0.2:53").expect("a way there");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    let code = || {
        let mut question = hickory_proto::op::Message::query();
        let name = hickory_proto::rr::Name::from_ascii("db.internal.").expect("a name");
        question.add_query(hickory_proto::op::Query::query(name, hickory_proto::rr::RecordType::A));
        socket.send(&question.to_vec().expect("it can be written")).expect("sent");
        let mut bytes = [0; 512];
        let length = socket.recv(&mut bytes).expect("an answer");
        hickory_proto::op::Message::from_vec(&bytes[..length]).expect("a message").metadata.response_code
    };
    assert_eq!(code(), hickory_proto::op::ResponseCode::NoError);
    let injected = inject(&injector, fault("dns answer=nxdomain names=db.internal"), &target).await;
    assert_eq!(code(), hickory_proto::op::ResponseCode::NXDomain);
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    assert_eq!(code(), hickory_proto::op::ResponseCode::NoError);
    assert_eq!(injector.close().await, []);
    assert_eq!(ruleset(&target), before);
}

fn ruleset(target: &ResolvedTarget) -> Vec<u8> {
    inside(target, || Command::new("nft").args(["list", "ruleset"]).output()).expect("nft starts").stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_user_and_to_one_server() {
    let (bench, pair) = (Bench::new(), pair());
    let (injector, target) = (bench.injector().await, pair.target());
    let own = rustix::process::geteuid().as_raw();
    let of = |user| {
        let mut fault = fault("dns answer=servfail");
        fault.flow_mut().expect("it has one").user = Some(user);
        fault
    };
    let other = inject(&injector, of(own + 1), &target).await;
    assert!(is_honest(&target), "another user");
    assert_eq!(injector.undo(&other.id, "asked").await, Ok(Undone::Done));
    let same = inject(&injector, of(own), &target).await;
    assert_eq!(dig(&target, "@10.9.0.2 db.internal"), "SERVFAIL");
    assert_eq!(injector.undo(&same.id, "asked").await, Ok(Undone::Done));
    inject(&injector, fault("dns answer=servfail to=10.9.0.2"), &target).await;
    assert_eq!(dig(&target, "@10.9.0.2 db.internal"), "SERVFAIL");
    assert_eq!(dig(&target, "@10.9.0.3 db.internal"), SECOND);
    assert_eq!(injector.close().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_control_group() {
    let (bench, mut pair) = (Bench::new(), pair());
    let (injector, target) = (bench.injector().await, pair.target());
    let group = TestGroup::new(format!("deadstick-dns-{}", std::process::id()), &["freezer"]);
    group.take(pair.client.pid());
    let mut servfail = fault("dns answer=servfail");
    servfail.flow_mut().expect("it has one").cgroup = Some(group.path.clone());
    // Asked by the host itself while the proof waits for somebody to ask.
    let asking = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_secs(1));
        // It ends with 9 when nobody answers; SERVFAIL is an answer.
        pair.client.ask("run sh -c dig${IFS}+tries=1${IFS}+time=3${IFS}@10.9.0.2${IFS}db.internal|grep${IFS}-q${IFS}SERVFAIL");
        pair
    });
    let injected = injector.inject(servfail, target.clone(), LEASE).await.expect("injected");
    let pair = asking.await.expect("asked");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    assert!(is_honest(&target), "a process elsewhere");
    assert_eq!(injector.close().await, []);
    drop((pair, group));
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_does_no_harm() {
    let (bench, pair) = (Bench::new(), pair());
    let (injector, target) = (bench.injector().await, pair.target());
    inject(&injector, fault("dns answer=nxdomain"), &target).await;
    inside(&target, || {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("bound");
        let to = SocketAddr::from(([10, 9, 0, 2], 53));
        let mut junk = 0x9e37_79b9_7f4a_7c15_u64;
        for length in 0..300 {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    junk = junk.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                    junk.to_be_bytes()[0]
                })
                .collect();
            // An earlier one may have been refused.
            drop(socket.send_to(&bytes, to));
        }
        let mut stream = TcpStream::connect(to).expect("connected");
        std::io::Write::write_all(&mut stream, &[0, 5, 1, 2, 3, 4, 5, 0, 0, 0xff, 0xff, 1]).expect("sent");
    });
    assert_eq!(dig(&target, "@10.9.0.2 db.internal"), "NXDOMAIN");
    assert_eq!(dig(&target, "@10.9.0.2 +tcp db.internal"), "NXDOMAIN");
    assert_eq!(injector.close().await, []);
    assert!(is_honest(&target));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_refused_by_name() {
    let (bench, mut pair) = (Bench::new(), Pair::new());
    let (injector, target) = (bench.injector().await, pair.target());
    let refused = async |words: &str| match injector.inject(fault(words), target.clone(), LEASE).await {
        Err(FaultError::Refused { what, .. }) => what,
        other => panic!("{words}: not refused: {other:?}"),
    };
    assert!(refused("dns answer=nxdomain names=a..b").await.contains("`a..b`"));
    assert!(refused("dns answer=nxdomain names=*.internal").await.contains("no name"));
    assert!(refused("dns answer=nxdomain address=10.0.0.1").await.contains("address"));
    assert!(refused("dns answer=timeout delay=1s").await.contains("late"));
    pair.client.ask("run ip link set lo down");
    assert!(refused("dns answer=nxdomain").await.contains("loopback"));
    assert_eq!(injector.close().await, []);
}
