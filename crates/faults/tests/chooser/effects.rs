//! What becomes of the packets that were chosen: some are lost, refused, or too large.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use deadstick_core::fault::Refusal;
use deadstick_faults::kernel::{Layer, Linux, Networks, Reach, TableEffect};
use deadstick_faults::network::enter;

use crate::{SOON, Wide, flow};

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
            let reach = Linux.reach(&wide.network, end, Duration::from_secs(3)).expect("it can be tried");
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
