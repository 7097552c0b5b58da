//! What chance allows: bounds on counts and on the shape of a spread. Exact ones, no approximations by bell curves.

use std::ops::RangeInclusive;

/// How often a bound of this module doubts what is true.
const DOUBT: f64 = 1e-6;

/// How often something of this probability happens in so many independent tries.
pub(crate) fn successes(tries: usize, probability: f64) -> RangeInclusive<usize> {
    assert!((0.0..=1.0).contains(&probability), "{probability}");
    if probability == 0.0 || probability == 1.0 {
        let all = if probability == 0.0 { 0 } else { tries };
        return all..=all;
    }
    let (yes, no) = (probability.ln(), (1.0 - probability).ln());
    let mut chances = Vec::with_capacity(tries + 1);
    let mut log = real(tries) * no;
    for count in 0..=tries {
        chances.push(log.exp());
        log += (real(tries - count) / real(count + 1)).ln() + yes - no;
    }
    let low = beyond_the_tail(chances.iter()).unwrap_or(0);
    let high = tries - beyond_the_tail(chances.iter().rev()).unwrap_or(0);
    low..=high
}

/// Where the chances, added up from one end, exceed half of the doubt.
fn beyond_the_tail<'a>(mut chances: impl Iterator<Item = &'a f64>) -> Option<usize> {
    let mut mass = 0.0;
    chances.position(|chance| {
        mass += chance;
        mass > DOUBT / 2.0
    })
}

/// The largest distance between the share of samples below any value and the share that the distribution puts there
/// (Kolmogorov and Smirnov).
pub(crate) fn distance(samples: &[f64], below: impl Fn(f64) -> f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = real(sorted.len());
    let apart = sorted.iter().enumerate().map(|(index, value)| {
        let asked = below(*value);
        (asked - real(index) / count).max(real(index + 1) / count - asked)
    });
    apart.fold(0.0, f64::max)
}

/// The distance that so many samples of the distribution itself keep to (Dvoretzky, Kiefer, Wolfowitz; Massart's constant).
pub(crate) fn farthest(samples: usize) -> f64 {
    ((2.0 / DOUBT).ln() / (2.0 * real(samples))).sqrt()
}

/// The largest distance between two sets of samples; it keeps to [`farthest`] of the one plus that of the other.
pub(crate) fn apart(samples: &[f64], others: &[f64]) -> f64 {
    let [samples, others] = [samples, others].map(|one| {
        let mut sorted = one.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    });
    let up_to = |of: &[f64], end: f64| real(of.partition_point(|value| *value <= end)) / real(of.len());
    let ends = samples.iter().chain(&others);
    ends.map(|end| (up_to(&samples, *end) - up_to(&others, *end)).abs()).fold(0.0, f64::max)
}

/// Counts of packets are small.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) const fn real(count: usize) -> f64 {
    count as f64
}

#[test]
fn bounds_are_those_of_the_textbook() {
    // Summed in whole numbers elsewhere.
    assert_eq!(successes(100, 0.5), 26..=74);
    assert_eq!(successes(1_000, 0.001), 0..=9);
    assert_eq!(successes(7, 0.0), 0..=0);
    assert_eq!(successes(7, 1.0), 7..=7);
    assert!((farthest(1_000) - 0.0852).abs() < 1e-4, "{}", farthest(1_000));
}

#[test]
fn a_spread_is_told_from_another() {
    let even: Vec<f64> = (0..1_000).map(|index| (real(index) + 0.5) / 1_000.0).collect();
    assert!(distance(&even, |value| value) < 0.001);
    assert!(distance(&even, |value| value * value) > farthest(even.len()));
    let squares: Vec<f64> = even.iter().map(|value| value * value).collect();
    assert!(apart(&even, &squares) > 2.0 * farthest(even.len()));
    assert!(apart(&even, &even) == 0.0);
}
