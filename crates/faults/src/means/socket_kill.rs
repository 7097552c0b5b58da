//! Live TCP connections that are destroyed, and each new one until the lease ends.
//!
//! The kernel ends them by socket diagnosis: the owner of a socket sees `ECONNABORTED`, its peer a reset. Sockets of ours
//! are spared: those of the owner, of its holders and of the guardian.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadstick_core::fault::{Direction, Fault, Flow, Peer, ResolvedTarget};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::Undo;
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::task::JoinHandle;

use super::asking::{AT_ONCE, BASELINE, LATEST};
use super::table::{DISCARD, asked, network};
use super::{Effect, Means, Prepared, Site, Step, seen, unseen};
use crate::error::FaultError;
use crate::holder::link::running;
use crate::injector::Proof;
use crate::kernel::{Destroyer, Ended};
use crate::plan::{Planned, PlannedObject};
use crate::undo::until;

/// How often new connections are looked for. A look that takes long is followed by a longer pause.
const EVERY: Duration = Duration::from_millis(100);
/// How long connections may take to come.
const COMING: Duration = Duration::from_secs(2);
/// How many connections are named as evidence.
const NAMED: usize = 3;

/// Plans the end of connections.
pub(crate) fn plan(fault: &Fault, flow: &Flow, target: &ResolvedTarget) -> Result<Planned, FaultError> {
    let network = network(fault, target)?;
    if flow.direction != Direction::Both {
        return Err(FaultError::refused(
            "a connection has no direction: destroyed, it ends both ways",
            "leave `direction` out",
        ));
    }
    if flow.iface.is_some() {
        return Err(FaultError::refused(
            "the kernel does not say over which device a connection goes",
            "name the device's addresses with `from`",
        ));
    }
    let ends = |word: &str, peers: &[Peer]| {
        let peers: Vec<_> = peers.iter().map(Peer::to_string).collect();
        if peers.is_empty() { String::new() } else { format!(" {word} {}", peers.join(", ")) }
    };
    let group = flow.cgroup.as_ref().map_or(String::new(), |group| format!(" of {}", group.display()));
    let user = flow.user.map_or(String::new(), |user| format!(" of user {user}"));
    let chosen = format!("{}{}{group}{user}", ends("to", &flow.to), ends("from", &flow.from));
    let objects = vec![PlannedObject::new(
        format!("TCP connections{chosen} in {network}: destroyed, and new ones too while the lease lasts"),
        "none: programs connect again once new ones are left alone",
    )];
    // Of one end only: whether a connection of ours would be chosen by the rest is not known before it is made.
    let ask = asked(flow, target).filter(|ask| flow.from.is_empty() && ask.port() != DISCARD);
    Ok(Planned::new(Killed { network, flow: flow.clone(), ask }, objects))
}

#[derive(Clone, Debug)]
struct Killed {
    network: NetworkIdentity,
    flow: Flow,
    ask: Option<SocketAddr>,
}

impl Killed {
    /// Destroys a connection of ours; tries again where none came about.
    async fn sacrifice(&self, site: &Site, peer: SocketAddr) -> Result<Option<Duration>, FaultError> {
        let once = |patience| {
            let network = self.network.clone();
            site.blocking(move |kernel| kernel.sacrifice(&network, peer, patience))
        };
        if let Some(time) = once(BASELINE).await? {
            return Ok(Some(time));
        }
        let mut more: FuturesUnordered<_> = (0..AT_ONCE).map(|_| once(LATEST)).collect();
        while let Some(ended) = more.try_next().await? {
            if ended.is_some() {
                return Ok(ended);
            }
        }
        Ok(None)
    }
}

/// What was destroyed so far.
#[derive(Default)]
struct Toll {
    count: AtomicUsize,
    first: Mutex<Vec<Ended>>,
}

impl Toll {
    fn add(&self, ended: Vec<Ended>) {
        self.count.fetch_add(ended.len(), Ordering::AcqRel);
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let room = NAMED.saturating_sub(first.len());
        first.extend(ended.into_iter().take(room));
    }

    fn evidence(&self) -> Option<String> {
        let count = self.count.load(Ordering::Acquire);
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let named: Vec<_> = first.iter().map(|one| format!("{} → {}", one.local, one.peer)).collect();
        let more = if count > named.len() { " and more" } else { "" };
        (count > 0).then(|| format!("{count} destroyed and not there any more: {}{more}", named.join(", ")))
    }
}

struct Killing {
    means: Killed,
    destroyer: Arc<dyn Destroyer>,
    toll: Arc<Toll>,
    rounds: Option<Rounds>,
}

/// Ends with the value.
struct Rounds(JoinHandle<()>);

impl Drop for Rounds {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Means for Killed {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let inside = self.network.clone();
            let destroyer: Arc<dyn Destroyer> =
                site.blocking(move |kernel| kernel.destroyer(&inside)).await?.into();
            let undo = Undo::Nothing { because: "programs connect again".to_owned() };
            let toll = Arc::default();
            Ok(Prepared::new(undo, Killing { means: self.clone(), destroyer, toll, rounds: None }))
        })
    }
}

impl Effect for Killing {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        Box::pin(async move {
            let round = {
                let (destroyer, flow, ours) =
                    (Arc::clone(&self.destroyer), self.means.flow.clone(), site.ours.clone());
                move || destroyer.destroy(&flow, &[ours.as_slice(), &running()].concat())
            };
            // The first round says whether it can be done at all.
            let first = tokio::task::spawn_blocking(round.clone()).await.map_err(|_| FaultError::Lost)??;
            self.toll.add(first);
            let toll = Arc::clone(&self.toll);
            self.rounds = Some(Rounds(tokio::spawn(async move {
                loop {
                    let began = Instant::now();
                    // What fails once (a control group that is just being changed) is tried again in the next round.
                    if let Ok(Ok(ended)) = tokio::task::spawn_blocking(round.clone()).await {
                        toll.add(ended);
                    }
                    tokio::time::sleep(EVERY.max(4 * began.elapsed())).await;
                }
            })));
            Ok(())
        })
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            if let Some(evidence) = self.toll.evidence() {
                return Ok(seen(evidence));
            }
            let came = || Ok::<_, FaultError>(self.toll.evidence().is_some());
            if let Some(ask) = self.means.ask {
                let ended = tokio::select! {
                    ended = self.means.sacrifice(site, ask) => ended?,
                    // Somebody else's.
                    came = until(2 * LATEST, came) => came.map(|_| None)?,
                };
                if let Some(time) = ended {
                    return Ok(seen(format!(
                        "no connection of others was there; one of ours to {ask} ended {:.1} ms after it was destroyed",
                        time.as_secs_f64() * 1e3
                    )));
                }
            }
            until(COMING, came).await?;
            Ok(self.toll.evidence().map_or_else(|| unseen("no connection was there to be destroyed"), seen))
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        Box::pin(async move { self.rounds.is_some() })
    }
}
