//! Hosts on a link, whose packets a fault chooses, with tables of somebody else beside ours.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use deadstick_core::fault::ResolvedTarget;
use deadstick_faults::kernel::{Linux, Networks, Reach};
use deadstick_faults::network::enter;

use super::same::Same;
use crate::common::matrix::{World, owner};
use crate::common::{Bench, Pair, WITNESS};

/// What an administrator may have set up: nothing of it stops the test's own packets, and nothing of it may change.
const OTHERS: &str = "table inet theirs {
  set peers {
    type ipv4_addr
    flags interval
    elements = { 10.8.0.0/24, 10.9.0.77 }
  }
  chain in {
    type filter hook input priority 0
    ip saddr @peers drop
  }
}
table netdev theirs {
  chain in {
    type filter hook ingress device dsa priority 0
    ip saddr 10.8.0.9 drop
  }
}
";

fn command(target: &ResolvedTarget, words: &str, input: &str) {
    let network = target.network.as_ref().expect("a network");
    let mut words = words.split(' ');
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).stdin(Stdio::piped());
    // A program started in that network lives there.
    let mut child = enter(network, move || command.spawn()).expect("entered").expect("it starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success());
}

/// Two hosts, of which the first has tables of somebody else.
pub(crate) fn pair() -> Pair {
    let mut pair = Pair::new();
    // An address that the kernel is still trying out would change by itself.
    pair.client.ask("run ip -6 address flush dev dsa");
    command(&pair.target(), "nft -f -", OTHERS);
    pair
}

/// Whether somebody at the other end answers soon.
pub(crate) fn passes(target: &ResolvedTarget) -> bool {
    let network = target.network.as_ref().expect("a network");
    matches!(Linux.reach(network, WITNESS.into(), Duration::from_millis(200)), Ok(Reach::Accepted(_)))
}

fn link(words: &'static str, pair: Pair) -> Same {
    let target = pair.target();
    Same::new(words, target.clone(), pair, move || passes(&target))
}

pub(crate) fn plain(words: &'static str) -> Option<Box<dyn World>> {
    link(words, pair()).boxed()
}

pub(crate) fn without_netem(words: &'static str) -> Option<Box<dyn World>> {
    link(words, pair()).without_netem().boxed()
}

/// With a fault of another deadstick for the same packets, which goes on whoever is killed.
pub(crate) fn beside_another(words: &'static str) -> Option<Box<dyn World>> {
    let (pair, bench) = (pair(), Bench::new());
    let target = pair.target();
    let other = Same::new("rate rate=2MB/s", target.clone(), (), || true);
    let mut owner = owner(&bench.ledger(), &other, "600s", "Examined");
    while !owner.hear().expect("it injects").starts_with("at ") {}
    Same::new(words, target.clone(), (owner, bench, pair), move || passes(&target)).boxed()
}

/// With a root qdisc that has to step aside.
pub(crate) fn with_a_qdisc(words: &'static str) -> Option<Box<dyn World>> {
    let pair = pair();
    command(&pair.target(), "tc qdisc add dev dsa root handle 5: tbf rate 1gbit burst 100k latency 5ms", "");
    link(words, pair).boxed()
}
