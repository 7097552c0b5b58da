//! Which packets a network fault is about.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Peer, choice};

choice! {
    /// Which packets, seen from the target.
    Direction {
        /// What the target sends.
        Egress = "egress",
        /// What the target receives.
        Ingress = "ingress",
        /// Both.
        #[default]
        Both = "both",
    }
}

/// Which packets: what is not given does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Flow {
    /// The other end: one of these addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<Peer>,
    /// This end: one of these addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<Peer>,
    /// Which way.
    #[serde(default, skip_serializing_if = "is_both")]
    pub direction: Direction,
    /// Over this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iface: Option<String>,
    /// Of sockets made by processes of this control group (a path below the root of the unified hierarchy).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<PathBuf>,
    /// Of sockets that this user made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_both(direction: &Direction) -> bool {
    *direction == Direction::Both
}

impl Flow {
    /// Everything with one peer.
    #[must_use]
    pub fn with(peer: Peer) -> Self {
        Self { to: vec![peer], ..Self::default() }
    }

    /// Whether packets are told by the socket they belong to, and not by what is written on them alone.
    #[must_use]
    pub const fn is_by_socket(&self) -> bool {
        self.cgroup.is_some() || self.user.is_some()
    }

    /// What makes no sense about it, as the problem and what to write instead.
    #[must_use]
    pub fn nonsense(&self) -> Option<(String, &'static str)> {
        if self.iface.as_deref() == Some("lo") {
            return Some((
                "a disturbance of loopback".to_owned(),
                "name another device: what happens inside a host is never disturbed",
            ));
        }
        let has = |peers: &[Peer], four: bool| peers.iter().any(|peer| peer.address.is_ipv4() == four);
        let apart = |four| has(&self.to, four) && has(&self.from, four);
        if !self.to.is_empty() && !self.from.is_empty() && !apart(true) && !apart(false) {
            return Some((
                "packets between an IPv4 and an IPv6 address".to_owned(),
                "name both ends by addresses of the same family",
            ));
        }
        None
    }

    /// What narrows it down, but for the direction: ` with …` and so on, or nothing.
    #[must_use]
    pub fn words(&self) -> String {
        let peers = |word: &str, peers: &[Peer]| {
            let names: Vec<_> = peers.iter().map(Peer::to_string).collect();
            if names.is_empty() { String::new() } else { format!(" {word} {}", names.join(", ")) }
        };
        let mut words = peers("with", &self.to) + &peers("at its", &self.from);
        if let Some(iface) = &self.iface {
            words += &format!(" over {iface}");
        }
        if let Some(cgroup) = &self.cgroup {
            words += &format!(" of control group {}", cgroup.display());
        }
        if let Some(user) = self.user {
            words += &format!(" of user {user}");
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_says_what_it_is_about_and_what_cannot_be() {
        let peer = |text: &str| text.parse::<Peer>().expect("a peer");
        let flow = Flow {
            to: vec![peer("10.0.0.2:80"), peer("10.1.0.0/16")],
            from: vec![peer("10.0.0.1")],
            iface: Some("eth0".to_owned()),
            user: Some(7),
            ..Flow::default()
        };
        assert_eq!(flow.words(), " with 10.0.0.2:80, 10.1.0.0/16 at its 10.0.0.1 over eth0 of user 7");
        assert_eq!((flow.nonsense(), Flow::default().words()), (None, String::new()));
        assert!(Flow { from: vec![peer("::1")], ..flow.clone() }.nonsense().is_some());
        assert!(Flow { iface: Some("lo".to_owned()), ..flow }.nonsense().is_some());
    }
}
