//! How often proofs are wrong on links that are late, spread and lossy before anything is done to them: by simulation, on a
//! pretended kernel. Both ways: the effect is there and is not seen, and nothing landed and something is seen.

use std::sync::Arc;
use std::time::Duration;

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::identity::{NetworkIdentity, ProcessIdentity};
use deadstick_core::units::HumanDuration;

use super::{Cancel, LateLease, Site};
use crate::injector::{Proof, lease_from_now};
use crate::kernel::pretended::{Link, Pretended};
use crate::plan::{HostFacts, plan};

const HOST: HostFacts = HostFacts { relay: false, ..HostFacts::ALL };

const fn link(takes_ms: u64, spread_ms: u64, loss: f64) -> Link {
    Link {
        takes: Duration::from_millis(takes_ms),
        spread: Duration::from_millis(spread_ms),
        loss,
        inert: false,
    }
}

/// An ordinary one; one that is spread; one that is farther away than a silence used to be waited for; one that a fault has
/// made late by 3 s each way; one that loses 30 % each way; one that is late and lossy.
const LINKS: [Link; 6] = [
    link(1, 0, 0.0),
    link(40, 15, 0.01),
    link(600, 0, 0.0),
    link(6_000, 0, 0.0),
    link(1, 0, 0.3),
    link(3_000, 500, 0.1),
];

pub(super) fn process() -> ProcessIdentity {
    ProcessIdentity { pid: 4_000_000, start_ticks: 77, boot: "pretended".to_owned() }
}

pub(super) fn site(link: Link, seed: u64) -> Site {
    Site {
        id: format!("odds-{seed}"),
        lease: LateLease::new(lease_from_now(HumanDuration::secs(3_600)).expect("it ends")),
        kernel: Arc::new(Pretended::new(link, seed)),
        program: "/nowhere".into(),
        ledger: "/nowhere".into(),
        relay: None,
        load: None,
        ours: Vec::new(),
        cancel: Cancel::default(),
    }
}

async fn proved(words: &str, host: HostFacts, link: Link, seed: u64) -> Proof {
    let (kind, parameters) = words.split_once(' ').unwrap_or((words, ""));
    let pairs = parameters.split_whitespace().filter_map(|pair| pair.split_once('='));
    let fault = Fault::read(kind.parse().expect("a kind"), pairs).expect("a fault");
    let target = ResolvedTarget {
        name: "client".to_owned(),
        process: Some(process()),
        network: Some(NetworkIdentity::of_process(process(), 1)),
        witness: Some(([10, 9, 0, 2], 7_000).into()),
        ..ResolvedTarget::default()
    };
    let plan = plan(&fault, &target, HumanDuration::secs(3_600), &host).expect("planned");
    let site = site(link, seed);
    let mut effect = plan.means.prepare(&site).await.expect(words).effect;
    effect.apply(&site).await.expect(words);
    let proof = effect.prove(&site).await.expect(words);
    effect.release().await;
    proof
}

/// So many trials of each, on each link, with an effect and without: those that are wrong, in words.
async fn wrong(faults: &[&str], host: HostFacts, [there, not]: [u64; 2]) -> Vec<String> {
    let mut wrong = Vec::new();
    for words in faults {
        for (link, trials) in
            LINKS.iter().flat_map(|link| [(*link, there), (Link { inert: true, ..*link }, not)])
        {
            let mut bad = Vec::new();
            for seed in 0..trials {
                let proof = proved(words, host, link, seed).await;
                if proof.landed == link.inert {
                    bad.push(proof.evidence);
                }
            }
            if let Some(first) = bad.first() {
                wrong.push(format!("{words} on {link:?}: {} of {trials}, such as {first:?}", bad.len()));
            }
        }
    }
    wrong
}

#[tokio::test(start_paused = true)]
async fn of_what_drops_and_refuses() {
    let faults = [
        "vanish",
        "partition",
        "partition direction=egress",
        "partition direction=ingress",
        "reject",
        "reject direction=ingress",
        "mtu-blackhole above=500B",
        "mtu-blackhole above=500B direction=ingress",
    ];
    let wrong = wrong(&faults, HOST, [100, 100]).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(start_paused = true)]
async fn of_connections_that_fall_silent_or_end() {
    let wrong = wrong(&["half-open", "half-open direction=egress", "socket-kill"], HOST, [100, 30]).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(start_paused = true)]
async fn of_loss() {
    let faults = [
        "loss loss=1% direction=egress",
        "loss loss=10% direction=ingress",
        "loss loss=30% burst=1000 direction=egress",
        "loss loss=50% burst=100 direction=egress",
        "loss delay=3s loss=10%",
    ];
    let by_netem = wrong(&faults, HOST, [60, 20]).await;
    assert!(by_netem.is_empty(), "{by_netem:#?}");
    let by_rules = HostFacts { netem: false, ..HOST };
    let faults = ["loss loss=0.1% direction=egress", "loss loss=5% direction=ingress", "loss loss=30%"];
    let by_rules = wrong(&faults, by_rules, [60, 20]).await;
    assert!(by_rules.is_empty(), "{by_rules:#?}");
}

#[tokio::test(start_paused = true)]
async fn of_lateness() {
    let faults =
        ["latency delay=50ms", "latency delay=50ms jitter=50ms", "latency delay=3s direction=ingress"];
    let wrong = wrong(&faults, HOST, [100, 100]).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}
