//! Counts and percentiles of a load.
//!
//! Owns the histograms: three significant digits, from a microsecond up to an hour.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// What a load has seen so far. Durations are written as milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Summary {
    /// Requests that were due: one [`Sent`](super::Sample::Sent) each.
    pub sent: u64,
    /// Requests answered or given up: one [`Answered`](super::Sample::Answered) each, so `sent - answered` wait.
    pub answered: u64,
    /// Those answered as expected.
    pub ok: u64,
    /// Failed ones that were never sent, because too many others waited for an answer.
    pub shed: u64,
    /// Moments of the schedule at which this process slept for longer than the request's timeout; nothing is known of
    /// them, and they are not in `sent`.
    pub missed: u64,
    /// How long the oldest request that waits has been waiting.
    #[serde(rename = "oldest-pending-ms", with = "maybe_millis", default)]
    pub oldest_pending: Option<Duration>,
    /// Latencies of everything answered or given up, since each was due; failures count with the time they took.
    /// Those shed are left out: they took no time. Nothing when there are none.
    pub latency: Option<Percentiles>,
    /// How much later than due requests began to run: the load generator's own error, and part of the latency.
    pub lateness: Option<Percentiles>,
}

/// Percentiles of durations, written as milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Percentiles {
    /// Half are no longer than this.
    #[serde(rename = "p50-ms", with = "millis")]
    pub p50: Duration,
    /// 90 in 100.
    #[serde(rename = "p90-ms", with = "millis")]
    pub p90: Duration,
    /// 95 in 100.
    #[serde(rename = "p95-ms", with = "millis")]
    pub p95: Duration,
    /// 99 in 100.
    #[serde(rename = "p99-ms", with = "millis")]
    pub p99: Duration,
    /// The longest.
    #[serde(rename = "max-ms", with = "millis")]
    pub max: Duration,
}

/// The counts under way. Times are since the load began.
#[derive(Debug, Default)]
pub(super) struct Tally {
    sent: u64,
    answered: u64,
    ok: u64,
    shed: u64,
    pub(super) missed: u64,
    pending: BTreeMap<u64, Duration>,
    latency: Micros,
    lateness: Micros,
}

impl Tally {
    /// A request was due then.
    pub(super) fn sent(&mut self, seq: u64, due: Duration) {
        self.sent += 1;
        self.pending.insert(seq, due);
    }

    /// A request began to run.
    pub(super) fn began(&mut self, late: Duration) {
        self.lateness.record(late);
    }

    /// A request was answered or given up.
    pub(super) fn answered(&mut self, seq: u64, ok: bool, latency: Duration) {
        self.answered += 1;
        self.ok += u64::from(ok);
        self.pending.remove(&seq);
        self.latency.record(latency);
    }

    /// A request was due and could not be sent.
    pub(super) fn shed(&mut self, seq: u64) {
        self.answered += 1;
        self.shed += 1;
        self.pending.remove(&seq);
    }

    pub(super) fn summary(&self, now: Duration) -> Summary {
        Summary {
            sent: self.sent,
            answered: self.answered,
            ok: self.ok,
            shed: self.shed,
            missed: self.missed,
            oldest_pending: self.pending.values().next().map(|due| now.saturating_sub(*due)),
            latency: self.latency.percentiles(),
            lateness: self.lateness.percentiles(),
        }
    }
}

/// A histogram of microseconds.
struct Micros(Histogram<u64>);

impl Default for Micros {
    fn default() -> Self {
        const HOUR: u64 = 3_600_000_000;
        #[expect(
            clippy::expect_used,
            reason = "the bounds are constants that the constructor admits; a test makes one"
        )]
        Self(Histogram::new_with_bounds(1, HOUR, 3).expect("bounds are valid"))
    }
}

impl fmt::Debug for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Micros({} values)", self.0.len())
    }
}

impl Micros {
    /// Rounded up to a whole microsecond; more than an hour counts as an hour.
    fn record(&mut self, duration: Duration) {
        let micros = duration.as_nanos().div_ceil(1000).max(1);
        self.0.saturating_record(u64::try_from(micros).unwrap_or(u64::MAX));
    }

    fn percentiles(&self) -> Option<Percentiles> {
        let at = |quantile| Duration::from_micros(self.0.value_at_quantile(quantile));
        (!self.0.is_empty()).then(|| Percentiles {
            p50: at(0.50),
            p90: at(0.90),
            p95: at(0.95),
            p99: at(0.99),
            max: Duration::from_micros(self.0.max()),
        })
    }
}

/// A duration as a number of milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        // Whole microseconds, so that 0.978 is not written as 0.9779999999999999.
        serializer.serialize_f64(duration.as_micros() as f64 / 1e3)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let ms = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(ms / 1e3).map_err(serde::de::Error::custom)
    }
}

/// The same where there may be none.
mod maybe_millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Millis(#[serde(with = "super::millis")] Duration);

    pub(super) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        duration.map(Millis).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Millis>::deserialize(deserializer)?.map(|m| m.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_survive_json() {
        let ms = Duration::from_millis;
        let mut tally = Tally::default();
        for seq in 0..102 {
            tally.sent(seq, ms(seq));
            tally.began(Duration::from_micros(978));
        }
        for seq in 0..100 {
            tally.answered(seq, seq % 10 != 0, ms(seq + 1));
        }
        tally.shed(100);
        let summary = tally.summary(ms(151));
        assert_eq!((summary.sent, summary.answered, summary.ok, summary.shed), (102, 101, 90, 1));
        assert_eq!(summary.oldest_pending, Some(ms(50)), "request 101 was due at 101 ms");
        let latency = summary.latency.expect("100 latencies");
        for (seen, meant) in [(latency.p50, 50), (latency.p90, 90), (latency.p99, 99), (latency.max, 100)] {
            let off = seen.abs_diff(ms(meant));
            assert!(off * 1000 <= ms(meant), "three digits: {seen:?} for {meant} ms");
        }
        let json = serde_json::to_string(&summary).expect("numbers");
        assert!(
            json.contains(r#""oldest-pending-ms":50.0"#) && json.contains(r#""p50-ms":0.978,"#),
            "{json}"
        );
        let back: Summary = serde_json::from_str(&json).expect("what was written");
        assert_eq!(back, summary);
    }

    #[test]
    fn extremes_are_kept_within_bounds() {
        let mut micros = Micros::default();
        assert_eq!(micros.percentiles(), None);
        micros.record(Duration::ZERO);
        micros.record(Duration::MAX);
        let seen = micros.percentiles().expect("two values");
        assert_eq!(seen.p50, Duration::from_micros(1));
        assert!(seen.max >= Duration::from_secs(3600) && seen.max < Duration::from_secs(3610));
    }
}
