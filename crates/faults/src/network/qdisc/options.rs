//! The options of qdiscs and classes as bytes.

use std::time::Duration;

use crate::network::wire::Message;

const HTB_PARAMETERS: u16 = 1;
const HTB_INIT: u16 = 2;
const LATENCY64: u16 = 10;
const JITTER64: u16 = 11;
/// Packets netem keeps at once: a second of a busy 1 Gbit/s link.
const LIMIT: u32 = 100_000;
/// The kernel's tick of packet scheduling.
const TICK_NS: u64 = 64;

/// `tc_htb_glob`: version, rate to quantum, default class (none: the direct queue), debug, direct packets.
pub(super) fn htb_root(options: &mut Message) {
    options.attr(HTB_INIT, &words([3, 10, 0, 0, 0]));
}

/// `tc_htb_opt` of a class without a limit that matters: 4 GB/s, the most its 32 bits hold.
pub(super) fn htb_class(options: &mut Message) {
    // `tc_ratespec`: cell log, link layer (Ethernet, so that no rate table is wanted), overhead, alignment, smallest
    // packet, rate.
    let rate: Vec<u8> = [[0, 1, 0, 0], [0; 4], u32::MAX.to_ne_bytes()].concat();
    // Burst and its ceiling twin in ticks, quantum in bytes, level, priority.
    let rest = words([20_000, 20_000, 60_000, 0, 0]);
    options.attr(HTB_PARAMETERS, &[rate.clone(), rate, rest].concat());
}

/// `tc_netem_qopt` (latency, limit, loss, gap, duplicate, jitter), then latency and jitter again in nanoseconds: the
/// first form is coarse and short, the second one is what kernels of today act on.
pub(super) fn netem(delay: Duration, jitter: Duration) -> Vec<u8> {
    let nanoseconds =
        |length: Duration| u64::try_from(length.as_nanos()).unwrap_or(u64::MAX).min(i64::MAX.unsigned_abs());
    let ticks = |length| u32::try_from(nanoseconds(length) / TICK_NS).unwrap_or(u32::MAX);
    let mut bytes = words([ticks(delay), LIMIT, 0, 0, 0, ticks(jitter)]);
    for (kind, length) in [(LATENCY64, delay), (JITTER64, jitter)] {
        bytes.extend(12_u16.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(nanoseconds(length).to_ne_bytes());
    }
    bytes
}

fn words<const N: usize>(words: [u32; N]) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_ne_bytes).collect()
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    #[test]
    fn netem_is_what_other_programs_send() {
        let bytes = netem(Duration::from_millis(20), Duration::from_millis(2));
        // 20 ms is 312500 ticks (0x4c4b4) and 20,000,000 ns (0x1312d00).
        let golden = [
            0xb4, 0xc4, 0x04, 0x00, 0xa0, 0x86, 0x01, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x7a,
            0x00, 0x00, 12, 0, 10, 0, 0x00, 0x2d, 0x31, 0x01, 0, 0, 0, 0, 12, 0, 11, 0, 0x80, 0x84, 0x1e,
            0x00, 0, 0, 0, 0,
        ];
        assert_eq!(bytes, golden);
    }

    #[test]
    fn a_delay_beyond_the_short_form_keeps_its_long_one() {
        let bytes = netem(Duration::from_secs(3600), Duration::ZERO);
        assert_eq!(bytes[..4], u32::MAX.to_ne_bytes());
        assert_eq!(bytes[28..36], 3_600_000_000_000_u64.to_ne_bytes());
    }
}
