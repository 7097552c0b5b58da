//! Which packets a table chooses: by addresses, networks, ports, direction, device, control group and user; several tables
//! at once; what becomes of the packets; and the rules of others, which stay as they are.

#[path = "../common/mod.rs"]
mod common;
mod effects;
mod peers;
mod sockets;

use std::net::SocketAddr;
use std::time::Duration;

use common::{Pair, fault, run_in};
use deadstick_core::fault::Flow;
use deadstick_core::identity::NetworkIdentity;
use deadstick_faults::kernel::{Layer, Linux, Networks, Reach, Table, TableEffect, TableSpec};

const SOON: Duration = Duration::from_millis(300);

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

    fn nft(&self, words: &str) -> String {
        run_in(&self.network, &format!("nft {words}"))
    }
}
