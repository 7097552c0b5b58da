//! Packets lost by chance where the kernel has no netem: an owned table drops them, each by itself.

use std::net::SocketAddr;
use std::time::Duration;

use deadstick_core::fault::{Flow, ResolvedTarget};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::Undo;
use deadstick_core::units::Percent;
use futures_util::future::BoxFuture;

use super::asking::LATEST;
use super::table::{self, Held, by_count};
use super::{Effect, Means, Prepared, Site, Step};
use crate::injector::Proof;
use crate::kernel::{Layer, TableEffect};
use crate::plan::{HostFacts, Planned, PlannedObject};

/// How often packets are sent to be lost, before none of them was: what a peer answers by itself, which is all that one
/// way may have, is a handful each time.
const KNOCKS: u32 = 400;
/// How long each of them waits for its effect.
const BETWEEN: Duration = Duration::from_millis(25);
const _: () = assert!(BETWEEN.as_millis() * KNOCKS as u128 == LATEST.as_millis());
/// The most packets of one round.
const MOST: f64 = 1_000.0;

/// How many packets are sent in one round: of so many, one in a thousand times none is lost.
pub(super) fn enough(parts: u32) -> u32 {
    (7.0 * f64::from(TableEffect::PARTS) / f64::from(parts.max(1))).clamp(1.0, MOST) as u32
}

/// Plans a table that drops a share of the packets.
pub(crate) fn plan(
    network: NetworkIdentity,
    loss: Percent,
    flow: &Flow,
    target: &ResolvedTarget,
    host: &HostFacts,
) -> Planned {
    let parts = parts(loss);
    let objects: Vec<PlannedObject> = vec![table::owned(
        &network,
        &format!("drops {loss} of the packets, each by itself ({})", flow.direction),
    )];
    let ask = table::asked(flow, target);
    let effect = TableEffect::Lose { flow: flow.clone(), parts };
    Planned::new(Lossy { network, layer: table::layer(host), effect, parts, ask }, objects)
}

/// A share of packets, as rules have it. What is above zero never becomes never.
pub(super) fn parts(loss: Percent) -> u32 {
    let parts = (loss.ratio() * f64::from(TableEffect::PARTS)).round() as u32;
    parts.max(u32::from(loss.ratio() > 0.0))
}

#[derive(Clone, Debug)]
struct Lossy {
    network: NetworkIdentity,
    layer: Layer,
    effect: TableEffect,
    parts: u32,
    ask: Option<SocketAddr>,
}

struct Losing {
    means: Lossy,
    table: Held,
}

impl Means for Lossy {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let undo = Undo::RemoveTable { network: self.network.clone(), table: site.table_name() };
            Ok(Prepared::new(undo, Losing { means: self.clone(), table: Held::default() }))
        })
    }
}

impl Effect for Losing {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        let Lossy { network, layer, effect, .. } = &self.means;
        Box::pin(self.table.install(site, network, *layer, effect.clone()))
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let Lossy { network, parts, ask, .. } = &self.means;
            let Some(ask) = *ask else {
                let why = "only what the target sends and receives itself can be lost";
                return Ok(by_count(self.table.hits(LATEST).await?, why));
            };
            let datagrams = enough(*parts);
            for _ in 0..KNOCKS {
                let network = network.clone();
                site.blocking(move |kernel| kernel.knock(&network, ask, datagrams, BETWEEN)).await?;
                if self.table.hits(Duration::ZERO).await? > 0 {
                    break;
                }
            }
            Ok(by_count(
                self.table.hits(Duration::ZERO).await?,
                "packets were sent, and the rules lost some of them",
            ))
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        Box::pin(self.table.release())
    }
}
