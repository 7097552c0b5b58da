//! Which key each request asks for.
//!
//! Owns the skew: one hot key, and all others alike.

use super::schedule::mix;

/// What stands in a URL for the key.
pub(super) const PLACE: &str = "{key}";

/// Keys that requests ask for, in the URL's `{key}`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Keys {
    /// How many there are; they are numbered from 0.
    pub count: u32,
    /// The share of requests that ask for key 0, from 0 to 1; the rest is spread evenly over all.
    pub hot: f64,
}

impl Keys {
    /// The key of a request; the same seed gives the same keys.
    pub(super) fn of(self, seed: u64, seq: u64) -> u32 {
        let fraction = |salt: u64| mix(seed ^ salt ^ mix(seq)) >> 11;
        // 53 bits, which a float holds exactly.
        let whole = (1_u64 << 53) as f64;
        if (fraction(0x006b_6579) as f64) / whole < self.hot {
            return 0;
        }
        let spread = u128::from(fraction(0x7265_7374)) * u128::from(self.count.max(1));
        u32::try_from(spread >> 53).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hot_key_has_its_share_and_the_others_theirs() {
        let keys = Keys { count: 10, hot: 0.5 };
        let mut asked = [0_u32; 10];
        for seq in 0..10_000 {
            asked[keys.of(7, seq) as usize] += 1;
        }
        // Half, and a tenth of the other half.
        assert!((5_200..5_800).contains(&asked[0]), "{asked:?}");
        assert!(asked[1..].iter().all(|count| (400..600).contains(count)), "{asked:?}");
        assert!((0..100).all(|seq| Keys { count: 1, hot: 0.0 }.of(1, seq) == 0));
        assert!((0..100).all(|seq| Keys { count: 9, hot: 1.0 }.of(1, seq) == 0));
    }
}
