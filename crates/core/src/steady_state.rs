//! Steady state: what users see when all is well, judged over a sliding window.
//!
//! Owns the tolerance and the judgement of one stream of requests; leaves sending them to the probes crate and what a
//! loss means to [`crate::drill`]. Requests are sent on a schedule whatever the answers do (open loop), and one that is
//! still waiting counts as slow from the moment it is later than tolerated: a system that hangs is seen to hang, and
//! nothing is left out because nobody answered (coordinated omission).

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{HumanDuration, Percent};

/// What users put up with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tolerance {
    /// The least share of requests that succeed.
    #[serde(default = "every_request")]
    pub success: Percent,
    /// The slowest that the 95th percentile may be, from the moment a request was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<HumanDuration>,
    /// The window that both are taken over.
    #[serde(default = "three_seconds")]
    pub over: HumanDuration,
}

impl std::fmt::Display for Tolerance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.success)?;
        self.p95.map_or(Ok(()), |p95| write!(f, " and p95 {p95}"))
    }
}

fn every_request() -> Percent {
    Percent::from_ratio(1.0)
}

fn three_seconds() -> HumanDuration {
    HumanDuration::secs(3)
}

/// Something that happened to one request; times are since the stream began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// It was due.
    Sent {
        /// Which.
        seq: u64,
        /// When.
        at: Duration,
    },
    /// It was answered, or given up.
    Answered {
        /// Which.
        seq: u64,
        /// Whether as hoped.
        ok: bool,
        /// Since it was due.
        latency: Duration,
    },
}

/// What the window says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Requests that are judged: answered, or late already.
    pub requests: usize,
    /// Share of those that did not fail.
    pub success: f64,
    /// 95th percentile of their latency (of those still waiting: so far).
    pub p95: Duration,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = Percent::from_ratio((self.success * 1000.0).round() / 1000.0);
        write!(f, "{percent} of {} requests succeeded, p95 {} ms", self.requests, self.p95.as_millis())
    }
}

/// Where a steady state stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    /// The window is not full yet.
    Undetermined,
    /// All is well.
    Holding(Measured),
    /// It is not.
    Lost(Measured),
}

impl Standing {
    /// Whether all is well, as far as is known.
    #[must_use]
    pub const fn holds(&self) -> bool {
        matches!(self, Self::Holding(_))
    }
}

/// One stream of requests under watch.
#[derive(Clone, Debug)]
pub struct Watch {
    tolerance: Tolerance,
    requests: BTreeMap<u64, Request>,
    first: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    due: Duration,
    answer: Option<(bool, Duration)>,
}

impl Watch {
    /// A stream that has not begun.
    #[must_use]
    pub const fn new(tolerance: Tolerance) -> Self {
        Self { tolerance, requests: BTreeMap::new(), first: None }
    }

    /// Takes a sample; an answer to a request that has left the window changes nothing.
    pub fn take(&mut self, sample: Sample) {
        match sample {
            Sample::Sent { seq, at } => {
                self.first.get_or_insert(at);
                self.requests.insert(seq, Request { due: at, answer: None });
            }
            Sample::Answered { seq, ok, latency } => {
                if let Some(request) = self.requests.get_mut(&seq) {
                    request.answer = Some((ok, latency));
                }
            }
        }
    }

    /// What the window that ends now says.
    pub fn judge(&mut self, now: Duration) -> Standing {
        let window = self.tolerance.over.0;
        let begins = now.saturating_sub(window);
        let slow = self.tolerance.p95.map_or(Duration::MAX, |p| p.0);
        // A request leaves the window when it is answered and old; one that still waits is evidence as long as it waits.
        self.requests.retain(|_, r| r.due >= begins || r.answer.is_none());
        if self.first.is_none_or(|first| now.saturating_sub(first) < window) {
            return Standing::Undetermined;
        }
        let mut latencies = Vec::with_capacity(self.requests.len());
        let mut failed = 0_usize;
        for request in self.requests.values() {
            match request.answer {
                Some((ok, latency)) => {
                    failed += usize::from(!ok);
                    latencies.push(latency);
                }
                None => {
                    let waited = now.saturating_sub(request.due);
                    if waited > slow {
                        latencies.push(waited);
                    }
                }
            }
        }
        if latencies.is_empty() {
            return Standing::Undetermined;
        }
        latencies.sort_unstable();
        let requests = latencies.len();
        // Nearest rank: the smallest latency that 95 of 100 do not exceed.
        let p95 = latencies[(requests * 95).div_ceil(100) - 1];
        #[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^52 requests")]
        let success = (requests - failed) as f64 / requests as f64;
        let measured = Measured { requests, success, p95 };
        if success >= self.tolerance.success.ratio() && p95 <= slow {
            Standing::Holding(measured)
        } else {
            Standing::Lost(measured)
        }
    }

    /// What users put up with.
    #[must_use]
    pub const fn tolerance(&self) -> Tolerance {
        self.tolerance
    }

    /// The window's length.
    #[must_use]
    pub const fn window(&self) -> Duration {
        self.tolerance.over.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn watch() -> Watch {
        Watch::new(Tolerance {
            success: Percent::from_ratio(0.9),
            p95: Some(HumanDuration::millis(500)),
            over: HumanDuration::secs(1),
        })
    }

    /// Requests every 100 ms, answered after `latency` where it is given.
    fn feed(watch: &mut Watch, from: u64, to: u64, latency: Option<u64>) {
        for at in (from..to).step_by(100) {
            watch.take(Sample::Sent { seq: at, at: MS(at) });
            if let Some(latency) = latency {
                watch.take(Sample::Answered { seq: at, ok: true, latency: MS(latency) });
            }
        }
    }

    #[test]
    fn undetermined_until_the_window_is_full() {
        let mut w = watch();
        assert_eq!(w.judge(MS(5000)), Standing::Undetermined);
        feed(&mut w, 0, 900, Some(5));
        assert_eq!(w.judge(MS(900)), Standing::Undetermined);
        feed(&mut w, 900, 1100, Some(5));
        assert!(w.judge(MS(1100)).holds());
    }

    #[test]
    fn a_hang_is_seen_before_anything_times_out() {
        let mut w = watch();
        feed(&mut w, 0, 2000, Some(5));
        feed(&mut w, 2000, 2700, None);
        assert!(matches!(w.judge(MS(2700)), Standing::Lost(m) if m.p95 >= MS(500)), "waiting counts");
    }

    #[test]
    fn requests_that_wait_for_ever_never_leave() {
        let mut w = watch();
        feed(&mut w, 0, 2000, Some(5));
        feed(&mut w, 2000, 2500, None);
        feed(&mut w, 2500, 2600, Some(5));
        assert!(matches!(w.judge(MS(60_000)), Standing::Lost(_)));
    }

    #[test]
    fn failures_count_and_recovery_is_seen() {
        let mut w = watch();
        feed(&mut w, 0, 2000, Some(5));
        for at in (2000..2300).step_by(100) {
            w.take(Sample::Sent { seq: at, at: MS(at) });
            w.take(Sample::Answered { seq: at, ok: false, latency: MS(1) });
        }
        assert!(matches!(w.judge(MS(2300)), Standing::Lost(m) if m.success < 0.9));
        feed(&mut w, 2300, 3600, Some(5));
        assert!(w.judge(MS(3600)).holds());
    }
}
