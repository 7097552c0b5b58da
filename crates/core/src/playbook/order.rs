//! Faults as playbooks order them: on hosts by name, since addresses are known only when the lab is up.

use std::time::Duration;

use super::step;
use crate::fault::{Fault, FaultKind, ParameterError, Peer};
use crate::units::Name;

/// A fault on a host of the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultStep {
    /// What.
    pub fault: FaultOrder,
    /// On which host.
    pub host: Name,
    /// For how long at most; until the drill must be over when none.
    pub lease: Option<Duration>,
}

/// A fault with its peers as host names, since addresses are known only when the lab is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultOrder {
    /// Which kind.
    pub kind: FaultKind,
    /// Its parameters, as written; they were read once with stand-ins for the hosts.
    pub parameters: Vec<(String, String)>,
    /// The hosts that are named as peers.
    pub peers: Vec<Name>,
}

impl FaultOrder {
    /// The fault, with the address of each host that is named.
    ///
    /// # Errors
    /// What is wrong with a parameter; never for an order that a playbook was compiled to.
    pub fn fault(&self, address_of: impl Fn(&Name) -> Option<Peer>) -> Result<Fault, ParameterError> {
        let written = |text: &str| {
            let names = text.split(',').map(|part| {
                let peer = self.peers.iter().find(|name| name.as_str() == part.trim()).and_then(&address_of);
                peer.map_or_else(|| part.trim().to_owned(), |peer| peer.to_string())
            });
            names.collect::<Vec<_>>().join(",")
        };
        let pairs: Vec<(&str, String)> = self
            .parameters
            .iter()
            .map(|(name, text)| {
                (
                    name.as_str(),
                    if step::PEERS.contains(&name.as_str()) { written(text) } else { text.clone() },
                )
            })
            .collect();
        Fault::read(self.kind, pairs.iter().map(|(name, text)| (*name, text.as_str())))
    }
}
