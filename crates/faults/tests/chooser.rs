//! Which packets a table chooses: by addresses, networks, ports, direction, device, control group and user; several tables
//! at once; and the rules of others, which stay as they are.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use common::{Pair, Talker, fault};
use deadstick_core::fault::{Flow, Refusal};
use deadstick_core::identity::NetworkIdentity;
use deadstick_faults::kernel::{Layer, Linux, Networks, Reach, Table, TableEffect, TableSpec};
use deadstick_faults::network::enter;

const SOON: Duration = Duration::from_millis(300);
const SECOND: Duration = Duration::from_secs(1);

fn flow(words: &str) -> Flow {
    fault(format!("partition {words}").trim_end()).flow().expect("it has one").clone()
}

/// A pair whose server has more addresses, and a second link.
struct Wide {
    pair: Pair,
    network: NetworkIdentity,
}

impl Wide {
    fn new() -> Self {
        let mut pair = Pair::new();
        for line in [
            "run ip addr add 10.9.0.3/24 dev dsb",
            "run ip addr add 10.9.1.2/24 dev dsb",
            "run ip addr add fd00::2/64 dev dsb nodad",
            "run ip addr add fd00::3/64 dev dsb nodad",
        ] {
            pair.server.ask(line);
        }
        for address in
            ["10.9.0.3:7000", "10.9.1.2:7000", "[fd00::2]:7000", "[fd00::2]:7001", "[fd00::3]:7000"]
        {
            pair.server.ask(&format!("serve {address}"));
        }
        let other = format!("run ip link add dse type veth peer name dsf netns {}", pair.server.pid());
        for line in [
            "run ip addr add fd00::1/64 dev dsa nodad",
            "run ip addr add 10.9.0.11/24 dev dsa",
            "run ip route add 10.9.1.0/24 dev dsa",
            &other,
            "run ip addr add 10.9.2.1/24 dev dse",
            "run ip link set dse up",
        ] {
            pair.client.ask(line);
        }
        for line in ["run ip addr add 10.9.2.2/24 dev dsf", "run ip link set dsf up", "serve 10.9.2.2:7000"] {
            pair.server.ask(line);
        }
        let network = pair.target().network.expect("a network");
        Self { pair, network }
    }

    fn passes(&self, to: &str) -> bool {
        let to: SocketAddr = to.parse().expect("an address");
        matches!(Linux.reach(&self.network, to, SOON).expect("it can be tried"), Reach::Accepted(_))
    }

    fn install(&self, layer: Layer, effect: TableEffect) -> Box<dyn Table> {
        let name = format!("deadstick-{}", uuid::Uuid::now_v7());
        Linux
            .install(&self.network, &TableSpec { name, layer, lease: Duration::from_secs(60), effect })
            .expect("installed")
    }

    fn cut(&self, words: &str) -> Box<dyn Table> {
        self.install(Layer::Device, TableEffect::Cut { flow: flow(words) })
    }

    fn server(&self) -> NetworkIdentity {
        deadstick_faults::network::network_of(self.pair.server.pid()).expect("it runs")
    }

    fn program(&self, name: &str, words: &str) -> String {
        let run = || Command::new(name).args(words.split(' ')).output();
        let output = enter(&self.network, run).expect("entered").expect("it runs");
        assert!(output.status.success(), "{name} {words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[test]
fn what_is_named_is_cut_and_nothing_else() {
    let wide = Wide::new();
    let all = [
        "10.9.0.2:7000",
        "10.9.0.2:7001",
        "10.9.0.3:7000",
        "10.9.1.2:7000",
        "10.9.2.2:7000",
        "[fd00::2]:7000",
        "[fd00::2]:7001",
        "[fd00::3]:7000",
    ];
    let cases: [(&str, &[&str]); 14] = [
        ("to=10.9.0.3", &["10.9.0.3:7000"]),
        ("to=10.9.0.2/31", &["10.9.0.2:7000", "10.9.0.2:7001", "10.9.0.3:7000"]),
        (
            "to=10.9.0.0/24,10.9.0.3,10.9.1.0/25",
            &["10.9.0.2:7000", "10.9.0.2:7001", "10.9.0.3:7000", "10.9.1.2:7000"],
        ),
        ("to=10.9.0.0/16:7001", &["10.9.0.2:7001"]),
        ("to=0.0.0.0/0:7001,10.9.0.0/24:7001", &["10.9.0.2:7001"]),
        ("to=10.9.0.2:7001,10.9.0.3", &["10.9.0.2:7001", "10.9.0.3:7000"]),
        ("to=fd00::3", &["[fd00::3]:7000"]),
        ("to=fd00::/126", &["[fd00::2]:7000", "[fd00::2]:7001", "[fd00::3]:7000"]),
        ("to=[fd00::/64]:7001", &["[fd00::2]:7001"]),
        ("to=[fd00::2]:7000,10.9.1.2:7000", &["[fd00::2]:7000", "10.9.1.2:7000"]),
        ("iface=dse", &["10.9.2.2:7000"]),
        ("to=10.9.0.0/16 from=10.9.2.1", &["10.9.2.2:7000"]),
        (
            "from=10.9.0.1,fd00::1",
            &[
                "10.9.0.2:7000",
                "10.9.0.2:7001",
                "10.9.0.3:7000",
                "10.9.1.2:7000",
                "[fd00::2]:7000",
                "[fd00::2]:7001",
                "[fd00::3]:7000",
            ],
        ),
        ("to=0.0.0.0/0 direction=ingress", &all[..5]),
    ];
    for (words, expected) in cases {
        let table = wide.cut(words);
        for to in all {
            assert_eq!(wide.passes(to), !expected.contains(&to), "{words}: {to}");
        }
        table.remove().expect("removed");
    }
    assert!(all.iter().all(|to| wide.passes(to)));
}

#[test]
fn one_way_is_one_way() {
    let wide = Wide::new();
    let pings = |table: &dyn Table| {
        (Linux.ping(&wide.network, [10, 9, 0, 2].into(), 84, SOON).expect("sent"), table.hits())
    };
    for (direction, hits) in [("egress", 1), ("ingress", 1), ("both", 1)] {
        let table = wide.cut(&format!("to=10.9.0.2 direction={direction}"));
        let (answered, counted) = pings(table.as_ref());
        assert_eq!((answered, counted.expect("counted")), (None, hits), "{direction}");
        // With a question that gets out, the peer's question gets in: what it receives is not cut.
        table.remove().expect("removed");
    }
    let other_way = |direction: &str| {
        let table = wide.cut(&format!("to=10.9.0.2 direction={direction}"));
        let server = wide.server();
        let answered = Linux.ping(&server, [10, 9, 0, 1].into(), 84, SOON).expect("sent");
        assert_eq!(answered, None, "{direction}");
        let counted = table.hits().expect("counted");
        table.remove().expect("removed");
        counted
    };
    // Its question is dropped, or our answer.
    assert_eq!((other_way("ingress"), other_way("egress")), (1, 1));
}

#[test]
fn two_tables_overlap_and_go_one_by_one() {
    let wide = Wide::new();
    let first = wide.cut("to=10.9.0.2");
    let second = wide.cut("to=10.9.0.0/24:7000");
    assert!(!wide.passes("10.9.0.2:7000") && !wide.passes("10.9.0.2:7001") && !wide.passes("10.9.0.3:7000"));
    first.remove().expect("removed");
    assert!(!wide.passes("10.9.0.2:7000") && wide.passes("10.9.0.2:7001") && !wide.passes("10.9.0.3:7000"));
    second.remove().expect("removed");
    assert!(wide.passes("10.9.0.2:7000") && wide.passes("10.9.0.3:7000"));
}

#[test]
fn a_table_rests_and_acts_again() {
    let wide = Wide::new();
    let mut table = wide.cut("to=10.9.0.2");
    assert!(!wide.passes("10.9.0.2:7000"));
    table.act_for(Duration::ZERO).expect("rests");
    assert!(wide.passes("10.9.0.2:7000"));
    table.act_for(Duration::from_secs(60)).expect("acts");
    assert!(!wide.passes("10.9.0.2:7000"));
    table.act_for(Duration::from_millis(200)).expect("acts for less");
    std::thread::sleep(Duration::from_millis(400));
    assert!(wide.passes("10.9.0.2:7000"), "it ended by itself");
}

#[test]
fn the_rules_of_others_stay_as_they_are() {
    let wide = Wide::new();
    wide.program("nft", "add table inet others");
    wide.program(
        "nft",
        "add chain inet others guard { type filter hook output priority 0 ; policy accept ; }",
    );
    wide.program("nft", "add rule inet others guard tcp dport 9 counter packets 3 bytes 180 drop");
    wide.program(
        "nft",
        "add set inet others some { type ipv4_addr ; flags interval ; elements = { 10.0.0.0/8 } ; }",
    );
    let before = wide.program("nft", "list ruleset");
    assert!(before.contains("10.0.0.0/8"), "{before}");
    let effects = [
        TableEffect::Silence,
        TableEffect::Cut { flow: flow("to=10.9.0.0/24:7000,10.9.0.2,fd00::/64,10.7.0.0/16 from=10.9.0.1") },
        TableEffect::Lose { flow: flow(""), parts: 10 },
        TableEffect::Refuse { flow: flow("to=10.9.0.0/24"), with: Refusal::Reset },
        TableEffect::Oversize { flow: flow("to=10.9.0.0/24:80"), above: 1_000 },
        TableEffect::Hush { flow: flow("") },
        TableEffect::Cut { flow: Flow { user: Some(7), ..flow("to=10.9.0.0/24:80") } },
    ];
    for layer in [Layer::Device, Layer::Internet] {
        let tables: Vec<_> = effects.iter().map(|effect| wide.install(layer, effect.clone())).collect();
        let during = wide.program("nft", "list ruleset");
        assert!(during.contains("deadstick-"), "{during}");
        for table in tables {
            table.remove().expect("removed");
        }
        assert_eq!(wide.program("nft", "list ruleset"), before);
    }
}

#[test]
fn chance_drops_its_share() {
    let wide = Wide::new();
    let lost = |parts| {
        let flow = flow("to=10.9.0.2 direction=egress");
        let table = wide.install(Layer::Device, TableEffect::Lose { flow, parts });
        let sent = || {
            let socket = std::net::UdpSocket::bind("10.9.0.1:0").expect("bound");
            for _ in 0..4_000 {
                socket.send_to(b"x", "10.9.0.2:9").expect("sent");
            }
        };
        enter(&wide.network, sent).expect("entered");
        table.hits().expect("counted")
    };
    assert_eq!((lost(0), lost(TableEffect::PARTS)), (0, 4_000));
    // Ten standard deviations each way.
    let quarter = lost(TableEffect::PARTS / 4);
    assert!((726..=1_274).contains(&quarter), "{quarter} of 4000");
}

#[test]
fn refusals_reach_whoever_sent() {
    let mut wide = Wide::new();
    for to in ["10.9.0.2:7000", "[fd00::2]:7000"] {
        let end: SocketAddr = to.parse().expect("an address");
        for (with, direction) in
            [(Refusal::Reset, "egress"), (Refusal::Icmp, "egress"), (Refusal::Reset, "both")]
        {
            let mut old =
                enter(&wide.network, || TcpStream::connect(end)).expect("entered").expect("connected");
            let flow = flow(&format!("to={to} direction={direction}"));
            let table = wide.install(Layer::Device, TableEffect::Refuse { flow, with });
            let reach = Linux.reach(&wide.network, end, 3 * SECOND).expect("it can be tried");
            assert!(matches!(&reach, Reach::Refused(_)), "{to} {with} {direction}: {reach:?}");
            assert!(wide.passes(&to.replace("7000", "7001")), "another port passes");
            if with == Refusal::Reset {
                old.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
                let ended = old.write_all(b"x").and_then(|()| old.read(&mut [0; 1]));
                let kind = ended.expect_err("reset").kind();
                assert_eq!(kind, std::io::ErrorKind::ConnectionReset);
            }
            table.remove().expect("removed");
            assert!(wide.passes(to));
        }
    }
    // The peer gets its refusal, too, though what goes out to it is refused as well.
    wide.pair.client.ask("serve 10.9.0.1:7002");
    let (server, end) = (wide.server(), SocketAddr::from(([10, 9, 0, 1], 7002)));
    assert!(matches!(Linux.reach(&server, end, SOON).expect("tried"), Reach::Accepted(_)));
    for with in [Refusal::Reset, Refusal::Icmp] {
        let table = wide.install(Layer::Device, TableEffect::Refuse { flow: flow("to=10.9.0.2"), with });
        let reach = Linux.reach(&server, end, SOON).expect("it can be tried");
        assert!(matches!(&reach, Reach::Refused(_)), "{with}: {reach:?}");
        table.remove().expect("removed");
    }
}

#[test]
fn large_packets_vanish_and_small_ones_pass() {
    let wide = Wide::new();
    for peer in ["10.9.0.2", "fd00::2"] {
        let ip = peer.parse().expect("an address");
        let ping = |length| Linux.ping(&wide.network, ip, length, SOON).expect("sent").is_some();
        for direction in ["egress", "ingress", "both"] {
            assert!(ping(1_400) && ping(1_281), "{peer}");
            let flow = flow(&format!("to={peer} direction={direction}"));
            let table = wide.install(Layer::Device, TableEffect::Oversize { flow, above: 1_280 });
            assert!(ping(1_280) && !ping(1_281) && !ping(1_400), "{peer} {direction}");
            assert_eq!(table.hits().expect("counted"), 2, "{peer} {direction}");
            table.remove().expect("removed");
        }
    }
}

/// A folder of the unified hierarchy, removed with the value.
struct Group(std::path::PathBuf);

impl Group {
    fn new() -> Self {
        let mounts = std::fs::read_to_string("/proc/self/mounts").expect("readable");
        let mount =
            mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2")).expect("it is mounted");
        let name = format!("deadstick-test-{}", uuid::Uuid::now_v7());
        let folder = std::path::Path::new(mount.split(' ').nth(1).expect("a path")).join(name);
        std::fs::create_dir_all(folder.join("inner")).expect("made");
        Self(folder)
    }

    fn path(&self) -> std::path::PathBuf {
        std::path::PathBuf::from("/").join(self.0.file_name().expect("a name"))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for folder in [self.0.join("inner"), self.0.clone()] {
            // The kernel lets go of a group a moment after its last process.
            for _ in 0..500 {
                if std::fs::remove_dir(&folder).is_ok() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

impl Wide {
    /// A shell in that network that connects to what it is told and answers with a line.
    fn asker(&self, prepare: impl FnOnce(&mut Command)) -> Talker {
        let mut command = Command::new(common::program());
        command.arg("connect");
        prepare(&mut command);
        enter(&self.network, || Talker::start(&mut command)).expect("entered")
    }
}

fn asks(asker: &mut Talker, to: &str) -> bool {
    assert!(asker.tell(to));
    asker.hear().expect("it answers") == "accepted"
}

#[test]
fn a_control_group_is_cut_off_and_its_neighbours_are_not() {
    let (wide, group) = (Wide::new(), Group::new());
    let mut inside = wide.asker(|_| {});
    std::fs::write(group.0.join("inner/cgroup.procs"), inside.child.id().to_string()).expect("moved");
    let mut outside = wide.asker(|_| {});
    for direction in ["both", "egress", "ingress"] {
        let flow =
            Flow { cgroup: Some(group.path()), ..flow(&format!("to=10.9.0.2:7000 direction={direction}")) };
        let table = wide.install(Layer::Device, TableEffect::Cut { flow });
        assert!(!asks(&mut inside, "10.9.0.2:7000") && asks(&mut inside, "10.9.0.2:7001"), "{direction}");
        assert!(asks(&mut outside, "10.9.0.2:7000"), "{direction}");
        table.remove().expect("removed");
        assert!(asks(&mut inside, "10.9.0.2:7000"), "{direction}");
    }
    inside.kill();
}

#[test]
fn a_user_is_cut_off_and_others_are_not() {
    let wide = Wide::new();
    let mut nobody = wide.asker(|command| {
        command.uid(65_534);
    });
    let mut root = wide.asker(|_| {});
    let table =
        wide.install(Layer::Device, TableEffect::Cut { flow: Flow { user: Some(65_534), ..flow("") } });
    assert!(!asks(&mut nobody, "10.9.0.2:7000") && !asks(&mut nobody, "[fd00::2]:7000"));
    assert!(asks(&mut root, "10.9.0.2:7000"));
    table.remove().expect("removed");
    assert!(asks(&mut nobody, "10.9.0.2:7000"));
}
