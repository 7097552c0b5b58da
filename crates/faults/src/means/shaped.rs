//! Traffic classes that hurt: owned tables choose packets, and netem or HTB under our root qdisc makes them late, few or slow.
//! Packets that several faults choose suffer from all of them.

use std::net::SocketAddr;

use deadstick_core::fault::{Direction, Fault, Flow, Impaired, Impairment, Peer, ResolvedTarget};
use deadstick_core::ledger::Undo;
use futures_util::future::BoxFuture;

use super::branch::{Branch, Wanted};
use super::late::{Asked, Timed, Usual};
use super::table::{self, BETWEEN, DISCARD, Held, ROUNDS};
use super::{Effect, Means, Prepared, Site, Step, feasible, lossy, relayed, seen, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::Shown;
use crate::network::{ifb, qdisc};
use crate::plan::{HostFacts, Planned, PlannedObject};

/// Plans packets that suffer: by netem, by HTB where only the rate counts, or by a relay for one peer where there is no netem.
pub(crate) fn plan(
    fault: &Fault,
    impaired: &Impaired,
    target: &ResolvedTarget,
    host: &HostFacts,
) -> Result<Planned, FaultError> {
    let network = table::network(fault, target)?;
    let Impaired { impairment, flow, replace } = impaired;
    table::check(flow, host)?;
    feasible::is_kept(impairment)?;
    let only_rate = qdisc::suffered::is_only_rate(impairment);
    if feasible::is_for_rules(impairment, flow, host) {
        return Ok(lossy::plan(network, impairment.loss, flow, target, host));
    }
    if !only_rate && !host.netem {
        return relayed::plan(network, impairment, flow, host);
    }
    feasible::is_open(flow, host)?;
    let means = if only_rate { "htb" } else { "htb with netem" };
    let mut objects = Vec::new();
    let shared = format!(
        "and at most {} with the faults there that may be for the same packets",
        qdisc::together::MOST - 1
    );
    if flow.direction != Direction::Ingress {
        let device = flow.iface.as_deref().map_or("each device".to_owned(), |name| format!("device {name}"));
        let aside = if *replace { "; a root qdisc that somebody set up steps aside" } else { "" };
        objects.push(PlannedObject::new(
            format!("a class below the root qdisc of {device} of that network, {means}: {impairment}; {shared}{aside}"),
            "remove the classes by mark, and the root qdisc by its reserved handle when no class is left; what was there \
             takes its place again",
        ));
    }
    if flow.direction != Direction::Egress {
        objects.push(PlannedObject::new(
            format!(
                "the ifb device {} in that network, with a class, {means}: {impairment}; {shared}",
                ifb::NAME_OF_INTAKE
            ),
            "remove the classes by mark, and the device by name and mark when no class is left",
        ));
    }
    objects.push(table::owned(&network, &chooses(flow)));
    let ask = table::asked(flow, target);
    let (impairment, flow) = (impairment.clone(), flow.clone());
    let wanted = Wanted { network, impairment, flow, layer: table::layer(host), replace: *replace };
    Ok(Planned::new(Shaped { wanted, ask }, objects))
}

fn chooses(flow: &Flow) -> String {
    let whom: Vec<_> = flow.to.iter().map(Peer::to_string).collect();
    let whom = if whom.is_empty() { "everybody".to_owned() } else { whom.join(", ") };
    match flow.direction {
        Direction::Egress => format!("sends packets to {whom} through the class"),
        Direction::Ingress => format!("leads packets from {whom} through the device"),
        Direction::Both => {
            format!("sends packets to {whom} through the class, leads those from {whom} through the device")
        }
    }
}

#[derive(Clone, Debug)]
struct Shaped {
    wanted: Wanted,
    ask: Option<SocketAddr>,
}

struct Shaping {
    means: Shaped,
    branch: Branch,
    /// How long a peer took to answer before, where that says something.
    timed: Option<(Asked, Usual)>,
    tables: Vec<Held>,
}

impl Means for Shaped {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let branch = Branch::prepare(site, self.wanted.clone(), site.table_name()).await?;
            let timed = match self.ask.filter(|ask| ask.port() != DISCARD && self.is_timed()) {
                Some(ask) => {
                    let asked = self.asked(ask);
                    asked.usual(site).await?.map(|usual| (asked, usual))
                }
                None => None,
            };
            let undo = Undo::All { steps: branch.undo() };
            Ok(Prepared::new(undo, Shaping { means: self.clone(), branch, timed, tables: Vec::new() }))
        })
    }
}

impl Shaped {
    /// How late a round trip shall be.
    fn asked(&self, peer: SocketAddr) -> Asked {
        let Wanted { network, impairment, flow, .. } = &self.wanted;
        let ways = if flow.direction == Direction::Both { 2 } else { 1 };
        let (delay, jitter) = (impairment.delay.0 * ways, impairment.jitter.0 * ways);
        Asked { network: network.clone(), peer, timed: Timed::Connect, delay, jitter }
    }

    /// A connection that takes longer is the proof, unless so much is lost or overtakes that it says nothing.
    fn is_timed(&self) -> bool {
        let Impairment { delay, loss, corrupt, reorder, rate, .. } = &self.wanted.impairment;
        let spoilt = loss.ratio() + corrupt.ratio() + reorder.ratio();
        !delay.0.is_zero() && spoilt == 0.0 && rate.is_none()
    }
}

impl Effect for Shaping {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        Box::pin(async move {
            self.tables = self.branch.apply(site, site.left()).await?;
            Ok(())
        })
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            if let Some((asked, usual)) = &self.timed {
                // A connection takes longer because its packets are late, and they are late in our classes.
                let compared = asked.compared(site, *usual).await?;
                let (through, _) = totals(self.branch.shown(site).await?);
                // What the spread that was there hides is counted only.
                if through > 0 && (compared.landed || !usual.hides(asked.delay)) {
                    return Ok(compared);
                }
            }
            self.counted(site).await
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            let mut held = false;
            for table in self.tables {
                held |= table.release().await;
            }
            held
        })
    }
}

/// How often packets are sent to be hurt, before what was seen must do; if any was seen.
const KNOCKS: u32 = 6;
/// How often a loss that is there must be seen: of so many, one in 160,000 times none is.
const EXPECTED: f64 = 12.0;
/// The most packets of all rounds that are waited for.
const MOST: f64 = 6_000.0;

/// How many packets there must be for one of them to be lost. A burst is what begins by chance, and all of it is lost.
fn enough(impairment: &Impairment) -> Option<u64> {
    let loss = impairment.loss.ratio();
    let begins = impairment.burst_chances().map_or(loss, |(begins, _)| begins.min(1.0));
    (loss > 0.0).then(|| (EXPECTED / begins).ceil() as u64)
}

impl Shaping {
    /// Packets of the target's network, sent for this, meet the classes: by the kernel's own count.
    async fn counted(&self, site: &Site) -> Result<Proof, FaultError> {
        let Wanted { network, impairment, .. } = &self.means.wanted;
        let needed = enough(impairment);
        let count = needed.map_or(20.0, |needed| (needed as f64).min(MOST)) / f64::from(KNOCKS) * 1.5;
        // A slow link is given what it needs a moment for.
        let count = impairment.rate.map_or(count, |rate| count.max((rate.0 / 15_000).clamp(1, 100) as f64));
        let datagrams = count.ceil() as u32;
        let mut shown = (None, None);
        for round in 1..=ROUNDS {
            if let Some(ask) = self.means.ask {
                let network = network.clone();
                site.blocking(move |kernel| kernel.knock(&network, ask, datagrams, BETWEEN)).await?;
            } else {
                tokio::time::sleep(BETWEEN).await;
            }
            shown = self.branch.shown(site).await?;
            let (through, dropped) = totals(shown);
            // Answers may be late, or lost before they come to the classes.
            if through > 0 && (needed.is_none() || dropped > 0 || round >= KNOCKS) {
                break;
            }
        }
        let (through, dropped) = totals(shown);
        let as_asked = [shown.0, shown.1].into_iter().flatten().all(|one| one.as_asked);
        let way = |word: &str, one: Option<Shown>| {
            one.map(|one| {
                let Shown { sent, dropped, waiting, .. } = one;
                format!(
                    "{word} {} packets: {sent} passed, {waiting} wait, {dropped} were dropped",
                    sent + waiting + dropped
                )
            })
        };
        let words: Vec<_> = [way("of what is sent", shown.0), way("of what is received", shown.1)]
            .into_iter()
            .flatten()
            .collect();
        let words = format!("the kernel has {impairment}, and sent through it {}", words.join("; "));
        Ok(if !as_asked {
            unseen(format!("the kernel does not have {impairment} as it was told"))
        } else if through == 0 {
            unseen(words)
        } else if dropped == 0 && needed.is_some_and(|needed| through >= needed) {
            unseen(format!("{words}; with that loss, some should have been"))
        } else {
            seen(words)
        })
    }
}

/// Packets that came to the classes, and how many of them were dropped there.
fn totals((first, second): (Option<Shown>, Option<Shown>)) -> (u64, u64) {
    let each = [first, second].into_iter().flatten();
    each.fold((0, 0), |(through, dropped), one| {
        (through + one.sent + one.waiting + one.dropped, dropped + one.dropped)
    })
}
