//! Owned nftables tables that drop packets: vanish, half-open, partition.
//!
//! Also owns what other means share of it: the table as a thing that is held, and whom a proof can ask.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use deadstick_core::fault::{Direction, Fault, Flow, Peer, ResolvedTarget};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::Undo;
use futures_util::future::BoxFuture;

use super::{Effect, Means, Prepared, Site, Step, seen, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::{Conversation, Layer, Reach, Table, TableEffect, TableSpec};
use crate::plan::{HostFacts, Planned, PlannedObject};
use crate::undo::until;

/// The port that nobody listens on, for packets made only to be dropped and counted.
pub(crate) const DISCARD: u16 = 9;
/// How long a peer that answers at all may take.
pub(crate) const BASELINE: Duration = Duration::from_secs(1);
/// How long nothing must come back before a peer counts as silent: many times a round trip between hosts that answer.
const SILENCE: Duration = Duration::from_millis(400);

/// The target's network.
pub(crate) fn network(fault: &Fault, target: &ResolvedTarget) -> Result<NetworkIdentity, FaultError> {
    target.network.clone().ok_or_else(|| {
        FaultError::refused(
            format!("{} needs a network of its own, and {} has none", fault.kind(), target.name),
            "name a network namespace, or a lab whose hosts have networks (shop-postgres)",
        )
    })
}

/// Where tables take their packets on this host.
pub(crate) const fn layer(host: &HostFacts) -> Layer {
    if host.device_hooks { Layer::Device } else { Layer::Internet }
}

/// Whom a proof can talk to: the witness if the fault concerns it, else the first peer named, else anybody on the link.
pub(crate) fn asked(peers: &[Peer], target: &ResolvedTarget) -> Option<SocketAddr> {
    match (peers.first(), target.witness) {
        (None, None) => target.address.map(|address| SocketAddr::new(neighbour(address), DISCARD)),
        (None, witness) => witness,
        (Some(_), Some(end)) if peers.iter().any(|peer| peer.includes(end)) => Some(end),
        (Some(peer), _) => Some(SocketAddr::new(peer.address, peer.port.unwrap_or(DISCARD))),
    }
}

/// An address of the same link, whether anybody has it or not.
fn neighbour(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() ^ 1).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() ^ 1).into(),
    }
}

/// Refuses what cannot be chosen on this host, or makes no sense.
pub(crate) fn check(flow: &Flow, host: &HostFacts) -> Result<(), FaultError> {
    if let Some((what, hint)) = flow.nonsense() {
        return Err(FaultError::refused(what, hint));
    }
    if flow.cgroup.is_some() && !host.socket_groups {
        return Err(FaultError::refused(
            "packets cannot be told by control group: nftables on this kernel has no `socket cgroupv2`",
            "name the other ends with --to instead",
        ));
    }
    if flow.user.is_some() && flow.direction == Direction::Ingress {
        return Err(FaultError::refused(
            "what a user's sockets receive cannot be told before they have it",
            "leave the direction out, or say egress",
        ));
    }
    Ok(())
}

/// Plans a table that drops packets.
pub(crate) fn plan(fault: &Fault, target: &ResolvedTarget, host: &HostFacts) -> Result<Planned, FaultError> {
    let network = network(fault, target)?;
    if let Some(flow) = fault.flow() {
        check(flow, host)?;
    }
    let (effect, chosen, ask) = match fault {
        Fault::HalfOpen { flow } => (
            TableEffect::Hush { flow: flow.clone() },
            format!("TCP connections established now{}", flow.words()),
            asked(&flow.to, target).filter(|ask| ask.port() != DISCARD),
        ),
        Fault::Partition { flow, .. } => (
            TableEffect::Cut { flow: flow.clone() },
            format!("{}{}", way(flow.direction), said(flow)),
            asked(&flow.to, target),
        ),
        _ => (TableEffect::Silence, "everything both ways".to_owned(), asked(&[], target)),
    };
    let objects = vec![owned(&network, &format!("drops {chosen}; loopback stays"))];
    Ok(Planned::new(Tabled { network, layer: layer(host), effect, ask }, objects))
}

/// What a flow narrows, after a comma.
fn said(flow: &Flow) -> String {
    let words = flow.words();
    if words.is_empty() { words } else { format!(",{words}") }
}

const fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Egress => "what it sends",
        Direction::Ingress => "what it receives",
        Direction::Both => "everything both ways",
    }
}

/// A table of ours, as plans print it.
pub(crate) fn owned(network: &NetworkIdentity, what: &str) -> PlannedObject {
    PlannedObject::new(
        format!("nftables table deadstick-… in {network} ({}): {what}", network.inode),
        "remove the table; the kernel does so when its owner dies, and it matches nothing once the lease is over",
    )
}

#[derive(Clone, Debug)]
struct Tabled {
    network: NetworkIdentity,
    layer: Layer,
    effect: TableEffect,
    ask: Option<SocketAddr>,
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
            let (mut reach, mut conversation) = (None, None);
            if let Some(ask) = self.ask.filter(|ask| ask.port() != DISCARD) {
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
            Ok(Prepared::new(undo, Dropping { means: self.clone(), reach, conversation, table }))
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
        let Some(ask) = self.means.ask else {
            return Ok(by_count(self.table.hits(PATIENCE).await?, "there is no witness to ask"));
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
        let (Some(ask), Some(mut conversation)) = (self.means.ask, self.conversation.take()) else {
            let hits = self.table.hits(2 * PATIENCE).await?;
            let why = format!("{connections} connections were established and no witness answers");
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

/// How long packets may take to come by and be counted.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// A table that is held, or will be.
#[derive(Default)]
pub(crate) struct Held(Option<Box<dyn Table>>);

impl Held {
    /// Installs it, with what is left of the lease.
    pub(crate) async fn install(
        &mut self,
        site: &Site,
        network: &NetworkIdentity,
        layer: Layer,
        effect: TableEffect,
    ) -> Result<(), FaultError> {
        self.install_as(site.table_name(), site, network, layer, effect).await
    }

    /// The same under another name.
    pub(crate) async fn install_as(
        &mut self,
        name: String,
        site: &Site,
        network: &NetworkIdentity,
        layer: Layer,
        effect: TableEffect,
    ) -> Result<(), FaultError> {
        let spec = TableSpec { name, layer, lease: site.left(), effect };
        let network = network.clone();
        self.0 = Some(site.blocking(move |kernel| kernel.install(&network, &spec)).await?);
        Ok(())
    }

    /// How many connections it was made for, or ended.
    pub(crate) fn connections(&self) -> usize {
        self.0.as_ref().map_or(0, |table| table.connections())
    }

    /// Waits until the rules have chosen a packet.
    pub(crate) async fn hits(&self, patience: Duration) -> Result<u64, FaultError> {
        let Some(table) = &self.0 else { return Err(FaultError::Lost) };
        let mut hits = 0;
        until(patience, || {
            hits = table.hits()?;
            Ok::<_, FaultError>(hits > 0)
        })
        .await?;
        Ok(hits)
    }

    /// Removes it; whether it was there. What stays nevertheless is seen by the undo that follows.
    pub(crate) async fn release(self) -> bool {
        let Some(table) = self.0 else { return false };
        // Entering the network again to look takes a thread.
        drop(tokio::task::spawn_blocking(move || table.remove()).await);
        true
    }
}

/// Proof by packets that were chosen.
pub(crate) fn by_count(hits: u64, why: &str) -> Proof {
    if hits > 0 {
        seen(format!("{why}; the rules chose {hits} packets"))
    } else {
        unseen(format!("{why}, and the rules chose no packet"))
    }
}
