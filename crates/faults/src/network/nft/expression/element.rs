//! The elements of a rule's list, as the kernel reads them. What names no register works on the first one.

use super::{FIRST_REGISTER, PARTS};
use crate::network::wire::Message;

const VERDICT_REGISTER: u32 = 0;
const DROP: u32 = 0;
/// The verdict by which a chain ends, and those of others go on.
pub(super) const ACCEPT: u32 = 1;
/// Of a range: what is not in it goes on.
const NOT_WITHIN: u32 = 1;

/// What is known of a packet beside its bytes.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum Meta {
    Protocol = 1,
    Priority = 2,
    Mark = 3,
    InDevice = 4,
    OutDevice = 5,
    User = 10,
    Family = 15,
    Transport = 16,
}

/// What must come out of a comparison.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum Compared {
    Equal = 0,
    Different = 1,
    Less = 2,
    Greater = 4,
}

pub(super) fn element(list: &mut Message, name: &str, fill: impl FnOnce(&mut Message)) {
    list.nest(1, |one| {
        one.text(1, name).nest(2, fill);
    });
}

pub(super) fn count(list: &mut Message) {
    element(list, "counter", |_| {});
}

pub(super) fn meta(list: &mut Message, key: Meta) {
    element(list, "meta", |data| {
        data.be32(1, FIRST_REGISTER).be32(2, key as u32);
    });
}

pub(super) fn load(list: &mut Message, bytes: &[u8]) {
    element(list, "immediate", |data| {
        data.be32(1, FIRST_REGISTER).nest(2, |value| {
            value.attr(1, bytes);
        });
    });
}

pub(super) fn verdict(list: &mut Message, code: u32) {
    element(list, "immediate", |data| {
        data.be32(1, VERDICT_REGISTER).nest(2, |value| {
            value.nest(2, |verdict| {
                verdict.be32(1, code);
            });
        });
    });
}

pub(super) fn discard(list: &mut Message) {
    verdict(list, DROP);
}

pub(super) fn reject(list: &mut Message, kind: u32, code: u8) {
    count(list);
    element(list, "reject", |data| {
        data.be32(1, kind).attr(2, &[code]);
    });
}

/// Gives what is loaded to what decides where the packet goes.
pub(super) fn hand_over(list: &mut Message, name: &str) {
    element(list, name, |data| {
        data.be32(1, FIRST_REGISTER);
    });
}

pub(super) fn compare(list: &mut Message, compared: Compared, value: &[u8]) {
    element(list, "cmp", |data| {
        data.be32(1, FIRST_REGISTER).be32(2, compared as u32).nest(3, |wanted| {
            wanted.attr(1, value);
        });
    });
}

/// The bits of a mask are kept, and those of another one turned around; both are as long as what is loaded.
pub(super) fn bitwise(list: &mut Message, mask: &[u8], turned: &[u8]) {
    element(list, "bitwise", |data| {
        let length = u32::try_from(mask.len()).unwrap_or(u32::MAX);
        data.be32(1, FIRST_REGISTER).be32(2, FIRST_REGISTER).be32(3, length);
        for (kind, bytes) in [(4, mask), (5, turned)] {
            data.nest(kind, |value| {
                value.attr(1, bytes);
            });
        }
    });
}

/// Numbers are compared byte by byte, the most significant first: in network order.
fn to_network_order(list: &mut Message) {
    element(list, "byteorder", |data| {
        data.be32(1, FIRST_REGISTER).be32(2, FIRST_REGISTER).be32(3, 1).be32(4, 4).be32(5, 4);
    });
}

pub(super) fn outside(list: &mut Message, first: u32, last: u32) {
    to_network_order(list);
    element(list, "range", |data| {
        data.be32(1, FIRST_REGISTER).be32(2, NOT_WITHIN);
        for (kind, end) in [(3, first), (4, last)] {
            data.nest(kind, |value| {
                value.attr(1, &end.to_be_bytes());
            });
        }
    });
}

pub(super) fn chance(list: &mut Message, parts: u32) {
    element(list, "numgen", |data| {
        data.be32(1, FIRST_REGISTER).be32(2, PARTS).be32(3, 1);
    });
    to_network_order(list);
    compare(list, Compared::Less, &parts.to_be_bytes());
}

/// Compares the upper half of the priority.
pub(super) fn priority(list: &mut Message, compared: Compared, half: u16) {
    meta(list, Meta::Priority);
    bitwise(list, &0xffff_0000_u32.to_ne_bytes(), &[0; 4]);
    compare(list, compared, &(u32::from(half) << 16).to_ne_bytes());
}

pub(super) fn set_priority(list: &mut Message, class: u32) {
    load(list, &class.to_ne_bytes());
    store_priority(list);
}

pub(super) fn turn_priority(list: &mut Message, bits: u32) {
    meta(list, Meta::Priority);
    bitwise(list, &[0xff; 4], &bits.to_ne_bytes());
    store_priority(list);
}

fn store_priority(list: &mut Message) {
    element(list, "meta", |data| {
        data.be32(3, FIRST_REGISTER).be32(2, Meta::Priority as u32);
    });
}
