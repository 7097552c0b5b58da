//! Traffic classes that hurt: an owned table chooses packets, and netem under our root qdisc makes them late.

use std::net::SocketAddr;
use std::time::Duration;

use deadstick_core::fault::{Fault, Flow, Impaired, Peer, ResolvedTarget};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::Undo;
use futures_util::future::BoxFuture;

use super::late::{Timed, compared, time};
use super::table::{self, DISCARD, Held, PATIENCE, by_count};
use super::{Effect, Means, Prepared, Site, Step, relayed};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::{Layer, TableEffect};
use crate::network::qdisc;
use crate::plan::{HostFacts, Planned, PlannedObject};

/// Plans late packets: by netem, or without it by a relay for one peer.
pub(crate) fn plan(
    fault: &Fault,
    impaired: &Impaired,
    target: &ResolvedTarget,
    host: &HostFacts,
) -> Result<Planned, FaultError> {
    let network = table::network(fault, target)?;
    let Impaired { impairment, flow } = impaired;
    if let Some((what, hint)) = impairment.nonsense() {
        return Err(FaultError::refused(what, hint));
    }
    let late = (impairment.delay.0, impairment.jitter.0);
    if !host.netem {
        return relayed::plan(network, late, flow, host);
    }
    let whom: Vec<_> = flow.to.iter().map(Peer::to_string).collect();
    let whom = if whom.is_empty() { "everybody".to_owned() } else { whom.join(", ") };
    let (delay, jitter) = (impairment.delay, impairment.jitter);
    let objects = vec![
        PlannedObject::new(
            format!("the root qdisc of each device of that network: htb with netem, {delay} ± {jitter}"),
            "remove it by its reserved handle; the kernel's own choice takes its place again",
        ),
        table::owned(&network, &format!("sends packets to {whom} through that netem")),
    ];
    let ask = table::asked(&flow.to, target);
    Ok(Planned::new(Shaped { network, layer: table::layer(host), flow: flow.clone(), late, ask }, objects))
}

#[derive(Clone, Debug)]
struct Shaped {
    network: NetworkIdentity,
    layer: Layer,
    flow: Flow,
    late: (Duration, Duration),
    ask: Option<SocketAddr>,
}

struct Shaping {
    means: Shaped,
    devices: Vec<String>,
    /// How long the peer took to answer before.
    plain: Option<Duration>,
    table: Held,
}

impl Means for Shaped {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let inside = self.network.clone();
            let devices = match site.blocking(move |kernel| kernel.shapeable(&inside)).await {
                Ok(devices) => devices,
                Err(error) => return Err(FaultError::refused(error.to_string(), "nothing was touched")),
            };
            let plain = match self.ask.filter(|ask| ask.port() != DISCARD) {
                Some(ask) => time(site, &self.network, ask, Timed::Connect, self.late).await?,
                None => None,
            };
            // The table first: from then on nothing is late, and the qdisc is inert.
            let table = Undo::RemoveTable { network: self.network.clone(), table: site.table_name() };
            let qdisc = |device: &String| Undo::RemoveQdisc {
                network: self.network.clone(),
                device: device.clone(),
                handle: qdisc::HANDLE,
            };
            let undo = Undo::All { steps: std::iter::once(table).chain(devices.iter().map(qdisc)).collect() };
            let table = Held::default();
            Ok(Prepared::new(undo, Shaping { means: self.clone(), devices, plain, table }))
        })
    }
}

impl Effect for Shaping {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        Box::pin(async move {
            let Shaped { network, layer, flow, late: (delay, jitter), .. } = &self.means;
            for device in self.devices.clone() {
                let (network, delay, jitter) = (network.clone(), *delay, *jitter);
                site.blocking(move |kernel| kernel.make_late(&network, &device, delay, jitter)).await?;
            }
            let effect = TableEffect::Classify { flow: flow.clone(), class: qdisc::class() };
            self.table.install(site, network, *layer, effect).await
        })
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            // A connection takes longer because its packets are late.
            let (Some(ask), Some(plain)) = (self.means.ask, self.plain) else {
                return Ok(by_count(self.table.hits(PATIENCE).await?, "no peer answers"));
            };
            let now = time(site, &self.means.network, ask, Timed::Connect, self.means.late).await?;
            Ok(compared(ask, plain, now, self.means.late.0))
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        Box::pin(async move { self.table.release().await })
    }
}
