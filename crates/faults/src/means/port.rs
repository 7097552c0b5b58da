//! A port that is taken by a process of ours, so that nobody else can listen on it.

use deadstick_core::fault::{Fault, Protocol, ResolvedTarget};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::Undo;

use super::holding::Look;
use super::table::network;
use super::{Means, Prepared, Site, Step, seen, unseen};
use crate::error::FaultError;
use crate::holder::What;
use crate::holder::link::Holder;
use crate::injector::Proof;
use crate::kernel::Place;
use crate::plan::{Planned, PlannedObject};
use crate::undo::Secrets;

/// Plans a port to be taken.
pub(crate) fn plan(fault: &Fault, place: Place, target: &ResolvedTarget) -> Result<Planned, FaultError> {
    let network = network(fault, target)?;
    if place.port == 0 {
        return Err(FaultError::refused("there is no port 0", "name a port from 1 to 65535"));
    }
    let then = match place.protocol {
        Protocol::Tcp => "who connects there is reset",
        Protocol::Udp => "what is sent there is lost",
    };
    let objects = vec![PlannedObject::new(
        format!("a process in {network} that binds {place}; {then}"),
        "end the process; it ends by itself when its owner does, or the lease",
    )];
    Ok(Planned::new(Taken { network, place }, objects))
}

#[derive(Clone, Debug)]
struct Taken {
    network: NetworkIdentity,
    place: Place,
}

impl Means for Taken {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let (network, place) = (self.network.clone(), self.place);
            let owners = site.blocking(move |kernel| kernel.port_owners(&network, &place)).await?;
            if let Some(owner) = owners.first() {
                let who = owner
                    .process
                    .as_ref()
                    .map_or("a process that may not be seen".to_owned(), ToString::to_string);
                return Err(FaultError::refused(
                    format!("{place} is taken already, by {who} on {}", owner.local),
                    "end it first, or name another port",
                ));
            }
            let holder = site.holder(What::Port { network: self.network.clone(), place: self.place }).await?;
            let undo = Undo::EndHolder { process: holder.process.clone(), session: None };
            Ok(Prepared::held(undo, Secrets::default(), holder, self.clone()))
        })
    }
}

impl Look for Taken {
    fn look<'a>(&'a mut self, _: &'a Holder, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let Self { network, place } = self.clone();
            let tried = site.blocking(move |kernel| kernel.try_bind(&network, &place)).await?;
            let place = self.place;
            Ok(match tried {
                Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => {
                    seen(format!("a second program cannot bind {place}: {error}"))
                }
                Err(error) => unseen(format!("binding {place} fails, but not because it is taken: {error}")),
                Ok(()) => unseen(format!("a second program can bind {place}")),
            })
        })
    }
}
