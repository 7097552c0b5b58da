//! Looking for lateness: how long a peer takes to answer, before and after.
//!
//! One measurement says little: the first packets of a link, or a busy machine, may be late by themselves. So medians are
//! compared, and half of the delay asked for is enough.

use std::net::SocketAddr;
use std::time::Duration;

use deadstick_core::identity::NetworkIdentity;

use super::table::BASELINE;
use super::{Site, seen, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::{Kernel, KernelError, Reach};

/// What is timed.
#[derive(Clone, Copy)]
pub(super) enum Timed {
    /// A connection being accepted: one round trip.
    Connect,
    /// The end of a connection being answered: one round trip, through a relay too, which accepts by itself.
    Farewell,
}

/// The median time a peer takes; none when it did not answer each time.
pub(super) async fn time(
    site: &Site,
    network: &NetworkIdentity,
    peer: SocketAddr,
    what: Timed,
    (delay, jitter): (Duration, Duration),
) -> Result<Option<Duration>, FaultError> {
    let network = network.clone();
    // A wide spread needs more to have a middle.
    let samples = if jitter > delay / 2 { 9 } else { 3 };
    let patience = BASELINE + 4 * (delay + jitter);
    let once = move |kernel: &dyn Kernel| match what {
        Timed::Farewell => kernel.farewell(&network, peer, patience),
        Timed::Connect => Ok(match kernel.reach(&network, peer, patience)? {
            Reach::Accepted(time) => Some(time),
            Reach::Refused(_) | Reach::Silent => None,
        }),
    };
    site.blocking(move |kernel| {
        let mut times = Vec::new();
        for _ in 0..samples {
            let Some(time) = once(kernel)? else { return Ok::<_, KernelError>(None) };
            times.push(time);
        }
        times.sort();
        Ok(Some(times[samples / 2]))
    })
    .await
}

/// Whether a peer answers later now, by half of the delay at least.
pub(super) fn compared(peer: SocketAddr, plain: Duration, now: Option<Duration>, delay: Duration) -> Proof {
    let Some(now) = now else { return unseen(format!("{peer} does not answer any more")) };
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let words = format!("{peer} answered in {:.1} ms before, in {:.1} ms now", ms(plain), ms(now));
    if now >= plain + delay / 2 { seen(words) } else { unseen(words) }
}
