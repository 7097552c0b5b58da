//! One step of a playbook, carried out to its end: settings, commands, toxics and faults.
//!
//! Owns what a host's name stands for at that moment. Leaves when to do it, and what its failure means, to the engine.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use deadstick_core::event::{Actor, Body};
use deadstick_core::fault::{Fault, FaultKind, Peer, ResolvedTarget};
use deadstick_core::playbook::{FaultStep, Step};
use deadstick_core::units::{HumanDuration, Name};
use deadstick_faults::Injector;
use deadstick_lab::LabClient;

use super::link::Link;
use crate::session::Session;

/// One step, to its end.
pub(super) async fn perform(
    injector: &Injector,
    lab: &LabClient,
    link: Option<&Link>,
    session: &Session,
    step: Step,
    longest: Duration,
) -> Result<(), String> {
    match step {
        Step::Set(values) => {
            for (key, value) in values {
                lab.set(&key, &value).await.map_err(|e| format!("{key} could not be set to {value}: {e}"))?;
            }
            Ok(())
        }
        Step::Run { command, options } => {
            let words: Vec<String> = options.iter().map(|(key, value)| format!("{key} {value}")).collect();
            let options: BTreeMap<String, String> = options.into_iter().collect();
            lab.run(&command, &options).await.map_err(|e| format!("{command} could not be run: {e}"))?;
            let with = if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) };
            let body = Body::DrillStep { what: format!("{command} was started{with}") };
            session.record(Actor::tool(), body).await.map_err(|e| e.to_string())
        }
        Step::Toxic(toxic) => {
            let link = link.ok_or("no proxy leads the streams")?;
            let record = |what| session.record(Actor::tool(), Body::DrillStep { what });
            record(format!("a toxic begins: {toxic}")).await.map_err(|e| e.to_string())?;
            let name = link.put(&toxic).map_err(|e| format!("the toxic {toxic} could not be put: {e}"))?;
            let seen = link.prove(&name).await;
            let evidence = seen.map_err(|e| format!("the toxic {toxic} did not land: {e}"))?;
            record(format!("the toxic {name} was proved: {evidence}")).await.map_err(|e| e.to_string())
        }
        // The engine keeps waits to itself.
        Step::Wait(wait) => {
            tokio::time::sleep(wait).await;
            Ok(())
        }
        Step::Inject(order) => {
            let lease = HumanDuration(order.lease.unwrap_or(longest));
            let what = format!("{} on {}", order.fault.kind, order.host);
            let (fault, target) = resolve(lab, order).await?;
            let injected = injector.inject(fault, target, lease).await.map_err(|e| format!("{what}: {e}"))?;
            if injected.proof.landed {
                Ok(())
            } else {
                Err(format!("{what} did not land: {}", injected.proof.evidence))
            }
        }
    }
}

/// A host's name turned into the process, network and peers it stands for at this moment.
async fn resolve(lab: &LabClient, step: FaultStep) -> Result<(Fault, ResolvedTarget), String> {
    let view = lab.host(step.host.as_str()).await.map_err(|e| e.to_string())?;
    let variables = lab.variables().await.map_err(|e| e.to_string())?;
    let target = ResolvedTarget {
        name: step.host.to_string(),
        process: view.process,
        network: view.network,
        address: view.address,
        witness: view.witness,
        dsn: variables.get("db.primary").cloned(),
        path: variables.get("db.file").and_then(|file| file.strip_prefix("sqlite:")).map(PathBuf::from),
        ..ResolvedTarget::default()
    };
    let mut peers = Vec::new();
    for name in &step.fault.peers {
        peers.push((name.clone(), peer_of(lab, name).await?));
    }
    // What a host can reach from elsewhere says nothing about itself: PostgreSQL is the one service faults are aimed at,
    // unless a whole host is cut off.
    let served = |name: &Name| {
        let is_database = matches!(name.as_str(), "db" | "replica");
        (is_database && step.fault.kind != FaultKind::Partition).then_some(5432)
    };
    let address_of = |name: &Name| {
        let (_, address) = peers.iter().find(|(known, _)| known == name)?;
        Some(Peer { port: served(name), ..Peer::host(*address) })
    };
    let fault = step.fault.fault(address_of).map_err(|error| error.to_string())?;
    Ok((fault, target))
}

/// The address of a host of the lab.
async fn peer_of(lab: &LabClient, name: &Name) -> Result<IpAddr, String> {
    let view = lab.host(name.as_str()).await.map_err(|e| e.to_string())?;
    view.address.ok_or_else(|| format!("the host {name} has no address of its own"))
}
