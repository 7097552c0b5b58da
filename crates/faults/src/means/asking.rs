//! Asking a peer whose answers may be late or lost, by nature or by another fault that is in place.
//!
//! One question says little then: at a loss of 30 % both ways every other one gets no answer. So silence counts only after
//! twice the time that an answer took before, an answer that did not come is asked for again, sixteen times at once, and what
//! a table does to packets is believed by its own count ([`Held::hits_asking`](super::table::Held::hits_asking)).

use std::net::SocketAddr;
use std::time::Duration;

use deadstick_core::identity::NetworkIdentity;
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;

use super::Site;
use crate::error::FaultError;
use crate::kernel::Reach;

/// How long a peer that answers at all may take.
pub(super) const BASELINE: Duration = Duration::from_secs(1);
/// The same, where nothing can be said without an answer: a delay of three seconds each way, and a packet lost.
pub(super) const LATEST: Duration = Duration::from_secs(10);
/// How long nothing must come back before a peer counts as silent, if it answers sooner.
const SILENCE: Duration = Duration::from_millis(400);
/// How many questions are asked at once where one got no answer. Of questions that get an answer every other time, all have
/// none once in 65,000 times.
pub(super) const AT_ONCE: usize = 16;

/// How long nothing must come back before a peer counts as silent that took this long before.
pub(super) fn silence(before: Option<Duration>) -> Duration {
    SILENCE.max(2 * before.unwrap_or_default())
}

/// How long an answer took.
pub(super) fn time(met: Option<&Reach>) -> Option<Duration> {
    match met {
        Some(Reach::Accepted(time)) => Some(*time),
        _ => None,
    }
}

/// Connects by TCP, again where nothing came back: for whom a connection must be made that can be made at all.
pub(super) async fn insist(
    site: &Site,
    network: &NetworkIdentity,
    peer: SocketAddr,
) -> Result<Reach, FaultError> {
    let once = |patience| {
        let network = network.clone();
        site.blocking(move |kernel| kernel.reach(&network, peer, patience))
    };
    match once(BASELINE).await? {
        Reach::Silent => {}
        met => return Ok(met),
    }
    let mut more: FuturesUnordered<_> = (0..AT_ONCE).map(|_| once(LATEST)).collect();
    while let Some(met) = more.try_next().await? {
        if met != Reach::Silent {
            return Ok(met);
        }
    }
    Ok(Reach::Silent)
}
