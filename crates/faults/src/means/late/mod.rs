//! Looking for lateness: whether a peer answers later than before, by half of the delay asked for at least.
//!
//! One answer says little: a machine is busy, a link has a spread already, and a jitter as wide as the delay lets some of
//! the answers come as early as before. So every answer is a vote, for late or for timely, and answers are asked for until
//! one side leads by enough: a sequential test of two shares (A. Wald, "Sequential Analysis", 1947). Where nothing
//! spreads, three answers do; what is not late is soon known, since its answers come soon.
//!
//! A connection whose first packet was lost is answered a second later, when TCP sends it again. Where answers come sooner
//! than that, such a one is not waited for: it is no vote. Where they do not, or it is the end of a connection that is timed,
//! which is sent again within 200 ms, the earliest of four answers is one vote where any were lost.

use std::net::SocketAddr;
use std::time::Duration;

use deadstick_core::identity::NetworkIdentity;
use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::asking::{AT_ONCE, BASELINE, LATEST};
use super::{Site, seen, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::Reach;

/// How many answers are asked for at a time, and the fewest that say anything.
const ROUND: usize = 3;
/// The same where an answer may be late because a packet was lost.
const LONG_ROUND: usize = 6;
/// The earliest of so many answers is one vote where packets are lost.
const OF_LOSSY: usize = 4;
/// Before TCP sends a first packet again.
const PROMPT: Duration = Duration::from_millis(950);
/// By how many votes late answers must lead where answers spread. A delay that is not there, of a quarter of the spread
/// that is, has three late answers of eight: (3/5)^16 is less than one in a thousand.
const LEAD: usize = 16;
/// By how many votes timely answers must lead. More, since so many are soon heard where nothing is late, and a delay that is
/// there must not be missed by bad luck.
const LAG: usize = 30;
/// The most answers; then their median is good enough, or the majority says.
const MOST_VOTES: usize = 300;
/// The most questions, answered or not.
const MOST_QUESTIONS: usize = 2 * MOST_VOTES;
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
    longest: Duration,
    /// Between the first and the last of them.
    spread: Duration,
    /// Some did not come.
    lossy: bool,
}

impl Usual {
    fn of(sorted: &[Duration], silent: usize) -> Self {
        let longest = sorted[sorted.len() - 1];
        Self { median: median(sorted), longest, spread: longest - sorted[0], lossy: silent > 0 }
    }

    /// Whether answers differ by more than such a delay, so that one that is there may be missed.
    pub(super) fn hides(&self, delay: Duration) -> bool {
        self.spread > delay
    }
}

/// What was answered so far.
#[derive(Default)]
struct Heard {
    times: Vec<Duration>,
    silent: usize,
}

impl Heard {
    /// The earliest of each so many.
    fn add(&mut self, answers: &[Option<Duration>], group: usize) {
        self.silent += answers.iter().filter(|answer| answer.is_none()).count();
        self.times.extend(answers.chunks(group).filter_map(|some| some.iter().flatten().min()));
        self.times.sort();
    }
}

impl Asked {
    /// How long answers take before anything is done; none when most of the questions have none. The end of a connection
    /// is waited for longer: nothing else can prove a relay.
    pub(super) async fn usual(&self, site: &Site) -> Result<Option<Usual>, FaultError> {
        let (mut heard, began) = (Heard::default(), Instant::now());
        heard.add(&self.round(site, ROUND, PROMPT).await?, 1);
        let insists = matches!(self.timed, Timed::Farewell);
        let (mut patience, mut group) = (PROMPT, 1);
        if insists && heard.times.is_empty() {
            patience = LATEST;
            heard.add(&self.round(site, AT_ONCE, patience).await?, OF_LOSSY);
        }
        loop {
            if insists && group == 1 && heard.silent > 0 && self.is_narrow() && !heard.times.is_empty() {
                // Those there were are of another kind.
                group = OF_LOSSY;
                heard.times.clear();
                heard.add(&self.round(site, ROUND * group, patience).await?, group);
            }
            let Heard { times, silent } = &heard;
            if times.is_empty() || !insists && *silent >= ROUND && *silent >= times.len() {
                return Ok(None);
            }
            if times.len() >= ROUND
                && (times.len() >= enough(times, self.delay) || began.elapsed() > LONGEST_LOOK)
                || times.len() + silent >= MOST_QUESTIONS
            {
                return Ok(Some(Usual::of(times, *silent)));
            }
            heard.add(&self.round(site, ROUND * group, patience).await?, group);
        }
    }

    /// Whether its own jitter leaves every answer later than half of the delay.
    fn is_narrow(&self) -> bool {
        self.jitter <= self.delay / 2
    }

    /// Whether answers come later now. One that does not come at all is no vote.
    pub(super) async fn compared(&self, site: &Site, usual: Usual) -> Result<Proof, FaultError> {
        let line = usual.median + self.delay / 2;
        let late_by = self.delay + self.jitter;
        let longest = LONGEST_LOOK.max((usual.longest + late_by) * ROUNDS);
        let unhurried = BASELINE + 2 * usual.longest + 4 * late_by;
        let is_prompt = usual.longest + late_by <= PROMPT * 3 / 4;
        let (round, patience) = if is_prompt { (ROUND, PROMPT) } else { (LONG_ROUND, unhurried) };
        let is_clean = is_prompt && matches!(self.timed, Timed::Connect);
        let group = if usual.lossy && self.is_narrow() && !is_clean { OF_LOSSY } else { 1 };
        let lead = match () {
            () if group > 1 => LONG_ROUND,
            () if self.is_narrow() && usual.spread <= self.delay / 4 => round,
            () => LEAD,
        };
        let (mut heard, began) = (Heard::default(), Instant::now());
        heard.add(&self.round(site, round * group, patience).await?, group);
        if heard.times.is_empty() {
            heard.add(&self.round(site, AT_ONCE, unhurried).await?, group);
        }
        let late = loop {
            let Heard { times, silent } = &heard;
            if times.is_empty() {
                return Ok(unseen(format!("{} does not answer any more", self.peer)));
            }
            let late = times.iter().filter(|time| **time >= line).count();
            // A machine that stood still meanwhile has not asked enough.
            let over = began.elapsed() > longest && times.len() >= WIDTH_FROM
                || times.len() + silent >= MOST_QUESTIONS;
            if let Some(verdict) = verdict(late, times.len() - late, lead, over) {
                break verdict;
            }
            heard.add(&self.round(site, round * group, patience).await?, group);
        };
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (Self { peer, .. }, times) = (self, &heard.times);
        let mut words = format!(
            "{peer} answered in {:.1} ms before, in {:.1} ms now",
            ms(usual.median),
            ms(median(times))
        );
        if times.len() > ROUND {
            words += &format!(" (medians, now of {} answers)", times.len());
        }
        Ok(if late { seen(words) } else { unseen(words) })
    }

    /// Asks a few times at once: a long delay is waited for once only.
    async fn round(
        &self,
        site: &Site,
        count: usize,
        patience: Duration,
    ) -> Result<Vec<Option<Duration>>, FaultError> {
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
        try_join_all((0..count).map(|_| once())).await
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
