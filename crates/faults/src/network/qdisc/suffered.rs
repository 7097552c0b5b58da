//! What packets suffer that several impairments are for: one after the other, each in full.
//!
//! Pure. A qdisc can carry another one below it, but delays in both would stand in each other's way on older kernels. So
//! everything is put into one netem: delays add up, and so do their spreads; a packet passes when every loss lets it. Only a
//! second kind of bursts, which one netem cannot keep in mind, gets a netem of its own below, which delays nothing.

use std::time::Duration;

use deadstick_core::fault::Impairment;

use super::distribution;
use super::netem::{LONGEST_JITTER, Netem, Told};
use super::sum::{Late, sum};

/// More than netem can be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("their delays together vary by more than netem computes with")]
pub(crate) struct TooWide;

/// Whether a qdisc that only queues is enough: nothing but a rate was asked for.
pub(crate) fn is_only_rate(impairment: &Impairment) -> bool {
    Impairment { rate: impairment.rate, ..Impairment::default() } == *impairment
}

/// The netems that packets pass, the first one on top; none where only rates count.
pub(super) fn chain(all: &[&Impairment]) -> Result<Vec<Netem>, TooWide> {
    let all: Vec<_> = all.iter().copied().filter(|one| !is_only_rate(one)).collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let mut bursts = all.iter().filter_map(|one| one.burst_chances());
    let mut first = lateness(&all)?;
    // What is lost in bursts is not lost by itself.
    first.loss = any(all.iter().filter(|one| one.burst_chances().is_none()).map(|one| one.loss.ratio()));
    first.bursts = bursts.next();
    first.duplicate = any(all.iter().map(|one| one.duplicate.ratio()));
    first.corrupt = any(all.iter().map(|one| one.corrupt.ratio()));
    let below = bursts.map(|bursts| Told { bursts: Some(bursts), ..Told::default() });
    Ok(std::iter::once(first).chain(below).map(|told| Netem::from(&told)).collect())
}

/// That at least one of several independent things happens.
fn any(chances: impl Iterator<Item = f64>) -> f64 {
    // With one of them it is that one, to the last bit.
    chances.reduce(|one, other| one + other - one * other).unwrap_or(0.0)
}

/// How late packets are, as netem is told.
fn lateness(all: &[&Impairment]) -> Result<Told, TooWide> {
    let late: Vec<_> = all.iter().copied().filter(|one| !one.delay.0.is_zero()).collect();
    let varied: Vec<_> =
        late.iter().filter(|one| !one.jitter.0.is_zero() || one.reorder.ratio() > 0.0).collect();
    // What is not delayed by the one is by the others: netem knows only packets that nothing delays.
    let overtakes_some = late.len() > 1 && late.iter().any(|one| one.reorder.ratio() > 0.0);
    if varied.len() < 2 && !overtakes_some {
        let delay = late.iter().try_fold(Duration::ZERO, |sum, one| sum.checked_add(one.delay.0));
        let one = varied.first();
        return Ok(Told {
            delay: delay.ok_or(TooWide)?,
            jitter: one.map_or(Duration::ZERO, |one| one.jitter.0),
            spread: one.and_then(|one| distribution::table(one.distribution)).unwrap_or_default(),
            reorder: one.map_or(0.0, |one| one.reorder.ratio()),
            ..Told::default()
        });
    }
    let late: Vec<_> = late
        .iter()
        .map(|one| Late {
            delay: one.delay.0.as_secs_f64(),
            jitter: one.jitter.0.as_secs_f64(),
            spread: distribution::table(one.distribution),
            not_at_all: one.reorder.ratio(),
        })
        .collect();
    let sum = sum(&late);
    if sum.jitter > LONGEST_JITTER.as_secs_f64() {
        return Err(TooWide);
    }
    let duration = |seconds| Duration::try_from_secs_f64(seconds).map_err(|_| TooWide);
    Ok(Told {
        delay: duration(sum.delay)?,
        jitter: duration(sum.jitter)?,
        spread: sum.spread,
        ..Told::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chain_of(texts: &[&str]) -> Vec<Netem> {
        let all: Vec<Impairment> = texts.iter().map(|text| text.parse().expect("an impairment")).collect();
        chain(&all.iter().collect::<Vec<_>>()).expect("the kernel's numbers hold it")
    }

    #[test]
    fn what_one_netem_can_do_is_one_with_the_sums() {
        for (several, one) in [
            (&["delay=20ms", "delay=30ms"][..], "delay=50ms"),
            (
                &["delay=20ms", "delay=30ms,jitter=5ms,distribution=normal"],
                "delay=50ms,jitter=5ms,distribution=normal",
            ),
            (&["loss=50%", "loss=20%"], "loss=60%"),
            (&["loss=50%", "loss=100%"], "loss=100%"),
            (&["delay=20ms", "loss=10%,burst=4"], "delay=20ms,loss=10%,burst=4"),
            (&["corrupt=50%", "corrupt=50%", "duplicate=5%"], "corrupt=75%,duplicate=5%"),
            (&["delay=20ms,reorder=25%", "loss=1%"], "delay=20ms,reorder=25%,loss=1%"),
            (&["delay=20ms,rate=1MB/s", "rate=2MB/s"], "delay=20ms"),
        ] {
            assert_eq!(chain_of(several), chain_of(&[one]), "{several:?}");
        }
        assert_eq!(chain_of(&["rate=1MB/s", "rate=2MB/s"]), []);
    }

    #[test]
    fn bursts_and_single_losses_are_one_model_and_other_bursts_another() {
        let [first, second] = &chain_of(&["loss=25%,burst=4", "delay=9ms,loss=20%", "loss=10%,burst=2"])[..]
        else {
            panic!("two of them");
        };
        let alone = |text| chain_of(&[text]).remove(0);
        assert_eq!(*second, alone("loss=10%,burst=2"));
        assert_ne!(*first, alone("delay=9ms,loss=25%,burst=4"), "those between the bursts are lost as well");
        assert_eq!(*first, chain_of(&["delay=9ms", "loss=20%", "loss=25%,burst=4"])[0]);
    }

    #[test]
    fn what_is_wider_than_the_kernels_numbers_is_not_cut() {
        let of = |texts: &[&str]| {
            let all: Vec<Impairment> =
                texts.iter().map(|text| text.parse().expect("an impairment")).collect();
            chain(&all.iter().collect::<Vec<_>>())
        };
        assert!(of(&["delay=3s,jitter=2s", "delay=3s,jitter=2s"]).is_ok());
        assert_eq!(of(&["delay=1h,reorder=50%", "delay=1s"]), Err(TooWide));
    }

    proptest! {
        /// In whatever order they are given, and however they are put together, it is the same.
        #[test]
        fn order_does_not_count(
            losses in proptest::collection::vec(0.0..1.0, 1..5), delays in proptest::collection::vec(1_u64..1_000_000, 1..5),
        ) {
            let text = |(loss, delay): (&f64, &u64)| -> Impairment {
                format!("delay={delay}us,loss={:.4}%", loss * 99.0 + 0.001).parse().expect("an impairment")
            };
            let all: Vec<_> = losses.iter().zip(&delays).map(text).collect();
            let forth = chain(&all.iter().collect::<Vec<_>>()).expect("sums");
            let back = chain(&all.iter().rev().collect::<Vec<_>>()).expect("sums");
            // To the last bit but one: sums of fractions depend on the order by a rounding.
            let close = |one: &Netem, other: &Netem| one.is_near(other);
            prop_assert!(forth.len() == 1 && back.len() == 1 && close(&forth[0], &back[0]), "{forth:?} {back:?}");
        }
    }
}
