//! Large packets that vanish, and no ICMP says why: a path that takes less than it says.
//!
//! A packet is measured as it crosses the hook. What the kernel has put together from several for a device to cut (TCP
//! segmentation) counts as one: streams come to a stop, as they do behind such a path.

use std::net::IpAddr;
use std::time::Duration;

use deadstick_core::fault::{Fault, Flow, ResolvedTarget};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::Undo;
use deadstick_core::units::Size;
use futures_util::future::BoxFuture;

use super::asking::{BASELINE, silence};
use super::table::{self, BETWEEN, Held, ROUNDS, by_count, unasked};
use super::{Effect, Means, Prepared, Site, Step, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::{Layer, TableEffect};
use crate::plan::{HostFacts, Planned};

/// The smallest packet that every IPv4 link takes whole.
const LEAST: u16 = 68;

/// Plans the drop of large packets.
pub(crate) fn plan(
    fault: &Fault,
    above: Size,
    flow: &Flow,
    target: &ResolvedTarget,
    host: &HostFacts,
) -> Result<Planned, FaultError> {
    let network = table::network(fault, target)?;
    table::check(flow, host)?;
    let length = above;
    let above =
        u16::try_from(above.0).ok().filter(|above| (LEAST..u16::MAX).contains(above)).ok_or_else(|| {
            FaultError::refused(
                format!("IP packets above {length}"),
                format!("give a length from {LEAST}B to 65534B, such as 1280B"),
            )
        })?;
    let chosen = format!("{}{}", table::way(flow.direction), table::said(flow));
    let what = format!(
        "drops of {chosen} the IP packets above {above} bytes, and the ICMP that would tell their sender; loopback stays"
    );
    let objects = vec![table::owned(&network, &what)];
    let ask = table::asked(flow, target).map(|end| end.ip());
    let effect = TableEffect::Oversize { flow: flow.clone(), above };
    // Echoes have no port: then only what comes by is counted.
    let by_echo = flow.to.iter().chain(&flow.from).all(|peer| peer.port.is_none());
    let ask = ask.filter(|_| by_echo);
    Ok(Planned::new(Large { network, layer: table::layer(host), effect, above, ask }, objects))
}

#[derive(Clone, Debug)]
struct Large {
    network: NetworkIdentity,
    layer: Layer,
    effect: TableEffect,
    above: u16,
    ask: Option<IpAddr>,
}

impl Large {
    /// How long an echo of this length takes to come back.
    async fn answers(
        &self,
        site: &Site,
        peer: IpAddr,
        length: u16,
        patience: Duration,
    ) -> Result<Option<Duration>, FaultError> {
        let network = self.network.clone();
        site.blocking(move |kernel| kernel.ping(&network, peer, length, patience)).await
    }
}

struct Swallowing {
    means: Large,
    /// How long a large packet took to come back before.
    passed: Option<Duration>,
    table: Held,
}

impl Means for Large {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let passed = match self.ask {
                // A device that does not take such a packet says so.
                Some(peer) => self.answers(site, peer, self.above + 1, BASELINE).await.map_err(|error| {
                    FaultError::refused(
                        format!("a packet of {} bytes does not leave this network: {error}", self.above + 1),
                        "give a length below the MTU of its devices",
                    )
                })?,
                None => None,
            };
            let undo = Undo::RemoveTable { network: self.network.clone(), table: site.table_name() };
            Ok(Prepared::new(undo, Swallowing { means: self.clone(), passed, table: Held::default() }))
        })
    }
}

impl Effect for Swallowing {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        let Large { network, layer, effect, .. } = &self.means;
        Box::pin(self.table.install(site, network, *layer, effect.clone()))
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let Self { means, passed, table } = self;
            let Some(peer) = means.ask else {
                let (patience, _) = unasked(means.effect.flow());
                return Ok(by_count(table.hits(patience).await?, "packets of this flow cannot be asked for"));
            };
            let (small, large) = (means.above, means.above + 1);
            if means.answers(site, peer, large, silence(*passed)).await?.is_some() {
                return Ok(unseen(format!("{peer} still answers a packet of {large} bytes")));
            }
            // One that was lost on its way never came to the rules.
            let mut hits = table.hits(Duration::ZERO).await?;
            for _ in 0..ROUNDS {
                if hits > 0 {
                    break;
                }
                means.answers(site, peer, large, BETWEEN).await?;
                hits = table.hits(Duration::ZERO).await?;
            }
            let small_passes = passed.is_some()
                && means.answers(site, peer, small, BASELINE.max(silence(*passed))).await?.is_some();
            Ok(by_count(
                hits,
                &if small_passes {
                    format!(
                        "{peer} answered a packet of {large} bytes before; now it answers one of {small} bytes and not that"
                    )
                } else {
                    format!("{peer} answers no packet of {large} bytes")
                },
            ))
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        Box::pin(self.table.release())
    }
}
