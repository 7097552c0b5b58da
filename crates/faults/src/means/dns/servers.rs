//! Which name server a proof asks: one that answers, if there is one.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::Site;
use super::Answered;
use crate::dns::ask::{Heard, ask};
use crate::error::FaultError;
use crate::kernel::KernelError;
use crate::network::Namespace;

/// How long a server that answers at all may take.
pub(super) const ANSWERING: Duration = Duration::from_secs(1);
/// Where resolvers are listed.
const RESOLVERS: &str = "etc/resolv.conf";

impl Answered {
    /// Whether a question of our own would be chosen: not by a control group.
    const fn may_ask(&self) -> bool {
        self.flow.cgroup.is_none()
    }

    /// Asks from inside, as the user that the fault is about.
    pub(super) async fn ask(
        &self,
        server: IpAddr,
        patience: Duration,
        site: &Site,
    ) -> Result<std::io::Result<Option<Heard>>, FaultError> {
        let (network, user, (name, kind)) = (self.network.clone(), self.flow.user, self.script.example());
        site.blocking(move |_| {
            let inside = Namespace::open(&network)?.run(|| {
                if let Some(user) = user {
                    // For this thread only, which ends with the question.
                    nix::unistd::setfsuid(user.into());
                }
                ask(server, &name, kind, patience)
            });
            Ok::<_, KernelError>(inside?)
        })
        .await
    }

    /// Whom a proof may ask, best first: the servers named, those that the target's programs know, and addresses that are
    /// there: a question to them comes to us whether anybody listens there or not.
    fn candidates(&self) -> Vec<IpAddr> {
        let to = &self.flow.to;
        let mut all: Vec<_> =
            to.iter().filter(|peer| peer.prefix.is_none()).map(|peer| peer.address).collect();
        all.extend(listed(&self.resolvers()));
        all.extend(&self.known);
        all.push(Ipv4Addr::LOCALHOST.into());
        all.retain(|server| to.is_empty() || to.iter().any(|peer| peer.covers(*server)));
        // Of a range of which nobody is known, any address will do.
        all.extend(to.iter().map(|peer| peer.address));
        all.dedup();
        all
    }

    /// The list of resolvers as the target's programs see it.
    fn resolvers(&self) -> PathBuf {
        if let Some(pid) = self.process {
            return PathBuf::from(format!("/proc/{pid}/root")).join(RESOLVERS);
        }
        // Where `ip netns exec` puts a list of its own.
        let own = self.network.path();
        let named = own.file_name().map(|name| Path::new("/etc/netns").join(name).join("resolv.conf"));
        named.filter(|path| path.exists()).unwrap_or_else(|| Path::new("/").join(RESOLVERS))
    }

    /// The first server that answers, with its answer; else the first one that can be asked at all.
    pub(super) async fn before(&self, site: &Site) -> Result<Option<(IpAddr, Option<Heard>)>, FaultError> {
        let mut silent = None;
        if self.may_ask() {
            for server in self.candidates() {
                match self.ask(server, ANSWERING, site).await? {
                    Ok(Some(heard)) => return Ok(Some((server, Some(heard)))),
                    Ok(None) => silent = silent.or(Some((server, None))),
                    // No way there: nobody asks that one.
                    Err(_) => {}
                }
            }
        }
        Ok(silent)
    }
}

fn listed(path: &Path) -> Vec<IpAddr> {
    // Without a list, glibc asks loopback, and that is asked anyway.
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok())
        .take(3)
        .collect()
}
