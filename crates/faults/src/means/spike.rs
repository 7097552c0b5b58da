//! A spike of requests, sent whether or not answers keep up.

use std::sync::Arc;
use std::time::Duration;

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::ledger::Undo;
use futures_util::future::BoxFuture;

use super::{Effect, Means, Prepared, Site, Step, failed, seen, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::load::{LoadCounts, LoadOrder, RunningLoad};
use crate::plan::{Planned, PlannedObject};
use crate::undo::until;

/// The most requests a second that one sender keeps up.
const MOST: u32 = 10_000;
/// How many keys there are unless said otherwise.
const KEYS: u32 = 1_000;
/// How long the load is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a request may be on its way before it counts as one that somebody has to bear.
const ON_ITS_WAY: Duration = Duration::from_millis(500);
/// What of the asked rate must be sent within that time: the rest is for a machine that is busy itself.
const ENOUGH_PERCENT: u64 = 70;

/// Plans it.
pub(crate) fn plan(fault: &Fault, target: &ResolvedTarget) -> Result<Planned, FaultError> {
    let Fault::Spike { url, method, per_second, keys, hot } = fault else {
        return Err(FaultError::refused(format!("{} is no spike", fault.kind()), "plan it by its own kind"));
    };
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        return Err(FaultError::refused(
            format!("{url:?} is no URL for a spike"),
            "write http://… or https://…",
        ));
    }
    if *per_second == 0 || *per_second > MOST {
        let what = format!("{per_second} requests a second");
        return Err(FaultError::refused(what, "ask for 1 to 10000; start several for more"));
    }
    if keys.is_some_and(|keys| keys == 0) {
        return Err(FaultError::refused("a spike on no key", "ask for one key or more"));
    }
    if (keys.is_some() || hot.is_some()) && !url.contains("{key}") {
        let hint = "write {key} where it belongs, such as http://127.0.0.1:8080/item/{key}";
        return Err(FaultError::refused("the URL has no place for a key", hint));
    }
    let order = LoadOrder {
        network: target.network.clone(),
        url: url.clone(),
        method: *method,
        per_second: *per_second,
        keys: keys.unwrap_or(KEYS),
        hot: hot.unwrap_or_default(),
    };
    let whence = target.network.as_ref().map_or_else(String::new, |network| format!(" from {network}"));
    let objects = vec![PlannedObject::new(
        format!("{method} {url}, {per_second} times a second{whence}, each on a connection of its own"),
        "the requests stop, and those on their way are given up; they stop with their owner, too",
    )];
    Ok(Planned::new(Spike { order }, objects))
}

#[derive(Clone, Debug)]
struct Spike {
    order: LoadOrder,
}

struct Spiking {
    order: LoadOrder,
    load: Option<Arc<dyn RunningLoad>>,
}

impl Means for Spike {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            if site.load.is_none() {
                return Err(FaultError::refused(
                    "there is nothing here that sends requests",
                    "use `deadstick inject`",
                ));
            }
            let because = "the requests stopped with the process that sent them".to_owned();
            Ok(Prepared::new(Undo::Nothing { because }, Spiking { order: self.order.clone(), load: None }))
        })
    }
}

impl Effect for Spiking {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        Box::pin(async move {
            let (factory, order) = (site.load.clone().ok_or(FaultError::Lost)?, self.order.clone());
            // Starting one may block until its own tasks run.
            let started = tokio::task::spawn_blocking(move || factory.start(order)).await;
            let load = started.map_err(|_| FaultError::Lost)?.map_err(|error| failed(error.to_string()))?;
            self.load = Some(load.into());
            Ok(())
        })
    }

    fn prove<'a>(&'a mut self, _: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let load = self.load.as_ref().ok_or(FaultError::Lost)?;
            let wanted = u64::from(self.order.per_second) * ENOUGH_PERCENT / 100;
            let began = tokio::time::Instant::now();
            // A slow sender is looked at for longer, but counts as what it sends in that time.
            let enough = |counts: &LoadCounts| counts.sent >= wanted.max(1) && began.elapsed() >= LOOK;
            let mut counts = LoadCounts::default();
            until(3 * LOOK, || {
                counts = load.counts();
                Ok::<_, FaultError>(enough(&counts))
            })
            .await?;
            let sent = counts.sent;
            let enough = enough(&counts);
            // Where every request is refused at once, nobody bears a load; one is always on its way to be refused.
            let borne = |counts: &LoadCounts| counts.served > 0 || sent > counts.served + counts.failed;
            if enough && counts.served == 0 {
                until(ON_ITS_WAY, || {
                    counts = load.counts();
                    Ok::<_, FaultError>(counts.served > 0 || !borne(&counts))
                })
                .await?;
            }
            let took = began.elapsed().as_secs_f64();
            let LoadCounts { sent, served, failed } = counts;
            let words = format!("{sent} requests sent in {took:.1} s: {served} served, {failed} failed");
            Ok(if enough && borne(&counts) { seen(words) } else { unseen(words) })
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            let held = self.load.is_some();
            // Stopping waits for the thread that sends.
            drop(tokio::task::spawn_blocking(move || drop(self.load)).await);
            held
        })
    }
}

#[cfg(test)]
mod tests {
    use deadstick_core::fault::HttpMethod;
    use deadstick_core::units::Percent;
    use tokio::time::Instant;

    use super::super::odds::site;
    use super::*;
    use crate::kernel::pretended::Link;

    /// A thousand requests a second, all but so many of which have failed.
    struct Failing {
        began: Instant,
        under_way: u64,
    }

    impl RunningLoad for Failing {
        fn counts(&self) -> LoadCounts {
            let sent = u64::try_from(self.began.elapsed().as_millis()).expect("it fits");
            LoadCounts { sent, served: 0, failed: sent.saturating_sub(self.under_way) }
        }
    }

    async fn is_seen(under_way: u64) -> bool {
        let order = LoadOrder {
            network: None,
            url: "http://10.9.0.2/".to_owned(),
            method: HttpMethod::Get,
            per_second: 1_000,
            keys: 1,
            hot: Percent::default(),
        };
        let load: Arc<dyn RunningLoad> = Arc::new(Failing { began: Instant::now(), under_way });
        let mut spiking = Spiking { order, load: Some(load) };
        spiking.prove(&site(Link::default(), 1)).await.expect("looked").landed
    }

    /// At any moment one of them is on its way to be refused.
    #[tokio::test]
    async fn requests_that_are_all_refused_are_no_load() {
        assert!(!is_seen(3).await);
    }

    #[tokio::test]
    async fn requests_that_wait_are_a_load() {
        assert!(is_seen(100_000).await);
    }
}
