//! When each request is due.
//!
//! Owns the arithmetic, without a clock; leaves keeping to it to [`super::pace`].

use std::time::Duration;

/// One request in every span, at a seeded point of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    pub(super) every: Duration,
    pub(super) seed: u64,
}

impl Schedule {
    /// When a request is due, since the first span began. Grows with the number.
    pub(super) fn due(self, seq: u64) -> Duration {
        let every = self.every.as_nanos();
        // A 64-bit fraction of the span. Its product fits: 2^64 spans of 500 years would not be reached by any clock.
        let within = every.saturating_mul(u128::from(mix(self.seed ^ mix(seq)))) >> 64;
        let nanos = every.saturating_mul(u128::from(seq)).saturating_add(within);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// The finalizer of splitmix64 (Steele, Lea and Flood 2014): fixed for good, so that a seed means the same schedule in
/// every version.
pub(super) const fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        // The first number of the published generator for this seed.
        assert_eq!(mix(1_234_567), 6_457_827_717_110_365_317);
        let schedule = Schedule { every: Duration::from_millis(100), seed: 7 };
        let first: Vec<_> = (0..4).map(|seq| schedule.due(seq).as_micros()).collect();
        assert_eq!(first, [39_354, 146_519, 210_777, 390_821]);
        let other = Schedule { seed: 8, ..schedule };
        assert_ne!(other.due(0), schedule.due(0));
    }

    proptest! {
        #[test]
        fn each_span_has_one_request(seed: u64, seq in 0..1_000_000_000_u64, micros in 100..10_000_000_u64) {
            let every = Duration::from_micros(micros);
            let due = Schedule { every, seed }.due(seq).as_nanos();
            let begins = every.as_nanos() * u128::from(seq);
            prop_assert!((begins..begins + every.as_nanos()).contains(&due));
        }
    }

    #[test]
    fn the_points_are_spread_evenly() {
        let every = Duration::from_millis(1);
        let schedule = Schedule { every, seed: 1 };
        let mut tenths = [0_u32; 10];
        for seq in 0..10_000 {
            let within = schedule.due(seq).as_nanos() % every.as_nanos();
            if let Some(n) =
                usize::try_from(within * 10 / every.as_nanos()).ok().and_then(|i| tenths.get_mut(i))
            {
                *n += 1;
            }
        }
        assert!(tenths.iter().all(|n| (850..1150).contains(n)), "{tenths:?}");
    }
}
