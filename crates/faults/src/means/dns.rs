//! Questions for names that get another answer: an owned table leads them to a responder of ours.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use deadstick_core::fault::{Direction, DnsAnswer, Fault, Flow, Peer, ResolvedTarget};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::Undo;
use futures_util::future::BoxFuture;
use hickory_proto::op::ResponseCode;

use super::table::{self, Held};
use super::{Effect, Means, Prepared, Site, Step, failed, seen, unseen};
use crate::cgroup;
use crate::dns::ask::{Heard, ask};
use crate::dns::script::Script;
use crate::dns::serve::{Responder, Sockets};
use crate::dns::upstream::Upstream;
use crate::error::FaultError;
use crate::holder::link::running;
use crate::injector::Proof;
use crate::kernel::{Askers, DNS, Group, KernelError, Layer, Questions, TableEffect};
use crate::network::conntrack::Conntrack;
use crate::network::{Namespace, nft};
use crate::plan::{HostFacts, Planned, PlannedObject};
use crate::process;
use crate::undo::until;

/// How long a server that answers at all may take.
const ANSWERING: Duration = Duration::from_secs(1);
/// How long questions of others may take to come.
const COMING: Duration = Duration::from_secs(5);
/// Where resolvers are listed.
const RESOLVERS: &str = "etc/resolv.conf";

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
        DnsAnswer::Late => format!("the right answer {} after the question", humane(script.delay)),
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

fn humane(length: Duration) -> deadstick_core::units::HumanDuration {
    deadstick_core::units::HumanDuration(length)
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

/// The same with its sockets, then at work.
struct Answering {
    means: Answered,
    sockets: Option<(Sockets, Upstream)>,
    port: u16,
    mark: u32,
    /// The server that the proof asks, and what it said before.
    before: Option<(IpAddr, Option<Heard>)>,
    responder: Option<Responder>,
    table: Held,
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

impl Answered {
    /// Whether a question of our own would be chosen: not by a control group.
    const fn may_ask(&self) -> bool {
        self.flow.cgroup.is_none()
    }

    /// Asks from inside, as the user that the fault is about.
    async fn ask(
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
    async fn before(&self, site: &Site) -> Result<Option<(IpAddr, Option<Heard>)>, FaultError> {
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

impl Effect for Answering {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        Box::pin(async move {
            let Answered { network, script, flow, .. } = &self.means;
            let (sockets, upstream) = self.sockets.take().ok_or(FaultError::Lost)?;
            let responder = Responder::start(script.clone(), sockets, upstream);
            self.responder = Some(responder.map_err(|error| failed(format!("the name server: {error}")))?);
            let group = flow.cgroup.as_deref().map(group).transpose()?;
            let askers = Askers { to: flow.to.clone(), user: flow.user, group };
            let effect = TableEffect::Questions { askers, port: self.port, mark: self.mark };
            self.table.install(site, network, Layer::Internet, effect).await?;
            // What was there before the table does not meet its rules until it is made again.
            let (inside, old) = (network.clone(), connections(flow));
            let ours = [site.ours.as_slice(), &running()].concat();
            site.blocking(move |kernel| kernel.destroyer(&inside)?.destroy(&old, &ours)).await?;
            if flow.cgroup.is_none() && flow.user.is_none() {
                let inside = network.clone();
                site.blocking(move |kernel| kernel.forget(&inside, Questions::All)).await?;
            }
            Ok(())
        })
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let Some(responder) = &self.responder else { return Err(FaultError::Lost) };
            let Some((server, before)) = &self.before else {
                let came = || Ok::<_, FaultError>(responder.ours() > 0);
                return Ok(if until(COMING, came).await? {
                    seen(format!("{} questions came and were answered by us", responder.ours()))
                } else {
                    unseen("nobody asked, and no question of ours would be chosen")
                });
            };
            let script = &self.means.script;
            let patience = ANSWERING + 2 * script.delay;
            let (count, began) = (responder.ours(), Instant::now());
            let now = self.means.ask(*server, patience, site).await?;
            let now = now.map_err(|error| failed(format!("{server} cannot be asked: {error}")))?;
            let then =
                |heard: &Option<Heard>| heard.as_ref().map_or("no answer".to_owned(), Heard::to_string);
            let (name, _) = script.example();
            let words = format!(
                "{name} asked of {server} got {} before, and {} now",
                then(before),
                now.as_ref().map_or_else(
                    || format!("no answer within {} ms", began.elapsed().as_millis()),
                    Heard::to_string
                )
            );
            if responder.ours() == count {
                return Ok(unseen(format!("{words}; the question did not come to us")));
            }
            Ok(if fits(script, before.as_ref(), now.as_ref()) { seen(words) } else { unseen(words) })
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            let Self { table, responder, .. } = *self;
            // The table first: from then on nobody is sent here.
            let held = table.release().await | responder.is_some();
            drop(responder);
            held
        })
    }
}

/// Whether an answer is the one that was asked for.
fn fits(script: &Script, before: Option<&Heard>, now: Option<&Heard>) -> bool {
    match (script.answer, now) {
        (DnsAnswer::Timeout, now) => now.is_none(),
        // A server that said nothing before says nothing late.
        (DnsAnswer::Late, None) => before.is_none(),
        (DnsAnswer::Late, Some(now)) => now.after >= script.delay,
        (_, None) => false,
        (DnsAnswer::Nxdomain, Some(now)) => now.code == ResponseCode::NXDomain && now.after >= script.delay,
        (DnsAnswer::Servfail, Some(now)) => now.code == ResponseCode::ServFail && now.after >= script.delay,
        (DnsAnswer::Wrong, Some(now)) => now.addresses == [script.address] && now.after >= script.delay,
    }
}

/// A mark of this responder alone, higher than those of older ones: tenths of a second since boot, and never the same
/// twice in one process.
fn next_mark() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let now = u32::try_from((process::boottime_ms() / 100) & u64::from(nft::MARK_BITS)).unwrap_or(0);
    let next = |last: u32| Some(now.max(last + 1) & nft::MARK_BITS);
    let last = LAST.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).unwrap_or_default();
    nft::LOWEST_MARK | next(last).unwrap_or(now)
}

/// TCP connections to name servers, those on loopback too.
fn connections(flow: &Flow) -> Flow {
    let any = ["0.0.0.0/0", "127.0.0.0/8", "::/0", "::1"].iter().filter_map(|text| text.parse().ok());
    let to: Vec<Peer> = if flow.to.is_empty() { any.collect() } else { flow.to.clone() };
    let to = to.into_iter().map(|peer| Peer { port: Some(DNS), ..peer }).collect();
    Flow { to, ..flow.clone() }
}

/// A control group as the kernel knows it.
fn group(path: &Path) -> Result<Group, FaultError> {
    let hierarchies = cgroup::hierarchies().map_err(|error| failed(error.to_string()))?;
    let unified = hierarchies.into_iter().find(|hierarchy| hierarchy.version == 2);
    let unified = unified.ok_or_else(|| failed("no unified hierarchy of control groups is mounted"))?;
    let folder = unified.folder(path);
    let metadata = fs::metadata(&folder).map_err(|error| failed(format!("{}: {error}", folder.display())))?;
    let depth = path.components().filter(|part| matches!(part, std::path::Component::Normal(_))).count();
    Ok(Group { number: metadata.st_ino(), depth: u32::try_from(depth).unwrap_or(u32::MAX) })
}

fn listed(path: &Path) -> Vec<IpAddr> {
    // Without a list, glibc asks loopback, and that is asked anyway.
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok())
        .take(3)
        .collect()
}
