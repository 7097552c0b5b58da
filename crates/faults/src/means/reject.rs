//! Packets that are answered with a refusal, by an owned table where packets come from sockets and go to them.

use std::net::SocketAddr;
use std::time::Duration;

use deadstick_core::fault::{Fault, Flow, Refusal, ResolvedTarget};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::Undo;
use futures_util::future::BoxFuture;

use super::asking::BASELINE;
use super::table::{self, DISCARD, Held, by_count};
use super::{Effect, Means, Prepared, Site, Step, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::{Layer, Reach, TableEffect};
use crate::plan::{HostFacts, Planned};

/// A refusal may come while the connect is under way; then only the second attempt, a second later, takes note of it.
const ANSWER: Duration = Duration::from_secs(3);

/// Plans a refusal.
pub(crate) fn plan(
    fault: &Fault,
    with: Refusal,
    flow: &Flow,
    target: &ResolvedTarget,
    host: &HostFacts,
) -> Result<Planned, FaultError> {
    let network = table::network(fault, target)?;
    table::check(flow, host)?;
    if !host.refusals {
        return Err(FaultError::refused(
            "nftables on this kernel cannot answer packets with a refusal",
            "see `deadstick doctor`; `partition` drops them without a word",
        ));
    }
    let answer = match with {
        Refusal::Reset => "a TCP reset, what is not TCP with ICMP",
        Refusal::Icmp => "ICMP, port unreachable",
    };
    let chosen = format!("{}{}", table::way(flow.direction), table::said(flow));
    let what = format!("answers {chosen} with {answer}; loopback, ICMP and what is only forwarded pass");
    let objects = vec![table::owned(&network, &what)];
    let ask = table::asked(flow, target);
    let effect = TableEffect::Refuse { flow: flow.clone(), with };
    Ok(Planned::new(Refused { network, effect, ask }, objects))
}

#[derive(Clone, Debug)]
struct Refused {
    network: NetworkIdentity,
    effect: TableEffect,
    ask: Option<SocketAddr>,
}

struct Refusing {
    means: Refused,
    reach: Option<Reach>,
    table: Held,
}

impl Means for Refused {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let mut reach = None;
            if let Some(ask) = self.ask.filter(|ask| ask.port() != DISCARD) {
                let network = self.network.clone();
                reach = Some(site.blocking(move |kernel| kernel.reach(&network, ask, BASELINE)).await?);
            }
            let undo = Undo::RemoveTable { network: self.network.clone(), table: site.table_name() };
            Ok(Prepared::new(undo, Refusing { means: self.clone(), reach, table: Held::default() }))
        })
    }
}

impl Effect for Refusing {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        let Refused { network, effect, .. } = &self.means;
        Box::pin(self.table.install(site, network, Layer::Internet, effect.clone()))
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let Some(ask) = self.means.ask else {
                let (patience, why) = table::unasked(self.means.effect.flow());
                return Ok(by_count(self.table.hits(patience).await?, why));
            };
            let network = self.means.network.clone();
            let now = site.blocking(move |kernel| kernel.reach(&network, ask, ANSWER)).await?;
            match (&self.reach, now) {
                (_, Reach::Accepted(time)) => {
                    Ok(unseen(format!("{ask} still accepts, after {} ms", time.as_millis())))
                }
                // Who is silent may refuse the peer alone.
                (before, now) => {
                    let mut words = match before {
                        Some(Reach::Accepted(time)) => {
                            format!("{ask} accepted in {:.1} ms before", time.as_secs_f64() * 1e3)
                        }
                        _ => format!("{ask} does not accept"),
                    };
                    if let Reach::Refused(why) = now {
                        words += &format!("; now the answer is: {why}");
                    }
                    Ok(by_count(self.table.hits_asking(site, &self.means.network, ask).await?, &words))
                }
            }
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        Box::pin(self.table.release())
    }
}
