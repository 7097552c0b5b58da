//! A relay that passes bytes on late, where the kernel has no netem: an owned table leads new connections through it.

use std::net::SocketAddr;
use std::time::Duration;

use deadstick_core::fault::{Direction, Flow, Impairment, Peer};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::Undo;
use futures_util::future::BoxFuture;

use super::late::{Asked, Timed, Usual};
use super::table::{self, Held};
use super::{Effect, Means, Prepared, Site, Step, failed, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::{Layer, TableEffect};
use crate::plan::{HostFacts, Planned, PlannedObject};
use crate::relay::{self, Dialer, RelayOrder};

/// Plans a relay for one peer: all that can be done without netem, and only for what is late and nothing else.
pub(crate) fn plan(
    network: NetworkIdentity,
    impairment: &Impairment,
    flow: &Flow,
    host: &HostFacts,
) -> Result<Planned, FaultError> {
    let Impairment { delay, jitter, .. } = impairment.clone();
    if (Impairment { delay, jitter, ..Impairment::default() }) != *impairment {
        return Err(FaultError::refused(
            format!("{impairment} needs netem, which this kernel does not have"),
            "without it packets can be slow (`rate` alone) or lost (`loss` alone), or a TCP peer late (`delay` and `jitter` alone)",
        ));
    }
    let [Peer { address, prefix: None, port: Some(port) }] = flow.to.as_slice() else {
        return Err(FaultError::refused(
            "latency of a whole link needs netem, which this kernel does not have",
            "name one TCP peer with its port: a relay makes that link late",
        ));
    };
    if !flow.from.is_empty() || flow.iface.is_some() || flow.cgroup.is_some() || flow.user.is_some() {
        return Err(FaultError::refused(
            "without netem, which this kernel does not have, latency is the whole network's on its way to a peer",
            "name the peer only, by its address and port",
        ));
    }
    if !(host.relay && host.redirect) {
        let lacks = if host.relay { "nftables redirect" } else { "a relay" };
        return Err(FaultError::refused(
            format!("latency needs {lacks}, which is not there"),
            "see `deadstick doctor`",
        ));
    }
    let peer = SocketAddr::new(*address, *port);
    let late = (delay.0, jitter.0);
    let direction = flow.direction;
    let way = match direction {
        Direction::Egress => format!("to {peer}"),
        Direction::Ingress => format!("from {peer}"),
        Direction::Both => format!("to and from {peer}"),
    };
    let objects = vec![
        PlannedObject::new(
            format!("a relay in the same network that passes bytes {way} on after {delay} ± {jitter}"),
            "end the relay and its connections",
        ),
        table::owned(&network, &format!("sends new connections to {peer} through the relay")),
        PlannedObject::new(
            format!("connections to {peer} that are established now: ended, so that they are made again"),
            "none: they reconnect",
        ),
    ];
    Ok(Planned::new(Relayed { network, peer, late, direction }, objects))
}

#[derive(Clone, Debug)]
struct Relayed {
    network: NetworkIdentity,
    peer: SocketAddr,
    late: (Duration, Duration),
    direction: Direction,
}

struct Relaying {
    means: Relayed,
    /// How long the peer took to answer before.
    usual: Option<Usual>,
    relay: Option<Box<dyn Send>>,
    table: Held,
}

impl Means for Relayed {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let usual = self.asked().usual(site).await?;
            let undo = Undo::RemoveTable { network: self.network.clone(), table: site.table_name() };
            let table = Held::default();
            Ok(Prepared::new(undo, Relaying { means: self.clone(), usual, relay: None, table }))
        })
    }
}

impl Relayed {
    /// How late a round trip shall be.
    fn asked(&self) -> Asked {
        let ways = if self.direction == Direction::Both { 2 } else { 1 };
        let (delay, jitter) = (self.late.0 * ways, self.late.1 * ways);
        Asked { network: self.network.clone(), peer: self.peer, timed: Timed::Farewell, delay, jitter }
    }
}

impl Effect for Relaying {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        Box::pin(async move {
            let Relayed { network, peer, late: (delay, jitter), direction } = &self.means;
            let factory = site.relay.clone().ok_or_else(|| failed("there is no relay"))?;
            let (inside, upstream, delay, jitter) = (network.clone(), *peer, *delay, *jitter);
            let direction = *direction;
            let prepared = tokio::task::spawn_blocking(move || {
                let listener = relay::listener(&inside, upstream)
                    .map_err(|error| error.to_string())?
                    .map_err(|error| error.to_string())?;
                let dial = Dialer::new(&inside, upstream).map_err(|error| error.to_string())?;
                Ok::<_, String>(RelayOrder { listener, upstream, delay, jitter, direction, dial })
            });
            let order = prepared.await.map_err(|_| FaultError::Lost)?.map_err(failed)?;
            let port = order.listener.local_addr().map_err(|error| failed(error.to_string()))?.port();
            // Starting one may block until its tasks run, which a thread that has tasks to run must not.
            let started = tokio::task::spawn_blocking(move || factory.start(order)).await;
            let started = started.map_err(|_| FaultError::Lost)?;
            self.relay = Some(started.map_err(|error| failed(format!("the relay: {error}")))?);
            let effect = TableEffect::Redirect { peer: *peer, port, mark: relay::MARK };
            self.table.install(site, network, Layer::Internet, effect).await
        })
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            // The end of a connection takes longer because the relay is late.
            let Some(usual) = self.usual else {
                return Ok(unseen(format!(
                    "{} did not answer the end of a connection before, so there is nothing to compare with",
                    self.means.peer
                )));
            };
            let compared = self.means.asked().compared(site, usual).await?;
            // By its own count: another delay than ours says nothing of the relay.
            if compared.landed && self.table.hits(Duration::ZERO).await? == 0 {
                return Ok(unseen(format!(
                    "{}, but no connection was led through the relay",
                    compared.evidence
                )));
            }
            Ok(compared)
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            let Self { table, relay, .. } = *self;
            let held = table.release().await | relay.is_some();
            drop(relay);
            held
        })
    }
}
