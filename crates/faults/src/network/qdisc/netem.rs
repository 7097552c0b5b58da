//! The options of netem as bytes, and back.
//!
//! Owns the turn from an impairment to the kernel's fixed-point numbers. The rate is not among them: HTB above keeps it,
//! with netem and without. What several impairments come to is for [`super::suffered`] to say.

use std::time::Duration;

use crate::network::wire;

/// Packets netem keeps at once: a second of a busy 1 Gbit/s link.
pub(super) const LIMIT: u32 = 100_000;
/// The kernel's tick of packet scheduling.
const TICK_NS: u64 = 64;
/// Bytes of `tc_netem_qopt`.
const FIXED: usize = 24;
const DISTRIBUTION: u16 = 2;
const REORDER: u16 = 3;
const CORRUPT: u16 = 4;
const LOSS: u16 = 5;
const LATENCY64: u16 = 10;
const JITTER64: u16 = 11;
/// Within `LOSS`: the model of Gilbert and Elliott.
const GILBERT_ELLIOTT: u16 = 2;

/// The longest jitter that netem computes with.
pub(crate) const LONGEST_JITTER: Duration = Duration::from_nanos(i32::MAX as u64);

/// What netem is told, in its own numbers; chances are shares of 2³².
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Netem {
    delay_ns: u64,
    jitter_ns: u64,
    loss: u32,
    bursts: Option<Bursts>,
    duplicate: u32,
    corrupt: u32,
    reorder: u32,
    /// The kernel does not show what it draws from: what is read back has none.
    spread: Vec<i16>,
}

/// Losses in bursts, as the model of Gilbert and Elliott has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bursts {
    begins: u32,
    ends: u32,
    /// That a packet outside of any burst is lost.
    between: u32,
}

/// What netem is to do, in the units of the world; chances are ratios.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Told {
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
    /// What delays are drawn from, in shares of the jitter times 8192; evenly where it is empty.
    pub(super) spread: Vec<i16>,
    /// Of packets by themselves; with bursts, of those outside of any.
    pub(super) loss: f64,
    /// That a burst of losses begins, and that it ends.
    pub(super) bursts: Option<(f64, f64)>,
    pub(super) duplicate: f64,
    pub(super) corrupt: f64,
    pub(super) reorder: f64,
}

impl From<&Told> for Netem {
    fn from(told: &Told) -> Self {
        let bursts = told.bursts.map(|(begins, ends)| Bursts {
            begins: chance(begins),
            ends: chance(ends),
            between: chance(told.loss),
        });
        Self {
            delay_ns: nanoseconds(told.delay),
            jitter_ns: nanoseconds(told.jitter.min(LONGEST_JITTER)),
            loss: if bursts.is_some() { 0 } else { chance(told.loss) },
            bursts,
            duplicate: chance(told.duplicate),
            corrupt: chance(told.corrupt),
            reorder: chance(told.reorder),
            spread: told.spread.clone(),
        }
    }
}

/// A ratio as a share of 2³²: what is above zero never becomes never, and only everything becomes always.
fn chance(ratio: f64) -> u32 {
    let most = f64::from(u32::MAX);
    match ratio {
        ratio if ratio <= 0.0 => 0,
        ratio if ratio >= 1.0 => u32::MAX,
        ratio => (ratio * most).round().clamp(1.0, most - 1.0) as u32,
    }
}

fn nanoseconds(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX).min(i64::MAX.unsigned_abs())
}

impl Netem {
    /// `tc_netem_qopt` (latency, limit, loss, gap, duplicate, jitter), then attributes. Latency and jitter stand there twice:
    /// the first form is coarse and short, the second one is what kernels of today act on.
    pub(super) fn encode(&self) -> Vec<u8> {
        let ticks = |nanoseconds: u64| u32::try_from(nanoseconds / TICK_NS).unwrap_or(u32::MAX);
        let gap = u32::from(self.reorder > 0);
        let mut bytes =
            words([ticks(self.delay_ns), LIMIT, self.loss, gap, self.duplicate, ticks(self.jitter_ns)]);
        attribute(&mut bytes, LATENCY64, &self.delay_ns.to_ne_bytes());
        attribute(&mut bytes, JITTER64, &self.jitter_ns.to_ne_bytes());
        // A chance and its correlation, which is none: netem's correlation changes the share itself.
        if self.reorder > 0 {
            attribute(&mut bytes, REORDER, &words([self.reorder, 0]));
        }
        if self.corrupt > 0 {
            attribute(&mut bytes, CORRUPT, &words([self.corrupt, 0]));
        }
        if let Some(Bursts { begins, ends, between }) = self.bursts {
            // The third one is the chance that a packet of a burst passes: none.
            let mut model = Vec::new();
            attribute(&mut model, GILBERT_ELLIOTT, &words([begins, ends, 0, between]));
            attribute(&mut bytes, LOSS | wire::NESTED, &model);
        }
        if !self.spread.is_empty() {
            let table: Vec<u8> = self.spread.iter().copied().flat_map(i16::to_ne_bytes).collect();
            attribute(&mut bytes, DISTRIBUTION, &table);
        }
        bytes
    }

    /// Reads what the kernel shows.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| wire::u32_at(bytes, 4 * at);
        let rest = bytes.get(FIXED..)?;
        let long = |kind| wire::find(rest, kind)?.try_into().ok().map(u64::from_ne_bytes);
        let first = |kind| wire::find(rest, kind).and_then(|value| wire::u32_at(value, 0)).unwrap_or(0);
        let bursts =
            wire::find(rest, LOSS).and_then(|model| wire::find(model, GILBERT_ELLIOTT)).and_then(|model| {
                let word = |at: usize| wire::u32_at(model, 4 * at);
                Some(Bursts { begins: word(0)?, ends: word(1)?, between: word(3)? })
            });
        Some(Self {
            delay_ns: long(LATENCY64).or_else(|| Some(u64::from(word(0)?) * TICK_NS))?,
            jitter_ns: long(JITTER64).or_else(|| Some(u64::from(word(5)?) * TICK_NS))?,
            loss: word(2)?,
            bursts,
            duplicate: word(4)?,
            corrupt: first(CORRUPT),
            reorder: first(REORDER),
            spread: Vec::new(),
        })
    }

    /// Whether what the kernel shows is what it was told, as far as it shows it.
    pub(crate) fn is_shown_as(&self, shown: &Self) -> bool {
        *shown == Self { spread: Vec::new(), ..self.clone() }
    }

    /// Whether it loses the same but for a rounding, and is the same otherwise.
    #[cfg(test)]
    pub(super) fn is_near(&self, other: &Self) -> bool {
        self.loss.abs_diff(other.loss) < 4 && *self == Self { loss: self.loss, ..other.clone() }
    }
}

fn attribute(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // The longest one is a table of 16 KiB.
    bytes.extend(u16::try_from(value.len() + 4).unwrap_or(u16::MAX).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

pub(super) fn words<const N: usize>(words: [u32; N]) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_ne_bytes).collect()
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::super::suffered;
    use super::*;
    use deadstick_core::fault::Impairment;
    use deadstick_core::units::Percent;
    use proptest::prelude::*;

    fn netem(text: &str) -> Netem {
        of(&text.parse::<Impairment>().expect("an impairment"))
    }

    fn of(impairment: &Impairment) -> Netem {
        let mut chain = suffered::chain(&[impairment]).expect("the kernel's numbers hold it");
        assert_eq!(chain.len(), 1);
        chain.remove(0)
    }

    #[test]
    fn a_delay_is_what_other_programs_send() {
        let bytes = netem("delay=20ms,jitter=2ms").encode();
        // 20 ms is 312500 ticks (0x4c4b4) and 20,000,000 ns (0x1312d00).
        let golden = [
            0xb4, 0xc4, 0x04, 0x00, 0xa0, 0x86, 0x01, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x7a,
            0x00, 0x00, 12, 0, 10, 0, 0x00, 0x2d, 0x31, 0x01, 0, 0, 0, 0, 12, 0, 11, 0, 0x80, 0x84, 0x1e,
            0x00, 0, 0, 0, 0,
        ];
        assert_eq!(bytes, golden);
    }

    #[test]
    fn shares_and_bursts_are_what_other_programs_send() {
        let none = [12, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let bytes = netem("loss=100%,duplicate=50%,corrupt=25%").encode();
        assert_eq!(bytes[8..12], [0xff; 4], "everything");
        assert_eq!(bytes[16..20], 0x8000_0000_u32.to_le_bytes(), "half");
        assert_eq!(bytes[24..48], none);
        // A quarter of 2³² - 1, rounded, and no correlation.
        assert_eq!(bytes[48..], [12, 0, 4, 0, 0, 0, 0, 0x40, 0, 0, 0, 0]);
        // Bursts of 4 end with a chance of a quarter; with a third of that they begin, for a quarter lost.
        let bytes = netem("loss=25%,burst=4").encode();
        assert_eq!(bytes[8..12], [0; 4], "not by itself");
        let golden =
            [24, 0, 5, 0x80, 20, 0, 2, 0, 0x55, 0x55, 0x55, 0x15, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(bytes[48..], golden);
        let bytes = netem("delay=1ms,reorder=100%").encode();
        assert_eq!(bytes[12..16], [1, 0, 0, 0], "the gap");
        assert_eq!(bytes[48..], [12, 0, 3, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        let bytes = netem("delay=9ms,jitter=3ms,distribution=normal").encode();
        assert_eq!((bytes.len(), &bytes[48..52]), (48 + 4 + 8192, &[0x04, 0x20, 2, 0][..]));
    }

    #[test]
    fn edges_are_exact() {
        assert_eq!((chance(0.0), chance(1.0), chance(-1.0), chance(2.0)), (0, u32::MAX, 0, u32::MAX));
        assert_eq!((chance(1e-12), chance(1.0 - 1e-12)), (1, u32::MAX - 1));
        let bytes = netem("delay=1h").encode();
        assert_eq!(bytes[..4], u32::MAX.to_ne_bytes());
        assert_eq!(bytes[28..36], 3_600_000_000_000_u64.to_ne_bytes());
        let always = Bursts { begins: u32::MAX, ends: u32::MAX, between: 0 };
        assert_eq!(netem("loss=50%,burst=1").bursts, Some(always));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_back(
            delay in 1_u64..10_000_000_000_000, jitter in 0_u64..1_000_000_000, loss in 0.0..0.5, burst in 1_u32..100,
            shares in [0.0..1.0, 0.0..1.0, 0.0..1.0],
        ) {
            let [duplicate, corrupt, reorder] = shares.map(Percent::from_ratio);
            let told = of(&Impairment {
                delay: deadstick_core::units::HumanDuration(Duration::from_nanos(delay)),
                jitter: deadstick_core::units::HumanDuration(Duration::from_nanos(jitter)),
                loss: Percent::from_ratio(loss), burst: (burst > 50).then_some(burst),
                duplicate, corrupt, reorder, ..Impairment::default()
            });
            let shown = Netem::decode(&told.encode()).expect("it reads");
            prop_assert!(told.is_shown_as(&shown), "{told:?} {shown:?}");
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(bytes.len() >= FIXED || Netem::decode(&bytes).is_none());
        }
    }
}
