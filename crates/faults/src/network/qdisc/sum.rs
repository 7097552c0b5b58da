//! The sum of independent delays, each with its own spread, as one table that netem draws from.
//!
//! Pure. A delay is a list of values with weights; two are added value by value, and what comes out is gathered in bins
//! again. So shares are exact to one in eight thousand, and values to about a two-thousandth of the whole range.

/// Values that stand for one delay.
const VALUES: usize = 512;
/// Bins that a sum is gathered in.
const BINS: usize = 2_048;
/// Equally likely values in the table that comes out.
const ENTRIES: usize = 8_192;
/// One jitter in a table, and the most of it that a table's numbers hold.
const SCALE: f64 = 8_192.0;
const WIDEST: f64 = 3.999;

/// One delay; in seconds.
#[derive(Clone, Debug)]
pub(super) struct Late {
    pub(super) delay: f64,
    pub(super) jitter: f64,
    /// What it is drawn from, in shares of the jitter times 8192; evenly from minus to plus the jitter where there is none.
    pub(super) spread: Option<Vec<i16>>,
    /// The share of packets that this one does not delay at all.
    pub(super) not_at_all: f64,
}

/// What several come to.
#[derive(Clone, Debug)]
pub(super) struct Sum {
    pub(super) delay: f64,
    pub(super) jitter: f64,
    pub(super) spread: Vec<i16>,
}

/// A value and its weight.
type Point = (f64, f64);

/// Adds them up.
pub(super) fn sum(all: &[Late]) -> Sum {
    let points =
        all.iter().map(points).reduce(|one, other| added(&one, &other)).unwrap_or_else(|| vec![(0.0, 1.0)]);
    let (low, high) = ends(&points);
    let middle = f64::midpoint(low, high);
    let jitter = (high - middle) / WIDEST;
    let mut below = 0.0;
    let mut entries = Vec::with_capacity(ENTRIES);
    for (value, weight) in &points {
        below += weight;
        let entry = if jitter > 0.0 { ((value - middle) / jitter * SCALE).round() as i16 } else { 0 };
        while entries.len() < ENTRIES && (entries.len() as f64 + 0.5) / ENTRIES as f64 <= below {
            entries.push(entry);
        }
    }
    // Weights add up to one but for roundings.
    let last = entries.last().copied().unwrap_or(0);
    entries.resize(ENTRIES, last);
    Sum { delay: middle, jitter, spread: entries }
}

fn points(late: &Late) -> Vec<Point> {
    let share = |index: usize| (index as f64 + 0.5) / VALUES as f64;
    let deviation = |index: usize| match &late.spread {
        None => 2.0 * share(index) - 1.0,
        Some(table) => {
            let at = (share(index) * table.len() as f64) as usize;
            f64::from(table[at.min(table.len() - 1)]) / SCALE
        }
    };
    let values = if late.jitter > 0.0 { VALUES } else { 1 };
    let weight = (1.0 - late.not_at_all) / values as f64;
    let delayed = (0..values).map(|index| {
        let jitter = if values == 1 { 0.0 } else { late.jitter * deviation(index) };
        ((late.delay + jitter).max(0.0), weight)
    });
    let none = (late.not_at_all > 0.0).then_some((0.0, late.not_at_all));
    none.into_iter().chain(delayed).collect()
}

/// Every value of the one with every value of the other, gathered: each bin has the weight, and the middle, of what is in it.
fn added(one: &[Point], other: &[Point]) -> Vec<Point> {
    let ((low, high), (other_low, other_high)) = (ends(one), ends(other));
    let (low, width) = (low + other_low, high + other_high - low - other_low);
    let mut bins = vec![(0.0, 0.0); BINS];
    for (value, weight) in one {
        for (second, second_weight) in other {
            let (value, weight) = (value + second, weight * second_weight);
            let at =
                if width > 0.0 { ((value - low) / width * (BINS - 1) as f64).round() as usize } else { 0 };
            let bin = &mut bins[at.min(BINS - 1)];
            bin.0 += value * weight;
            bin.1 += weight;
        }
    }
    bins.into_iter().filter(|(_, weight)| *weight > 0.0).map(|(sum, weight)| (sum / weight, weight)).collect()
}

fn ends(points: &[Point]) -> (f64, f64) {
    points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (value, _)| {
        (low.min(*value), high.max(*value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn even(delay: f64, jitter: f64) -> Late {
        Late { delay, jitter, spread: None, not_at_all: 0.0 }
    }

    /// The values that netem would draw.
    fn drawn(sum: &Sum) -> Vec<f64> {
        sum.spread.iter().map(|entry| sum.delay + sum.jitter * f64::from(*entry) / SCALE).collect()
    }

    fn share(values: &[f64], is_so: impl Fn(f64) -> bool) -> f64 {
        values.iter().filter(|value| is_so(**value)).count() as f64 / values.len() as f64
    }

    #[test]
    fn two_even_ones_are_a_triangle() {
        let values = drawn(&sum(&[even(0.02, 0.01), even(0.05, 0.01)]));
        // Half of it lies within 1 - 1/sqrt(2) of the whole width, an eighth below a quarter of it.
        assert!((share(&values, |value| value < 0.06) - 0.125).abs() < 0.002);
        assert!((share(&values, |value| value < 0.07) - 0.5).abs() < 0.002);
        assert!((share(&values, |value| value > 0.08) - 0.125).abs() < 0.002);
        assert!(values.iter().all(|value| (0.05..0.09).contains(value)));
    }

    #[test]
    fn what_one_does_not_delay_the_other_does() {
        let hops = Late { not_at_all: 0.25, ..even(0.05, 0.0) };
        let values = drawn(&sum(&[hops, even(0.02, 0.0)]));
        assert!((share(&values, |value| (value - 0.02).abs() < 1e-5) - 0.25).abs() < 0.001);
        assert!((share(&values, |value| (value - 0.07).abs() < 1e-5) - 0.75).abs() < 0.001);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// Means and variances of independent things add up.
        #[test]
        fn moments_add_up(parts in proptest::collection::vec((0.001_f64..0.1, 0.1_f64..1.0, 0.0_f64..0.9), 2..4)) {
            let all: Vec<_> = parts
                .iter()
                .map(|(delay, jitter, none)| Late { not_at_all: *none, ..even(*delay, delay * jitter) })
                .collect();
            let (mut mean, mut variance) = (0.0, 0.0);
            for Late { delay, jitter, not_at_all, .. } in &all {
                let square = (1.0 - not_at_all) * (delay * delay + jitter * jitter / 3.0);
                let own = (1.0 - not_at_all) * delay;
                mean += own;
                variance += square - own * own;
            }
            let values = drawn(&sum(&all));
            let count = values.len() as f64;
            let found = values.iter().sum::<f64>() / count;
            let spread = values.iter().map(|value| (value - found).powi(2)).sum::<f64>() / count;
            let range: f64 = all.iter().map(|late| late.delay + late.jitter).sum();
            prop_assert!((found - mean).abs() < range / 1_000.0, "{found} {mean}");
            prop_assert!((spread - variance).abs() < range * range / 500.0, "{spread} {variance}");
        }
    }
}
