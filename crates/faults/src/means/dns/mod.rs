//! Questions for names that get another answer: an owned table leads them to a responder of ours.

mod answering;
mod servers;

use std::net::IpAddr;

use deadstick_core::fault::{Direction, DnsAnswer, Fault, Flow, Peer, ResolvedTarget};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::Undo;
use deadstick_core::units::HumanDuration;

use super::table::{self, Held};
use super::{Means, Prepared, Site, Step};
use crate::dns::script::Script;
use crate::dns::sockets::Sockets;
use crate::dns::upstream::Upstream;
use crate::error::FaultError;
use crate::kernel::KernelError;
use crate::network::Namespace;
use crate::network::conntrack::Conntrack;
use crate::plan::{HostFacts, Planned, PlannedObject};
use answering::{Answering, next_mark};

/// Plans a responder.
pub(crate) fn plan(fault: &Fault, target: &ResolvedTarget, host: &HostFacts) -> Result<Planned, FaultError> {
    let Fault::Dns { names, answer, address, delay, flow } = fault else {
        return Err(FaultError::refused(
            format!("{} asks for no names", fault.kind()),
            "plan it by its own kind",
        ));
    };
    let network = table::network(fault, target)?;
    if !host.redirect {
        return Err(FaultError::refused(
            "dns needs nftables redirect, which is not there",
            "see `deadstick doctor`",
        ));
    }
    if flow.direction != Direction::Both || flow.iface.is_some() || !flow.from.is_empty() {
        return Err(FaultError::refused(
            "questions are chosen by name, server, control group and user only",
            "leave `from`, `direction` and `iface` out",
        ));
    }
    let script = Script::new(names, *answer, *address, delay.0)
        .map_err(|(what, hint)| FaultError::refused(what, hint))?;
    let what = if names.is_empty() {
        "every question".to_owned()
    } else {
        format!("questions for {}", names.join(", "))
    };
    let gets = match answer {
        DnsAnswer::Wrong => format!("{} instead of the right address", script.address),
        DnsAnswer::Late => format!("the right answer {} after the question", HumanDuration(script.delay)),
        DnsAnswer::Timeout => "no answer".to_owned(),
        DnsAnswer::Nxdomain | DnsAnswer::Servfail => answer.word().to_uppercase(),
    };
    let servers: Vec<_> = flow.to.iter().map(|peer| Peer { port: None, ..*peer }.to_string()).collect();
    let servers = if servers.is_empty() { "name servers".to_owned() } else { servers.join(", ") };
    let objects = vec![
        PlannedObject::new(
            format!(
                "a name server on loopback in {network}: {what} gets {gets}; others go to their own server"
            ),
            "it ends, with its owner too",
        ),
        table::owned(
            &network,
            &format!("sends questions to {servers} there, by UDP and TCP, loopback included"),
        ),
        PlannedObject::new(
            "connections to name servers by TCP, and questions under way: ended, so that they are made again",
            "none: resolvers ask again",
        ),
        PlannedObject::new(
            "the kernel's record of redirected conversations",
            "forget those that went to our port, so that the next question goes to its server",
        ),
    ];
    let process = target.process.as_ref().map(|process| process.pid);
    let known = [target.witness.map(|witness| witness.ip()), target.address];
    let known = known.into_iter().flatten().collect();
    Ok(Planned::new(Answered { network, script, flow: flow.clone(), process, known }, objects))
}

#[derive(Clone, Debug)]
struct Answered {
    network: NetworkIdentity,
    script: Script,
    flow: Flow,
    /// Whose list of resolvers counts.
    process: Option<u32>,
    /// Addresses that are there.
    known: Vec<IpAddr>,
}

impl Means for Answered {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let (network, mark) = (self.network.clone(), next_mark());
            let bound = site.blocking(move |_| {
                let namespace = Namespace::open(&network)?;
                let (sockets, tracked) = namespace.run(|| (Sockets::bind(), Conntrack::open()))?;
                Ok::<_, KernelError>((
                    sockets,
                    tracked.map(|tracked| Upstream::new(namespace, tracked, mark)),
                ))
            });
            let (sockets, upstream) = bound.await?;
            let sockets = sockets.map_err(|error| {
                FaultError::refused(
                    format!("nobody can listen on loopback in {}: {error}", self.network),
                    "set its device lo up",
                )
            })?;
            let untracked = |why: String| {
                FaultError::refused(
                    format!("the kernel's connection tracking cannot be asked: {why}"),
                    "see `deadstick doctor`",
                )
            };
            let upstream = upstream.map_err(|error| untracked(error.to_string()))?;
            upstream.probe().await.map_err(|error| untracked(error.to_string()))?;
            let before = self.before(site).await?;
            let port = sockets.port;
            let undo = Undo::All {
                steps: vec![
                    Undo::RemoveTable { network: self.network.clone(), table: site.table_name() },
                    Undo::ForgetRedirected { network: self.network.clone(), port },
                ],
            };
            let effect = Answering {
                means: self.clone(),
                sockets: Some((sockets, upstream)),
                port,
                mark,
                before,
                responder: None,
                table: Held::default(),
            };
            Ok(Prepared::new(undo, effect))
        })
    }
}
