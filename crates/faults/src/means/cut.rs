//! Owned tables that drop packets: vanish, half-open, partition.

use std::net::SocketAddr;

use deadstick_core::fault::{Fault, Flow, ResolvedTarget};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::Undo;
use futures_util::future::BoxFuture;

use super::split::Group;
use super::table::{self, BASELINE, DISCARD, Held, PATIENCE, SILENCE, asked, by_count, unasked};
use super::{Effect, Means, Prepared, Site, Step, seen, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::{Conversation, Layer, Reach, TableEffect};
use crate::plan::{HostFacts, Planned};

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

    /// Whom the proof asks.
    fn ask(&self) -> Option<SocketAddr> {
        let whole = Flow::default();
        let ask = asked(self.effect.flow().unwrap_or(&whole), &self.target);
        // Nobody listens there: that says nothing of connections that are established.
        ask.filter(|ask| ask.port() != DISCARD || !matches!(self.effect, TableEffect::Hush { .. }))
    }
}

/// The same, with what was seen before and what is held now.
struct Dropping {
    means: Tabled,
    reach: Option<Reach>,
    /// Kept only to be closed after the table is gone, so that its end reaches the witness.
    conversation: Option<Box<dyn Conversation>>,
    table: Held,
}

impl Means for Tabled {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let means = self.placed(site).await?;
            let (mut reach, mut conversation) = (None, None);
            if let Some(ask) = means.ask().filter(|ask| ask.port() != DISCARD) {
                let network = self.network.clone();
                let met = site.blocking(move |kernel| kernel.reach(&network, ask, BASELINE)).await?;
                if matches!((&self.effect, &met), (TableEffect::Hush { .. }, Reach::Accepted(_))) {
                    let network = self.network.clone();
                    let open = site.blocking(move |kernel| kernel.converse(&network, ask, BASELINE));
                    conversation = Some(open.await?);
                }
                reach = Some(met);
            }
            let undo = Undo::RemoveTable { network: self.network.clone(), table: site.table_name() };
            let table = Held::default();
            Ok(Prepared::new(undo, Dropping { means, reach, conversation, table }))
        })
    }
}

impl Effect for Dropping {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        let Tabled { network, layer, effect, .. } = &self.means;
        Box::pin(self.table.install(site, network, *layer, effect.clone()))
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            match self.means.effect {
                TableEffect::Hush { .. } => self.hush(site).await,
                _ => self.cut(site).await,
            }
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            let Self { table, conversation, .. } = *self;
            let held = table.release().await;
            // Now its end reaches the witness.
            drop(conversation);
            held
        })
    }
}

impl Dropping {
    /// A peer that answered before and is silent now; or, where none answered, packets that the rules dropped.
    async fn cut(&self, site: &Site) -> Result<Proof, FaultError> {
        let Some(ask) = self.means.ask() else {
            let (patience, why) = unasked(self.means.effect.flow());
            return Ok(by_count(self.table.hits(patience).await?, why));
        };
        let network = self.means.network.clone();
        let after = site.blocking(move |kernel| kernel.reach(&network, ask, SILENCE)).await?;
        let silence = SILENCE.as_millis();
        match (&self.reach, after) {
            (_, Reach::Accepted(time)) => {
                Ok(unseen(format!("{ask} still accepts, after {} ms", time.as_millis())))
            }
            (_, Reach::Refused(why)) => Ok(unseen(format!("{ask} still answers: {why}"))),
            (Some(Reach::Accepted(time)), Reach::Silent) => Ok(seen(format!(
                "{ask} accepted in {:.1} ms before; now nothing comes back within {silence} ms",
                time.as_secs_f64() * 1e3,
            ))),
            (Some(Reach::Refused(_)), Reach::Silent) => {
                Ok(seen(format!("{ask} refused at once before; now nothing comes back within {silence} ms")))
            }
            (_, Reach::Silent) => {
                let hits = self.table.hits(PATIENCE).await?;
                Ok(by_count(hits, &format!("{ask} did not answer before either")))
            }
        }
    }

    /// The connection opened before is not heard any more, and a new one passes.
    async fn hush(&mut self, site: &Site) -> Result<Proof, FaultError> {
        let connections = self.table.connections();
        let (Some(ask), Some(mut conversation)) = (self.means.ask(), self.conversation.take()) else {
            let (patience, why) = unasked(self.means.effect.flow());
            let hits = self.table.hits(2 * patience).await?;
            let why = format!("{connections} connections were established, and {why}");
            return Ok(by_count(hits, &why));
        };
        let listened = tokio::task::spawn_blocking(move || {
            let heard = conversation.is_heard(SILENCE);
            (heard, conversation)
        });
        let (heard, conversation) = listened.await.map_err(|_| FaultError::Lost)?;
        self.conversation = Some(conversation);
        if heard? {
            return Ok(unseen(format!("a connection to {ask} opened before is still heard")));
        }
        let network = self.means.network.clone();
        match site.blocking(move |kernel| kernel.reach(&network, ask, BASELINE)).await? {
            Reach::Accepted(time) => Ok(seen(format!(
                "a connection to {ask} opened before gets no acknowledgement within {} ms, one of {connections}; a new one is accepted in {:.1} ms",
                SILENCE.as_millis(),
                time.as_secs_f64() * 1e3
            ))),
            other => Ok(unseen(format!("new connections to {ask} do not pass either: {other:?}"))),
        }
    }
}
