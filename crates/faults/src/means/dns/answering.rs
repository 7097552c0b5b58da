//! A responder at work, and the table that leads questions to it.

use std::fs;
use std::net::IpAddr;
use std::os::linux::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use deadstick_core::fault::{DnsAnswer, Flow, Peer};
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use hickory_proto::op::ResponseCode;

use super::super::asking::AT_ONCE;
use super::super::table::Held;
use super::super::{Effect, Site, Step, failed, seen, unseen};
use super::Answered;
use super::servers::ANSWERING;
use crate::cgroup;
use crate::dns::ask::Heard;
use crate::dns::script::Script;
use crate::dns::serve::Responder;
use crate::dns::sockets::Sockets;
use crate::dns::upstream::Upstream;
use crate::error::FaultError;
use crate::holder::link::running;
use crate::injector::Proof;
use crate::kernel::{Askers, DNS, Group, Layer, Questions, TableEffect};
use crate::network::nft;
use crate::process;
use crate::undo::until;

/// How long questions of others may take to come.
const COMING: Duration = Duration::from_secs(5);

/// The same with its sockets, then at work.
pub(super) struct Answering {
    pub(super) means: Answered,
    pub(super) sockets: Option<(Sockets, Upstream)>,
    pub(super) port: u16,
    pub(super) mark: u32,
    /// The server that the proof asks, and what it said before.
    pub(super) before: Option<(IpAddr, Option<Heard>)>,
    pub(super) responder: Option<Responder>,
    pub(super) table: Held,
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
            let mut now = self.means.ask(*server, patience, site).await?;
            // A question passed on may be lost on its way to a server that answers, or its answer.
            if matches!(now, Ok(None)) && !fits(script, before.as_ref(), None) && responder.ours() > count {
                let more = (0..AT_ONCE).map(|_| self.means.ask(*server, patience, site));
                let mut more: FuturesUnordered<_> = more.collect();
                while let Some(heard) = more.try_next().await? {
                    if matches!(heard, Ok(Some(_))) {
                        now = heard;
                        break;
                    }
                }
            }
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
pub(super) fn next_mark() -> u32 {
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
