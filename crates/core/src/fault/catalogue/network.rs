//! Kinds about packets and sockets.

use super::{Aim, Family, Kind, Parameter, Value, optional, required};
use crate::fault::flow::Direction;
use crate::fault::link::Distribution;
use crate::fault::{DnsAnswer, FaultKind, PartitionShape, Protocol, Refusal};
use crate::privilege::Privilege;

const TO: Parameter = optional("to", Value::Peers, "everybody", "The other end of the connections");
const FROM: Parameter =
    optional("from", Value::Peers, "every address and port", "This end of the connections");
const FLOW: &[Parameter] = &[
    TO,
    FROM,
    optional("direction", Value::Word(Direction::WORDS), "both", "Which packets, seen from the target"),
    optional("iface", Value::Text, "every device but loopback", "Only packets over this device"),
];

const DELAY: Parameter = optional("delay", Value::Duration, "none", "How late packets are");
const LOSS: Parameter = optional("loss", Value::Percent, "none", "The share of packets that is lost");
const DUPLICATE: Parameter =
    optional("duplicate", Value::Percent, "none", "The share of packets that comes twice");
const CORRUPT: Parameter =
    optional("corrupt", Value::Percent, "none", "The share of packets with one bit flipped");
const REORDER: Parameter = optional(
    "reorder",
    Value::Percent,
    "none",
    "The share of packets that is sent at once while the others are late",
);
const RATE: Parameter = optional("rate", Value::Rate, "unlimited", "How many bytes a second pass");
const REST: &[Parameter] = &[
    optional("jitter", Value::Duration, "none", "Plus or minus this much of the delay"),
    optional("distribution", Value::Word(Distribution::WORDS), "uniform", "How the delays are spread"),
    optional(
        "burst",
        Value::Count(100_000),
        "each packet by itself",
        "How many packets in a row are lost, on average",
    ),
    optional(
        "replace",
        Value::Flag,
        "the fault is refused",
        "A root queueing discipline that somebody set up steps aside until the end",
    ),
];

/// The packets of an impairment: each way suffers the amount that was asked for.
const EACH_WAY: &[Parameter] = &[
    FLOW[0],
    FLOW[1],
    optional(
        "direction",
        Value::Word(Direction::WORDS),
        "both, each by the whole amount: a delay of 50ms adds 100ms to a round trip",
        "Which packets, seen from the target",
    ),
    FLOW[3],
];

/// The parameter that a kind is named after, which it must have.
const fn own(parameter: Parameter) -> Parameter {
    required(parameter.name, parameter.value, parameter.about)
}

const NETWORKS: &[Aim] =
    &[Aim::Host, Aim::Pid, Aim::Process, Aim::Unit, Aim::Cgroup, Aim::Container, Aim::User, Aim::Netns];
const NAMESPACES: &[Aim] = &[Aim::Host, Aim::Pid, Aim::Container, Aim::Netns];

/// To enter a network and change it, to see whose networks and sockets there are, and to look as one user sees it.
const NETWORK: &[Privilege] = &[
    Privilege::NetAdmin,
    Privilege::SysAdmin,
    Privilege::SysPtrace,
    Privilege::DacReadSearch,
    Privilege::SetUid,
];
const TABLE: &str = "CAP_NET_ADMIN, nftables";
const NETEM: &str = "CAP_NET_ADMIN, nftables, netem (without it: a relay for one TCP peer)";
const TABLE_UNDO: &str =
    "the table is removed; the kernel does so itself when its owner dies or the lease ends";
const QDISC_UNDO: &str = "the table is removed, by the kernel too, and with it the effect; guardian or ledger remove the idle classes, and packets suffer from every other fault that is for them as before";

pub(super) const KINDS: &[Kind] = &[
    Kind {
        kind: FaultKind::Latency,
        family: Family::Network,
        about: "Packets are late",
        aims: NETWORKS,
        parameters: &[&[own(DELAY)], REST, &[LOSS, DUPLICATE, CORRUPT, REORDER, RATE], EACH_WAY],
        needs: NETEM,
        privileges: NETWORK,
        undo: QDISC_UNDO,
        example: "latency --to 10.0.0.2:5432 --delay 50ms --jitter 5ms --for 1m",
    },
    Kind {
        kind: FaultKind::Loss,
        family: Family::Network,
        about: "Packets are lost, each by itself or in bursts",
        aims: NETWORKS,
        parameters: &[&[own(LOSS)], REST, &[DELAY, DUPLICATE, CORRUPT, REORDER, RATE], EACH_WAY],
        needs: "CAP_NET_ADMIN, nftables; netem for bursts and for anything beside loss",
        privileges: NETWORK,
        undo: QDISC_UNDO,
        example: "loss --netns a --to 10.0.0.2 --loss 10% --burst 5 --for 1m",
    },
    Kind {
        kind: FaultKind::Duplicate,
        family: Family::Network,
        about: "Packets come twice",
        aims: NETWORKS,
        parameters: &[&[own(DUPLICATE)], REST, &[DELAY, LOSS, CORRUPT, REORDER, RATE], EACH_WAY],
        needs: "CAP_NET_ADMIN, nftables, netem",
        privileges: NETWORK,
        undo: QDISC_UNDO,
        example: "duplicate --netns a --duplicate 5% --for 1m",
    },
    Kind {
        kind: FaultKind::Corrupt,
        family: Family::Network,
        about: "Packets have a bit flipped",
        aims: NETWORKS,
        parameters: &[&[own(CORRUPT)], REST, &[DELAY, LOSS, DUPLICATE, REORDER, RATE], EACH_WAY],
        needs: "CAP_NET_ADMIN, nftables, netem",
        privileges: NETWORK,
        undo: QDISC_UNDO,
        example: "corrupt --netns a --corrupt 1% --for 1m",
    },
    Kind {
        kind: FaultKind::Reorder,
        family: Family::Network,
        about: "Packets overtake each other",
        aims: NETWORKS,
        parameters: &[&[own(REORDER), own(DELAY)], REST, &[LOSS, DUPLICATE, CORRUPT, RATE], EACH_WAY],
        needs: "CAP_NET_ADMIN, nftables, netem",
        privileges: NETWORK,
        undo: QDISC_UNDO,
        example: "reorder --netns a --reorder 25% --delay 20ms --for 1m",
    },
    Kind {
        kind: FaultKind::Rate,
        family: Family::Network,
        about: "Packets queue for a slow link",
        aims: NETWORKS,
        parameters: &[&[own(RATE)], REST, &[DELAY, LOSS, DUPLICATE, CORRUPT, REORDER], EACH_WAY],
        needs: "CAP_NET_ADMIN, nftables, HTB; netem for anything beside the rate",
        privileges: NETWORK,
        undo: QDISC_UNDO,
        example: "rate --netns a --to 10.0.0.2 --rate 1MiB/s --for 1m",
    },
    Kind {
        kind: FaultKind::Partition,
        family: Family::Network,
        about: "Packets between the host and its peers are dropped",
        aims: NETWORKS,
        parameters: &[
            &[
                optional(
                    "members",
                    Value::Addresses,
                    "no group",
                    "All members of a group, this host among them",
                ),
                optional("shape", Value::Word(PartitionShape::WORDS), "halves", "How the group is split"),
            ],
            FLOW,
        ],
        needs: TABLE,
        privileges: NETWORK,
        undo: TABLE_UNDO,
        example: "partition --netns a --to 10.0.0.2 --for 60s",
    },
    Kind {
        kind: FaultKind::HalfOpen,
        family: Family::Network,
        about: "Established connections fall silent, new ones pass: no FIN, no RST",
        aims: NETWORKS,
        parameters: &[FLOW],
        needs: "CAP_NET_ADMIN, nftables, socket diagnosis",
        privileges: NETWORK,
        undo: TABLE_UNDO,
        example: "half-open --netns a --to 10.0.0.2:5432 --for 60s",
    },
    Kind {
        kind: FaultKind::Vanish,
        family: Family::Sockets,
        about: "The host is gone from its network at once: no FIN, no RST, no ICMP",
        aims: NAMESPACES,
        parameters: &[],
        needs: TABLE,
        privileges: NETWORK,
        undo: TABLE_UNDO,
        example: "vanish --netns a --for 60s",
    },
    Kind {
        kind: FaultKind::Reject,
        family: Family::Network,
        about: "Packets are answered with a refusal",
        aims: NETWORKS,
        parameters: &[
            &[optional(
                "with",
                Value::Word(Refusal::WORDS),
                "reset",
                "What the sender gets: a TCP reset, or ICMP",
            )],
            FLOW,
        ],
        needs: TABLE,
        privileges: NETWORK,
        undo: TABLE_UNDO,
        example: "reject --netns a --to 10.0.0.2:5432 --with reset --for 60s",
    },
    Kind {
        kind: FaultKind::Flap,
        family: Family::Network,
        about: "The link is bad and good in turns; it begins bad",
        aims: NETWORKS,
        parameters: &[
            &[
                required("up", Value::Duration, "How long it is good"),
                required("down", Value::Duration, "How long it is bad"),
                optional(
                    "while-down",
                    Value::Impairment,
                    "nothing passes",
                    "How bad it is, such as loss=30%",
                ),
                optional("while-up", Value::Impairment, "undisturbed", "How good it is, such as delay=3s"),
            ],
            FLOW,
        ],
        needs: "CAP_NET_ADMIN, nftables; netem where impairments are named",
        privileges: NETWORK,
        undo: QDISC_UNDO,
        example: "flap --netns a --up 2s --down 1s --for 1m",
    },
    Kind {
        kind: FaultKind::MtuBlackhole,
        family: Family::Network,
        about: "Large packets are dropped, and no ICMP says so",
        aims: NETWORKS,
        parameters: &[&[required("above", Value::Size, "The largest IP packet that passes")], FLOW],
        needs: TABLE,
        privileges: &[
            Privilege::NetAdmin,
            Privilege::SysAdmin,
            Privilege::SysPtrace,
            Privilege::DacReadSearch,
            Privilege::SetUid,
            Privilege::NetRaw,
        ],
        undo: TABLE_UNDO,
        example: "mtu-blackhole --netns a --to 10.0.0.2 --above 1280B --for 60s",
    },
    Kind {
        kind: FaultKind::Dns,
        family: Family::Network,
        about: "Questions for names are answered wrongly, late or not at all, by UDP and TCP; DNS over TLS or HTTPS passes",
        aims: NETWORKS,
        parameters: &[&[
            required("answer", Value::Word(DnsAnswer::WORDS), "What comes back"),
            optional("names", Value::Texts, "every name", "Only for these names and what is below them"),
            optional("address", Value::Address, "192.0.2.1, which nobody has", "The wrong address"),
            optional(
                "delay",
                Value::Duration,
                "none; 2s for `late`",
                "How long after the question the answer comes, at least",
            ),
            optional(
                "to",
                Value::Peers,
                "every server",
                "Only questions to these servers; ports do not count",
            ),
        ]],
        needs: "CAP_NET_ADMIN, nftables redirect, connection tracking",
        privileges: NETWORK,
        undo: "the table is removed, by the kernel too; the responder ends with its owner, and what it answered is kept by no cache",
        example: "dns --netns a --answer nxdomain --names db.internal --for 60s",
    },
    Kind {
        kind: FaultKind::SocketKill,
        family: Family::Sockets,
        about: "Live TCP connections are destroyed, and new ones too until the fault ends",
        aims: NETWORKS,
        parameters: &[&[TO, FROM]],
        needs: "CAP_NET_ADMIN, a kernel with INET_DIAG_DESTROY",
        privileges: NETWORK,
        undo: "none: programs connect again",
        example: "socket-kill --netns a --to 10.0.0.2:5432 --for 5s",
    },
    Kind {
        kind: FaultKind::PortTake,
        family: Family::Sockets,
        about: "A port is taken, so that a server cannot start on it; who connects is reset",
        aims: &[Aim::Host, Aim::Pid, Aim::Container, Aim::Netns],
        parameters: &[&[
            required("port", Value::Count(65_535), "Which port"),
            optional("address", Value::Address, "all of them", "On which address"),
            optional("protocol", Value::Word(Protocol::WORDS), "tcp", "Of which protocol"),
        ]],
        needs: "a port that nobody has; CAP_NET_BIND_SERVICE below port 1024",
        privileges: &[
            Privilege::NetBindService,
            Privilege::SysAdmin,
            Privilege::SysPtrace,
            Privilege::DacReadSearch,
        ],
        undo: "the process that holds the port ends, with its owner too",
        example: "port-take --port 18080 --address 127.0.0.1 --for 60s",
    },
];
