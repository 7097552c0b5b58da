//! Peers as elements of nftables sets, by shape: what the kernel looks up does not get slower with their number.
//!
//! Pure. Exact addresses go to a hash; networks to a set of ranges, which must not overlap.

use std::collections::BTreeMap;
use std::net::IpAddr;

use deadstick_core::fault::Peer;

/// Peers of one family, all with a port or all without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PeerSet {
    /// 4 or 6.
    pub(super) version: u8,
    /// Whether a port follows the address.
    pub(super) with_port: bool,
    /// Its elements.
    pub(super) elements: Elements,
}

/// The elements of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Elements {
    /// Keys.
    Exact(Vec<Vec<u8>>),
    /// First and last key of each range; they neither overlap nor touch.
    Ranges(Vec<(Vec<u8>, Vec<u8>)>),
}

/// First and last address.
type Range = (u128, u128);

/// The sets that these peers make: at most four.
pub(super) fn by_shape(peers: &[Peer]) -> Vec<PeerSet> {
    let mut shapes: BTreeMap<(u8, bool), BTreeMap<Option<u16>, Vec<Range>>> = BTreeMap::new();
    for peer in peers {
        let shape = shapes.entry((version(peer.address), peer.port.is_some())).or_default();
        shape.entry(peer.port).or_default().push(range(peer));
    }
    let set = |((version, with_port), by_port): (_, BTreeMap<Option<u16>, Vec<Range>>)| {
        let exact = by_port.values().flatten().all(|(first, last)| first == last);
        let mut ranges = Vec::new();
        for (port, mut some) in by_port {
            some.sort_unstable();
            some.dedup();
            let some = if exact { some } else { joined(some) };
            ranges.extend(
                some.into_iter().map(|(first, last)| (key(version, first, port), key(version, last, port))),
            );
        }
        let elements = if exact {
            Elements::Exact(ranges.into_iter().map(|(key, _)| key).collect())
        } else {
            Elements::Ranges(ranges)
        };
        PeerSet { version, with_port, elements }
    };
    shapes.into_iter().map(set).collect()
}

const fn version(address: IpAddr) -> u8 {
    if address.is_ipv4() { 4 } else { 6 }
}

/// Every address of a peer.
fn range(peer: &Peer) -> Range {
    let (bits, width) = match peer.address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let free = width - u32::from(peer.prefix_length());
    let below = 1_u128.checked_shl(free).map_or(u128::MAX, |size| size - 1);
    (bits & !below, bits | below)
}

/// Sorted ranges without overlaps: what touches becomes one.
fn joined(sorted: Vec<Range>) -> Vec<Range> {
    let mut joined: Vec<Range> = Vec::new();
    for (first, last) in sorted {
        match joined.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    joined
}

/// Address and port, each filled up to whole registers.
fn key(version: u8, address: u128, port: Option<u16>) -> Vec<u8> {
    let bytes = address.to_be_bytes();
    let mut key = if version == 4 { bytes[12..].to_vec() } else { bytes.to_vec() };
    if let Some(port) = port {
        key.extend(port.to_be_bytes());
        key.extend([0; 2]);
    }
    key
}

/// The key after a plain address; none after the last one.
pub(super) fn after(address: &[u8]) -> Option<Vec<u8>> {
    let mut next = address.to_vec();
    for byte in next.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return Some(next);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn peers(texts: &[&str]) -> Vec<Peer> {
        texts.iter().map(|text| text.parse().expect("a peer")).collect()
    }

    #[test]
    fn each_shape_is_a_set() {
        let sets = by_shape(&peers(&["10.0.0.2", "10.0.0.2", "10.0.0.3:80", "::1", "[fd00::/8]:443"]));
        let shapes: Vec<_> = sets.iter().map(|set| (set.version, set.with_port)).collect();
        assert_eq!(shapes, [(4, false), (4, true), (6, false), (6, true)]);
        assert_eq!(sets[0].elements, Elements::Exact(vec![vec![10, 0, 0, 2]]));
        assert_eq!(sets[1].elements, Elements::Exact(vec![vec![10, 0, 0, 3, 0, 80, 0, 0]]));
        let Elements::Ranges(ranges) = &sets[3].elements else { panic!("a network is a range") };
        assert_eq!((ranges[0].0[0], ranges[0].1[0], ranges[0].1[15]), (0xfd, 0xfd, 0xff));
    }

    #[test]
    fn the_last_address_has_none_after_it() {
        assert_eq!(after(&[10, 0, 0, 255]), Some(vec![10, 0, 1, 0]));
        assert_eq!(after(&[255; 4]), None);
        let all = by_shape(&peers(&["0.0.0.0/0", "::/0"]));
        assert_eq!(all[0].elements, Elements::Ranges(vec![(vec![0; 4], vec![255; 4])]));
        assert_eq!(all[1].elements, Elements::Ranges(vec![(vec![0; 16], vec![255; 16])]));
    }

    proptest! {
        /// An address is in a range exactly when a peer covers it, and ranges are apart.
        #[test]
        fn ranges_say_what_peers_say(
            networks in proptest::collection::vec((0_u32..64, 24_u8..=32), 1..12), probe in 0_u32..64,
        ) {
            let address = |low: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + low * 37));
            let peers: Vec<Peer> = networks
                .iter()
                .map(|(low, prefix)| Peer { address: address(*low), prefix: Some(*prefix), port: None })
                .collect();
            let key = match address(probe) { IpAddr::V4(v4) => v4.octets().to_vec(), IpAddr::V6(_) => vec![] };
            let sets = by_shape(&peers);
            let found = match &sets[0].elements {
                Elements::Exact(keys) => keys.contains(&key),
                Elements::Ranges(ranges) => {
                    prop_assert!(ranges.windows(2).all(|two| after(&two[0].1).is_some_and(|next| next < two[1].0)));
                    ranges.iter().any(|(first, last)| *first <= key && key <= *last)
                }
            };
            prop_assert_eq!(found, peers.iter().any(|peer| peer.covers(address(probe))));
        }
    }
}
