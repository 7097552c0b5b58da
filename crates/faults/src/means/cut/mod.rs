//! Owned tables that drop packets: vanish, half-open, partition.
//!
//! Owns which packets that are; [`effect`] puts the table in place and proves it.

mod effect;

use std::net::SocketAddr;
use std::time::Duration;

use deadstick_core::fault::{Fault, Flow, ResolvedTarget};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::Undo;

use super::asking::{AT_ONCE, BASELINE, insist, silence};
use super::split::Group;
use super::table::{self, DISCARD, Held, asked};
use super::{Means, Prepared, Site, Step};
use crate::error::FaultError;
use crate::kernel::{Conversation, KernelError, Layer, Reach, TableEffect};
use crate::plan::{HostFacts, Planned};
use effect::Dropping;

/// Plans a table that drops packets.
pub(crate) fn plan(fault: &Fault, target: &ResolvedTarget, host: &HostFacts) -> Result<Planned, FaultError> {
    let network = table::network(fault, target)?;
    if let Some(flow) = fault.flow() {
        table::check(flow, host)?;
    }
    let mut split = None;
    let (effect, chosen) = match fault {
        Fault::HalfOpen { flow } => {
            let chosen = format!("TCP connections established now{}", flow.words());
            (TableEffect::Hush { flow: flow.clone() }, chosen)
        }
        Fault::Partition { members, shape, flow } => {
            let mut flow = flow.clone();
            let mut chosen = format!("{}{}", table::way(flow.direction), table::said(&flow));
            if let Some(of) = Group::of(members, *shape, &flow)? {
                match target.address.and_then(|own| members.iter().position(|member| *member == own)) {
                    Some(own) => flow.to = of.cut_off(own)?,
                    None => chosen = of.words(&chosen),
                }
                if !flow.to.is_empty() {
                    chosen = format!("{}{}", table::way(flow.direction), table::said(&flow));
                }
                split = Some(of);
            }
            (TableEffect::Cut { flow }, chosen)
        }
        _ => (TableEffect::Silence, "everything both ways".to_owned()),
    };
    let objects = vec![table::owned(&network, &format!("drops {chosen}; loopback stays"))];
    let target = target.clone();
    Ok(Planned::new(Tabled { network, layer: table::layer(host), effect, split, target }, objects))
}

#[derive(Clone, Debug)]
struct Tabled {
    network: NetworkIdentity,
    layer: Layer,
    effect: TableEffect,
    /// Whom it is cut off from is found by its addresses.
    split: Option<Group>,
    target: ResolvedTarget,
}

impl Tabled {
    /// The same with the peers of its place in the group.
    async fn placed(&self, site: &Site) -> Result<Self, FaultError> {
        let mut placed = self.clone();
        if let (Some(group), TableEffect::Cut { flow }) = (&self.split, &mut placed.effect) {
            let network = self.network.clone();
            let addresses = site.blocking(move |kernel| kernel.addresses(&network)).await?;
            flow.to = group.cut_off(group.own(&addresses)?)?;
        }
        Ok(placed)
    }

    /// A connection that is open while the fault lasts. What is lost on the way to it is tried again.
    async fn converse(
        &self,
        site: &Site,
        peer: SocketAddr,
        patience: Duration,
    ) -> Result<Box<dyn Conversation>, FaultError> {
        let once = || {
            let network = self.network.clone();
            site.blocking(move |kernel| match kernel.converse(&network, peer, patience) {
                Err(KernelError::Call { source, .. }) => Ok(Err(source)),
                other => other.map(Ok),
            })
        };
        let mut opened = once().await?;
        for _ in 1..AT_ONCE {
            if opened.is_ok() {
                break;
            }
            opened = once().await?;
        }
        opened.map_err(|error| {
            FaultError::refused(format!("no connection stays open: {error}"), "nothing was touched")
        })
    }

    /// Whom the proof asks.
    fn ask(&self) -> Option<SocketAddr> {
        let whole = Flow::default();
        let ask = asked(self.effect.flow().unwrap_or(&whole), &self.target);
        // Nobody listens there: that says nothing of connections that are established.
        ask.filter(|ask| ask.port() != DISCARD || !matches!(self.effect, TableEffect::Hush { .. }))
    }
}

impl Means for Tabled {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let means = self.placed(site).await?;
            let (mut reach, mut conversation) = (None, None);
            if let Some(ask) = means.ask() {
                let is_named = ask.port() != DISCARD;
                if matches!(self.effect, TableEffect::Hush { .. }) {
                    let met = insist(site, &self.network, ask).await?;
                    if let Reach::Accepted(time) = met {
                        conversation =
                            Some(self.converse(site, ask, silence(Some(time)).max(BASELINE)).await?);
                    }
                    reach = Some(met);
                } else {
                    let network = self.network.clone();
                    let patience = if is_named { BASELINE } else { silence(None) };
                    let met = site.blocking(move |kernel| kernel.reach(&network, ask, patience)).await;
                    reach = match met {
                        // No end was named: a refusal from there is welcome, and nothing depends on it.
                        Err(_) if !is_named => None,
                        met => Some(met?),
                    };
                }
            }
            let undo = Undo::RemoveTable { network: self.network.clone(), table: site.table_name() };
            let table = Held::default();
            Ok(Prepared::new(undo, Dropping { means, reach, conversation, table }))
        })
    }
}
