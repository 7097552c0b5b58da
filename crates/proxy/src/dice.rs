//! Chance that can be repeated: every roll derives from the seed, the proxy, the connection's number, the stream and the toxic.
//!
//! No roll depends on when it happens or on what other connections do, so the same seed and the same calls give the
//! same run. The generator is `SplitMix64` (Steele, Lea and Flood, 2014), written out here because a seed printed today must
//! mean the same run with every later version of this crate.

/// A stream of rolls.
#[derive(Debug, Clone)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Dice whose every roll follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Dice from a seed that differs with each call and each run.
    pub fn entropy() -> u64 {
        use std::hash::{BuildHasher, Hasher};
        // The hasher's keys are the one source of randomness that the standard library has.
        std::collections::hash_map::RandomState::new().build_hasher().finish()
    }

    /// Dice for one named part of what these dice are for. Does not advance `self`.
    pub fn part(&self, name: &[u8]) -> Self {
        let mut part = self.clone();
        for block in name.chunks(8) {
            let mut bytes = [0; 8];
            bytes[..block.len()].copy_from_slice(block);
            part.state ^= u64::from_le_bytes(bytes);
            part.state = part.bits();
        }
        // The length tells "a" + "" from "" + "a".
        part.state ^= name.len() as u64;
        part.state = part.bits();
        part
    }

    /// [`Dice::part`] for a number.
    pub fn number(&self, number: u64) -> Self {
        self.part(&number.to_le_bytes())
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `[0, 1)`.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in `[-spread, spread)`; 0 if `spread` is not positive.
    pub fn around(&mut self, spread: i64) -> i64 {
        if spread <= 0 {
            return 0;
        }
        let width = u128::from(spread.unsigned_abs()) * 2;
        let roll = i128::try_from((u128::from(self.bits()) * width) >> 64).unwrap_or(0);
        i64::try_from(roll - i128::from(spread)).unwrap_or(0)
    }

    /// Uniform in `[0, bound)`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let roll = (u128::from(self.bits()) * bound as u128) >> 64;
        usize::try_from(roll).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_rolls_for_ever() {
        // Published first outputs of `SplitMix64` for seed 1234567.
        let mut dice = Dice::new(1_234_567);
        assert_eq!(dice.bits(), 6_457_827_717_110_365_317);
        assert_eq!(dice.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn parts_differ_and_do_not_disturb_each_other() {
        let dice = Dice::new(42);
        let mut seen: Vec<u64> = ["", "a", "b", "ab", "aaaaaaaa", "aaaaaaaaa"]
            .iter()
            .map(|name| dice.part(name.as_bytes()).bits())
            .collect();
        seen.push(dice.number(1).bits());
        seen.push(dice.number(2).bits());
        let total = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), total);
        assert_eq!(dice.part(b"a").bits(), Dice::new(42).part(b"a").bits());
    }

    #[test]
    fn rolls_stay_in_range_at_the_edges() {
        let mut dice = Dice::new(7);
        for _ in 0..1_000 {
            assert!((0.0..1.0).contains(&dice.fraction()));
            assert!((-3..3).contains(&dice.around(3)));
            assert!(dice.below(5) < 5);
        }
        assert_eq!(dice.around(0), 0);
        assert_eq!(dice.around(-9), 0);
        assert_eq!(dice.below(0), 0);
        dice.around(i64::MAX);
    }
}
