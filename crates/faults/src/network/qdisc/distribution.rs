//! How delays are spread around their middle: the tables that netem draws from.
//!
//! A table is a list of equally likely deviations, counted in standard deviations times 8192. Computed from the formulas
//! of the distributions: each entry is the quantile in the middle of its share.

use deadstick_core::fault::link::Distribution;

/// One standard deviation in a table.
const SCALE: f64 = 8192.0;
const ENTRIES: u16 = 4096;
/// The shape of the heavy tail: with 3 it has a middle and a spread, and just so.
const SHAPE: f64 = 3.0;

/// The table of a distribution; none for the even one, which the kernel draws without.
pub(super) fn table(distribution: Distribution) -> Option<Vec<i16>> {
    match distribution {
        Distribution::Uniform => None,
        Distribution::Normal => Some(scaled(bell())),
        Distribution::Pareto => Some(scaled(tail())),
        Distribution::ParetoNormal => {
            let mixed = bell().into_iter().zip(tail()).map(|(bell, tail)| 0.25 * bell + 0.75 * tail);
            Some(scaled(mixed.collect()))
        }
    }
}

/// What lies beyond four standard deviations has no number in a table: it is cut there.
fn scaled(deviations: Vec<f64>) -> Vec<i16> {
    let limit = f64::from(i16::MAX);
    deviations.into_iter().map(|one| (one * SCALE).round().clamp(-limit, limit) as i16).collect()
}

/// The shares in the middle of which the entries lie.
fn shares() -> impl Iterator<Item = f64> {
    (0..ENTRIES).map(|index| (f64::from(index) + 0.5) / f64::from(ENTRIES))
}

/// Quantiles of the normal distribution: its density is summed from far left, and each share noted as it is passed.
fn bell() -> Vec<f64> {
    const STEP: f64 = 1.0 / 8192.0;
    let density = |at: f64| (-at * at / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let (mut at, mut below) = (-6.0, 0.0);
    shares()
        .map(|share| {
            while below < share && at < 6.0 {
                below += STEP * density(at + STEP / 2.0);
                at += STEP;
            }
            at
        })
        .collect()
}

/// Quantiles of the Pareto distribution, moved and stretched to a middle of 0 and a standard deviation of 1.
fn tail() -> Vec<f64> {
    let mean = SHAPE / (SHAPE - 1.0);
    let deviation = (SHAPE / (SHAPE - 2.0)).sqrt() / (SHAPE - 1.0);
    shares().map(|share| ((1.0 - share).powf(-1.0 / SHAPE) - mean) / deviation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(table: &[i16]) -> (f64, f64) {
        let count = table.len() as f64;
        let mean = table.iter().map(|one| f64::from(*one)).sum::<f64>() / count / SCALE;
        let square = table.iter().map(|one| (f64::from(*one) / SCALE - mean).powi(2)).sum::<f64>() / count;
        (mean, square.sqrt())
    }

    #[test]
    fn the_bell_is_the_one_of_the_textbook() {
        let table = table(Distribution::Normal).expect("a table");
        let (mean, deviation) = moments(&table);
        assert!(mean.abs() < 1e-3 && (deviation - 1.0).abs() < 1e-3, "{mean} {deviation}");
        // Within one, two and three standard deviations lie 68.27, 95.45 and 99.73 of a hundred.
        for (width, share) in [(1.0, 0.6827), (2.0, 0.9545), (3.0, 0.9973)] {
            let inside = table.iter().filter(|one| f64::from(**one).abs() < width * SCALE).count() as f64;
            assert!((inside / table.len() as f64 - share).abs() < 1e-3, "{width}: {inside}");
        }
        let mirrored = table.iter().zip(table.iter().rev()).all(|(left, right)| (left + right).abs() <= 4);
        assert!(mirrored, "both sides are the same");
    }

    #[test]
    fn the_heavy_tail_is_heavy_on_one_side_only() {
        let table = table(Distribution::Pareto).expect("a table");
        // Cut at four deviations, it loses some of its spread and of its middle.
        let (mean, deviation) = moments(&table);
        assert!((-0.03..0.0).contains(&mean) && (0.7..0.8).contains(&deviation), "{mean} {deviation}");
        let least = f64::from(table[0]) / SCALE;
        assert!((least + 0.5 / 0.75_f64.sqrt()).abs() < 1e-3, "nothing below the smallest value: {least}");
        // A share of x⁻³ is above x; the median is the cube root of two.
        let median = f64::from(table[2048]) / SCALE * 0.75_f64.sqrt() + 1.5;
        assert!((median - 2.0_f64.cbrt()).abs() < 1e-3, "{median}");
        assert_eq!(table.last(), Some(&i16::MAX));
    }

    #[test]
    fn the_mixture_lies_between_them_and_all_rise() {
        let [bell, tail, mixed] = [Distribution::Normal, Distribution::Pareto, Distribution::ParetoNormal]
            .map(|distribution| table(distribution).expect("a table"));
        for ((bell, tail), mixed) in bell.iter().zip(&tail).zip(&mixed) {
            assert!(*mixed == i16::MAX || (bell.min(tail)..=bell.max(tail)).contains(&mixed));
        }
        for table in [bell, tail, mixed] {
            assert!(table.is_sorted() && table.len() == usize::from(ENTRIES));
        }
        assert_eq!(table(Distribution::Uniform), None);
    }
}
