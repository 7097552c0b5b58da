//! Looking for lateness: whether a peer answers later than before, by half of the delay asked for at least.
//!
//! One answer says little: a machine is busy, a link has a spread already, and a jitter as wide as the delay lets some of
//! the answers come as early as before. So every answer is a vote, for late or for timely, and answers are asked for until
//! one side leads by enough: a sequential test of two shares (A. Wald, "Sequential Analysis", 1947). Where nothing
//! spreads, three answers do; what is not late is soon known, since its answers come soon.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use deadstick_core::identity::NetworkIdentity;
use futures_util::future::try_join_all;

use super::table::BASELINE;
use super::{Site, seen, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::Reach;

/// How many answers are asked for at a time, and the fewest that say anything.
const ROUND: usize = 3;
/// By how many votes late answers must lead where answers spread. A delay that is not there, of a quarter of the spread
/// that is, has three late answers of eight: (3/5)^16 is less than one in a thousand.
const LEAD: usize = 16;
/// By how many votes timely answers must lead. More, since so many are soon heard where nothing is late, and a delay that is
/// there must not be missed by bad luck.
const LAG: usize = 30;
/// The most answers; then their median is good enough, or the majority says.
const MOST_VOTES: usize = 300;
/// The fewest answers that tell a spread; three of a wide one are close together far too often.
const SPREAD_FROM: usize = 9;
/// The fewest answers that tell how wide it is.
const WIDTH_FROM: usize = 30;
/// How long answers are asked for before; and after, but for this many rounds of late ones.
const LONGEST_LOOK: Duration = Duration::from_secs(5);
const ROUNDS: u32 = 5;

/// What is timed.
#[derive(Clone, Copy)]
pub(super) enum Timed {
    /// A connection being accepted: one round trip.
    Connect,
    /// The end of a connection being answered: one round trip, through a relay too, which accepts by itself.
    Farewell,
}

/// A peer, and how late its answers are asked to be.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) network: NetworkIdentity,
    pub(super) peer: SocketAddr,
    pub(super) timed: Timed,
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
}

/// How long a peer's answers took before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usual {
    median: Duration,
    /// Between the first and the last of them.
    spread: Duration,
}

impl Asked {
    /// How long answers take before anything is done; none when most of the questions have none.
    pub(super) async fn usual(&self, site: &Site) -> Result<Option<Usual>, FaultError> {
        let (mut times, mut silent, began) = (Vec::new(), 0, Instant::now());
        loop {
            for answer in self.round(site).await? {
                match answer {
                    Some(time) => times.push(time),
                    None => silent += 1,
                }
            }
            if silent >= ROUND && silent >= times.len() {
                return Ok(None);
            }
            times.sort();
            if times.len() >= ROUND
                && (times.len() >= enough(&times, self.delay) || began.elapsed() > LONGEST_LOOK)
            {
                return Ok(Some(Usual { median: median(&times), spread: times[times.len() - 1] - times[0] }));
            }
        }
    }

    /// Whether answers come later now. One that does not come at all is no vote, unless there are hardly others.
    pub(super) async fn compared(&self, site: &Site, usual: Usual) -> Result<Proof, FaultError> {
        let line = usual.median + self.delay / 2;
        let longest = LONGEST_LOOK.max((self.delay + self.jitter) * ROUNDS);
        let lead = lead(usual.spread, self.delay, self.jitter);
        let (mut times, mut silent, began) = (Vec::new(), 0, Instant::now());
        let late = loop {
            for answer in self.round(site).await? {
                match answer {
                    Some(time) => times.push(time),
                    None => silent += 1,
                }
            }
            if silent >= ROUND && silent >= times.len() {
                return Ok(unseen(format!("{} does not answer any more", self.peer)));
            }
            let late = times.iter().filter(|time| **time >= line).count();
            let over = times.len() >= ROUND && began.elapsed() > longest;
            if let Some(verdict) = verdict(late, times.len() - late, lead, over) {
                break verdict;
            }
        };
        times.sort();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let Self { peer, .. } = self;
        let mut words = format!(
            "{peer} answered in {:.1} ms before, in {:.1} ms now",
            ms(usual.median),
            ms(median(&times))
        );
        if times.len() > ROUND {
            words += &format!(" (medians, now of {} answers)", times.len());
        }
        Ok(if late { seen(words) } else { unseen(words) })
    }

    /// Asks a few times at once: a long delay is waited for once only.
    async fn round(&self, site: &Site) -> Result<Vec<Option<Duration>>, FaultError> {
        let patience = BASELINE + 4 * (self.delay + self.jitter);
        let once = || {
            let Self { network, peer, timed, .. } = self.clone();
            site.blocking(move |kernel| match timed {
                Timed::Farewell => kernel.farewell(&network, peer, patience),
                Timed::Connect => Ok(match kernel.reach(&network, peer, patience)? {
                    Reach::Accepted(time) => Some(time),
                    Reach::Refused(_) | Reach::Silent => None,
                }),
            })
        };
        try_join_all((0..ROUND).map(|_| once())).await
    }
}

fn median(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() / 2]
}

/// How many answers it takes until their median is known well enough, judged by those there are, in order.
fn enough(sorted: &[Duration], delay: Duration) -> usize {
    let count = sorted.len();
    if count < SPREAD_FROM || sorted[count - 1] - sorted[0] <= delay / 4 {
        return SPREAD_FROM;
    }
    if count < WIDTH_FROM {
        return WIDTH_FROM;
    }
    // The middle half of an even spread is half as wide as all of it, and a median of n is off by half of all over √n: an
    // eighth of the delay is good enough.
    let middle = (sorted[count * 3 / 4] - sorted[count / 4]).as_secs_f64();
    let wanted = (8.0 * middle / delay.as_secs_f64()).powi(2).ceil();
    WIDTH_FROM.max(wanted.min(MOST_VOTES as f64) as usize)
}

/// By how many votes late answers must lead.
fn lead(spread: Duration, delay: Duration, jitter: Duration) -> usize {
    if jitter <= delay / 2 && spread <= delay / 4 { ROUND } else { LEAD }
}

/// Whether answers are late; none while more of them are needed.
fn verdict(late: usize, timely: usize, lead: usize, over: bool) -> Option<bool> {
    if late >= timely + lead {
        Some(true)
    } else if timely >= late + LAG {
        Some(false)
    } else {
        (over || late + timely >= MOST_VOTES).then_some(late > timely)
    }
}

#[cfg(test)]
mod tests;
