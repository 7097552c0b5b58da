//! Looking for lateness: how long a peer takes to answer, before and after.
//!
//! One measurement says little: the first packets of a link, or a busy machine, may be late by themselves. So medians are
//! compared, and half of the delay asked for is enough.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use deadstick_core::identity::NetworkIdentity;

use super::apply::{BASELINE, Placed, blocking};
use super::before::Before;
use super::live::State;
use super::prove::{by_count, seen, unseen};
use super::{Proof, Shared};
use crate::error::FaultError;
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
    kernel: &Arc<dyn Kernel>,
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
    blocking(kernel, move |kernel| {
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

impl Shared {
    /// A connection takes longer because its packets are late.
    pub(super) async fn slow_link(
        &self,
        network: &NetworkIdentity,
        ask: Option<SocketAddr>,
        late: (Duration, Duration),
        before: &Before,
        placed: &Placed,
        state: &mut State,
    ) -> Result<Proof, FaultError> {
        let (Some(ask), Some(plain)) = (ask, before.plain) else {
            let hits = self.hits(placed, state, Duration::from_secs(1)).await?;
            return Ok(by_count(hits, "no peer answers"));
        };
        let now = time(&self.kernel, network, ask, Timed::Connect, late).await?;
        Ok(compared(ask, plain, now, late.0))
    }

    /// The end of a connection takes longer because the relay is late.
    pub(super) async fn slow_peer(
        &self,
        network: &NetworkIdentity,
        peer: SocketAddr,
        late: (Duration, Duration),
        before: &Before,
    ) -> Result<Proof, FaultError> {
        let Some(plain) = before.plain else {
            return Ok(unseen(format!(
                "{peer} did not answer the end of a connection before, so there is nothing to compare with"
            )));
        };
        let now = time(&self.kernel, network, peer, Timed::Farewell, late).await?;
        Ok(compared(peer, plain, now, late.0))
    }
}

fn compared(peer: SocketAddr, plain: Duration, now: Option<Duration>, delay: Duration) -> Proof {
    let Some(now) = now else { return unseen(format!("{peer} does not answer any more")) };
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let words = format!("{peer} answered in {:.1} ms before, in {:.1} ms now", ms(plain), ms(now));
    if now >= plain + delay / 2 { seen(words) } else { unseen(words) }
}
