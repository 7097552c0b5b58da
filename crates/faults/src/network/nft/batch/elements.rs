//! The sets of a transaction, and what is in them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Batch, SET_WITH_TIMEOUTS};
use crate::network::nft::sets::{Elements, PeerSet, after};
use crate::network::wire::{CREATE, Message};

const NEW_SET: u16 = 9;
const NEW_ELEMENT: u16 = 12;
const SET_OF_RANGES: u32 = 0x4;
const SET_OF_SEVERAL: u32 = 0x80;
const ENDS_A_RANGE: u32 = 1;
/// Elements in one message: far below the 64 KiB that an attribute can hold.
const ELEMENTS_AT_ONCE: usize = 400;

impl Batch<'_> {
    pub(super) fn new_set(
        &mut self,
        name: &str,
        flags: u32,
        key_type: u32,
        fields: &[u32],
        size: usize,
    ) -> u32 {
        self.sets += 1;
        let (id, table) = (self.sets, self.table);
        let key_length = match fields {
            [length] => *length,
            several => several.iter().map(|length| length.next_multiple_of(4)).sum(),
        };
        self.message(NEW_SET, CREATE)
            .text(1, table)
            .text(2, name)
            .be32(3, flags)
            .be32(4, key_type)
            .be32(5, key_length)
            .nest(9, |described| {
                // A set of ranges counts both ends; a size that is known lets the kernel choose its fastest table.
                if flags & SET_OF_RANGES == 0 {
                    described.be32(1, u32::try_from(size.max(1)).unwrap_or(u32::MAX));
                }
                if flags & SET_OF_SEVERAL != 0 {
                    described.nest(2, |list| {
                        for length in fields {
                            list.nest(1, |field| {
                                field.be32(1, *length);
                            });
                        }
                    });
                }
            })
            .be32(10, id);
        id
    }

    /// A set of keys whose elements end with the lease.
    pub(in super::super) fn timed_set(
        &mut self,
        name: &str,
        fields: &[u32],
        keys: impl Iterator<Item = Vec<u8>>,
    ) {
        // Each once: the kernel refuses a second one.
        let keys: Vec<_> = keys.collect::<BTreeSet<_>>().into_iter().collect();
        let id = self.new_set(name, SET_WITH_TIMEOUTS, 0, &[fields.iter().sum()], keys.len());
        self.elements(name, id, &keys, true);
    }

    /// A set of single bytes.
    pub(in super::super) fn byte_set(&mut self, name: &str, bytes: &[u8]) {
        let id = self.new_set(name, 0, 12, &[1], bytes.len());
        let keys: Vec<_> = bytes.iter().map(|byte| vec![*byte]).collect();
        self.elements(name, id, &keys, false);
    }

    /// A set of peers. Its elements do not time out: the devices, which are asked first, do.
    pub(in super::super) fn peer_set(&mut self, name: &str, set: &PeerSet) {
        let (address, kind) = if set.version == 4 { (4, 7) } else { (16, 8) };
        let (fields, kind) =
            if set.with_port { (vec![address, 2], kind << 6 | 13) } else { (vec![address], kind) };
        match &set.elements {
            Elements::Exact(keys) => {
                let id = self.new_set(name, 0, kind, &fields, keys.len());
                self.elements(name, id, keys, false);
            }
            Elements::Ranges(ranges) if set.with_port => {
                let flags = SET_OF_RANGES | SET_OF_SEVERAL;
                let id = self.new_set(name, flags, kind, &fields, ranges.len());
                self.each(name, id, ranges, |list, (first, last)| {
                    list.nest(1, |element| {
                        value(element, 1, first);
                        value(element, 10, last);
                    });
                });
            }
            Elements::Ranges(ranges) => {
                let id = self.new_set(name, SET_OF_RANGES, kind, &fields, ranges.len());
                self.each(name, id, ranges, |list, (first, last)| {
                    list.nest(1, |element| value(element, 1, first));
                    if let Some(next) = after(last) {
                        list.nest(1, |element| {
                            value(element, 1, &next);
                            element.be32(3, ENDS_A_RANGE);
                        });
                    }
                });
            }
        }
    }

    pub(super) fn elements(&mut self, name: &str, id: u32, keys: &[Vec<u8>], timed: bool) {
        let lease = milliseconds(self.lease);
        self.each(name, id, keys, |list, key| {
            list.nest(1, |element| {
                value(element, 1, key);
                if timed {
                    element.be64(4, lease);
                }
            });
        });
    }

    fn each<T>(&mut self, name: &str, id: u32, all: &[T], mut write: impl FnMut(&mut Message, &T)) {
        let table = self.table;
        for some in all.chunks(ELEMENTS_AT_ONCE) {
            let message = self.message(NEW_ELEMENT, CREATE).text(1, table).text(2, name);
            // A set of an earlier transaction is known by its name alone.
            if id != 0 {
                message.be32(4, id);
            }
            message.nest(3, |list| some.iter().for_each(|one| write(list, one)));
        }
    }
}

fn value(element: &mut Message, kind: u16, key: &[u8]) {
    element.nest(kind, |data| {
        data.attr(1, key);
    });
}

fn milliseconds(lease: Duration) -> u64 {
    u64::try_from(lease.as_millis()).unwrap_or(u64::MAX).max(1)
}
