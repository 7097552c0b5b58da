//! The options of HTB and of plain queues as bytes, and what is read back of them.

use deadstick_core::ledger::TrafficClass;
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
/// Bytes that a class may send before its neighbours' turn. Our classes have no common limit, so nobody ever waits for
/// a turn, and what the number is above this can be our mark.
const QUANTUM: u32 = 60_000;
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

/// `tc_htb_opt`.
pub(super) fn htb_class(options: &mut Message, id: TrafficClass, rate: Option<Rate>) {
    let rate = rate.map_or(UNLIMITED, |rate| rate.0);
    let short = u32::try_from(rate).unwrap_or(u32::MAX);
    // `tc_ratespec`: cell log, link layer (Ethernet, so that no rate table is wanted), overhead, alignment, smallest
    // packet, rate.
    let spec: Vec<u8> = [[0, 1, 0, 0], [0; 4], short.to_ne_bytes()].concat();
    let burst =
        (u128::from(FRAME.max(rate / SLICES)) * 1_000_000_000 / u128::from(rate)) / u128::from(TICK_NS);
    let burst = u32::try_from(burst).unwrap_or(u32::MAX);
    // Burst and its ceiling twin in ticks, quantum in bytes, level, priority.
    let rest = words([burst, burst, QUANTUM + u32::from(id.mark), 0, 0]);
    options.attr(HTB_PARAMETERS, &[spec.clone(), spec, rest].concat());
    if rate > u64::from(u32::MAX) {
        options.attr(HTB_RATE64, &rate.to_ne_bytes()).attr(HTB_CEILING64, &rate.to_ne_bytes());
    }
}

/// The mark of a class of ours.
pub(super) fn mark(options: &[u8]) -> Option<u16> {
    let quantum = u32_at(wire::find(options, HTB_PARAMETERS)?, 32)?;
    u16::try_from(quantum.checked_sub(QUANTUM)?).ok()
}

/// The rate of a class of ours, where it has a limit.
pub(super) fn rate(options: &[u8]) -> Option<Rate> {
    let long = wire::find(options, HTB_RATE64).and_then(|rate| rate.try_into().ok().map(u64::from_ne_bytes));
    let rate = long.or_else(|| u32_at(wire::find(options, HTB_PARAMETERS)?, 8).map(u64::from))?;
    (rate != UNLIMITED).then_some(Rate(rate))
}

/// `tc_fifo_qopt`: packets that wait at most.
pub(super) fn fifo() -> Vec<u8> {
    words([LIMIT])
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    const ID: TrafficClass = TrafficClass { minor: 7, mark: 0xbeef };

    fn class(rate: Option<u64>) -> Vec<u8> {
        let mut message = Message::new(0, 0, &[]);
        htb_class(&mut message, ID, rate.map(Rate));
        message.finish(1)[wire::HEADER..].to_vec()
    }

    #[test]
    fn a_class_is_what_other_programs_send() {
        let bytes = class(Some(1_000_000));
        // 44 bytes and the header; 1 MB/s twice; 4 ms are 62500 ticks (0xf424); quantum 60000 + 0xbeef.
        let spec = [0, 1, 0, 0, 0, 0, 0, 0, 0x40, 0x42, 0x0f, 0];
        let rest = [0x24, 0xf4, 0, 0, 0x24, 0xf4, 0, 0, 0x4f, 0xa9, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(bytes, [&[48, 0, 1, 0][..], &spec, &spec, &rest].concat());
    }

    #[test]
    fn rate_and_mark_are_read_back() {
        for bytes_a_second in [1, 1_250, 1_000_000, u64::from(u32::MAX), u64::from(u32::MAX) + 1, 1 << 40] {
            let bytes = class(Some(bytes_a_second));
            assert_eq!((mark(&bytes), rate(&bytes)), (Some(ID.mark), Some(Rate(bytes_a_second))));
        }
        assert_eq!(rate(&class(None)), None);
        for (mark_of, short) in [(0, 0), (u16::MAX, u16::MAX)] {
            let mut message = Message::new(0, 0, &[]);
            htb_class(&mut message, TrafficClass { minor: 1, mark: mark_of }, None);
            assert_eq!(mark(&message.finish(1)[wire::HEADER..]), Some(short));
        }
        assert_eq!(mark(&[]), None);
    }
}
