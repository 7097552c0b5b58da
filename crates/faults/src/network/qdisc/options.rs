//! The options of HTB and of plain queues as bytes, and what is read back of them.

use deadstick_core::units::Rate;

use super::netem::{LIMIT, words};
use crate::network::wire::{self, Message, u32_at};

const HTB_PARAMETERS: u16 = 1;
const HTB_INIT: u16 = 2;
const HTB_RATE64: u16 = 6;
const HTB_CEILING64: u16 = 7;
/// The kernel's tick of packet scheduling.
const TICK_NS: u64 = 64;
/// Bytes that may be sent at once on a slow link: one frame.
const FRAME: u64 = 1_600;
/// At least this much may be sent at once, so that a timer that is late costs no rate: what passes in 4 ms.
const SLICES: u64 = 250;
/// A rate that is no limit: a terabit a second.
const UNLIMITED: u64 = 125_000_000_000;
/// The slowest rate HTB keeps exactly: it counts at most a minute for one packet, and one of 64 KiB must fit into that.
pub(crate) const SLOWEST: Rate = Rate(1_250);
/// Bytes that a class may send before its neighbours' turn: those who share a limit have equal shares.
const QUANTUM: u32 = 60_000;
/// Marks have this bit and not the next one: no other number in their places is as large, nor does any become negative.
const MARKS: u32 = 0x4000_0000;
/// What a class below a limit may send by itself: next to nothing, so that all it sends counts against the limit.
const NOTHING: u64 = 1;
/// What our root says in the field that turns rates into quanta, which none of our classes leaves to the kernel: whether
/// another root qdisc stepped aside for it.
const FRESH: u32 = 10;
const REPLACED: u32 = 11;

/// `tc_htb_glob`: version, rate to quantum, default class (none: the direct queue), debug, direct packets.
pub(super) fn htb_root(options: &mut Message, replaced: bool) {
    options.attr(HTB_INIT, &words([3, if replaced { REPLACED } else { FRESH }, 0, 0, 0]));
}

/// Whether the options of our root say that another one stepped aside.
pub(super) fn has_replaced(options: &[u8]) -> bool {
    wire::find(options, HTB_INIT).and_then(|init| u32_at(init, 4)) == Some(REPLACED)
}

/// What a class is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Keeps a rate for the classes below it.
    Limit(Rate),
    /// Carries packets, within the limit of the class above it.
    Limited,
    /// Carries packets without any limit.
    Free,
}

/// A number that is a mark.
pub(crate) const fn as_mark(number: u64) -> u32 {
    (number as u32 & (MARKS - 1)) | MARKS
}

/// `tc_htb_opt`. The mark stands in a field that has no use in that role: the turn of a class that carries nothing, or what
/// a class may send at once, beyond what it may send by itself.
pub(super) fn htb_class(options: &mut Message, role: Role, mark: u32) {
    let (own, most, burst, quantum) = match role {
        Role::Limit(Rate(rate)) => {
            let burst = (u128::from(FRAME.max(rate / SLICES)) * 1_000_000_000 / u128::from(rate))
                / u128::from(TICK_NS);
            (rate, rate, u32::try_from(burst).unwrap_or(MARKS - 1).min(MARKS - 1), mark)
        }
        Role::Limited => (NOTHING, UNLIMITED, mark, QUANTUM),
        Role::Free => (UNLIMITED, UNLIMITED, mark, QUANTUM),
    };
    // `tc_ratespec`: cell log, link layer (Ethernet, so that no rate table is wanted), overhead, alignment, smallest
    // packet, rate.
    let spec = |rate: u64| {
        let short = u32::try_from(rate).unwrap_or(u32::MAX);
        [[0, 1, 0, 0], [0; 4], short.to_ne_bytes()].concat()
    };
    // Burst and its ceiling twin in ticks, quantum in bytes, level, priority.
    let rest = words([burst, burst, quantum, 0, 0]);
    options.attr(HTB_PARAMETERS, &[spec(own), spec(most), rest].concat());
    for (attribute, rate) in [(HTB_RATE64, own), (HTB_CEILING64, most)] {
        if rate > u64::from(u32::MAX) {
            options.attr(attribute, &rate.to_ne_bytes());
        }
    }
}

/// Whether a class has this mark.
pub(super) fn has_mark(options: &[u8], mark: u32) -> bool {
    let Some(parameters) = wire::find(options, HTB_PARAMETERS) else { return false };
    // Burst and quantum.
    mark & MARKS != 0 && [24, 32].into_iter().any(|at| u32_at(parameters, at) == Some(mark))
}

/// The rate of a class.
pub(super) fn rate(options: &[u8]) -> Option<Rate> {
    let long = wire::find(options, HTB_RATE64).and_then(|rate| rate.try_into().ok().map(u64::from_ne_bytes));
    long.or_else(|| u32_at(wire::find(options, HTB_PARAMETERS)?, 8).map(u64::from)).map(Rate)
}

/// `tc_fifo_qopt`: packets that wait at most.
pub(super) fn fifo() -> Vec<u8> {
    words([LIMIT])
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    const MARK: u32 = as_mark(0xfeed_beef);

    fn class(role: Role) -> Vec<u8> {
        let mut message = Message::new(0, 0, &[]);
        htb_class(&mut message, role, MARK);
        message.finish(1)[wire::HEADER..].to_vec()
    }

    #[test]
    fn a_class_is_what_other_programs_send() {
        let bytes = class(Role::Limit(Rate(1_000_000)));
        // 44 bytes and the header; 1 MB/s twice; 4 ms are 62500 ticks (0xf424); the mark as quantum.
        let spec = [0, 1, 0, 0, 0, 0, 0, 0, 0x40, 0x42, 0x0f, 0];
        let rest = [0x24, 0xf4, 0, 0, 0x24, 0xf4, 0, 0, 0xef, 0xbe, 0xed, 0x7e, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(bytes, [&[48, 0, 1, 0][..], &spec, &spec, &rest].concat());
    }

    #[test]
    fn rate_and_mark_are_read_back() {
        for bytes_a_second in [1_250, 1_000_000, u64::from(u32::MAX), u64::from(u32::MAX) + 1, 1 << 40] {
            let bytes = class(Role::Limit(Rate(bytes_a_second)));
            assert_eq!(rate(&bytes), Some(Rate(bytes_a_second)));
            assert!(has_mark(&bytes, MARK) && !has_mark(&bytes, MARK - 1));
        }
        for role in [Role::Limited, Role::Free] {
            let bytes = class(role);
            assert!(has_mark(&bytes, MARK) && !has_mark(&bytes, MARK ^ 1));
            assert!(!has_mark(&bytes, 0) && !has_mark(&bytes, QUANTUM));
        }
        assert!(!has_mark(&[], MARK));
        for number in [0, 1, u64::MAX, 0x4000_0000] {
            assert!((MARKS..2 * MARKS).contains(&as_mark(number)));
        }
    }
}
