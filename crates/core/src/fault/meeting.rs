//! Whether two flows may choose the same packet.
//!
//! Exact for addresses, ports, devices and users. Control groups lie within each other and processes move between them, so
//! those are never told apart: what is not known to be apart may meet.

use super::{Direction, Flow, Peer};

impl Peer {
    /// Whether an end of a connection can belong to both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let ports = self.port.is_none() || other.port.is_none() || self.port == other.port;
        let wider = if self.prefix_length() <= other.prefix_length() { (self, other) } else { (other, self) };
        ports && wider.0.covers(wider.1.address)
    }
}

impl Flow {
    /// Whether a packet can belong to both.
    #[must_use]
    pub fn may_meet(&self, other: &Self) -> bool {
        fn apart<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            one.zip(other).is_some_and(|(one, other)| one != other)
        }
        let ends = |own: &[Peer], others: &[Peer]| {
            let pairs = || own.iter().any(|peer| others.iter().any(|one| one.overlaps(peer)));
            own.is_empty() || others.is_empty() || pairs()
        };
        let both = |flow: &Self| flow.direction == Direction::Both;
        let ways = both(self) || both(other) || self.direction == other.direction;
        ways && ends(&self.to, &other.to)
            && ends(&self.from, &other.from)
            && !apart(self.iface.as_ref(), other.iface.as_ref())
            && !apart(self.user.as_ref(), other.user.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use super::*;
    use proptest::prelude::*;

    fn flow(to: &[&str], from: &[&str]) -> Flow {
        let peers = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a peer")).collect();
        Flow { to: peers(to), from: peers(from), ..Flow::default() }
    }

    #[test]
    fn what_differs_in_one_thing_is_apart() {
        let all = Flow::default();
        let database = flow(&["10.0.0.2:5432"], &[]);
        assert!(all.may_meet(&database) && database.may_meet(&all));
        assert!(database.may_meet(&flow(&["10.0.0.0/24", "::1"], &[])));
        assert!(database.may_meet(&flow(&["0.0.0.0/0:5432"], &["10.0.0.1"])));
        assert!(!database.may_meet(&flow(&["10.0.0.2:80"], &[])));
        assert!(!database.may_meet(&flow(&["10.0.0.3", "::/0"], &[])));
        assert!(!flow(&[], &["10.0.0.1"]).may_meet(&flow(&["10.0.0.2"], &["10.0.0.9"])));
        let over = |name: &str| Flow { iface: Some(name.to_owned()), ..Flow::default() };
        assert!(over("eth0").may_meet(&over("eth0")) && over("eth0").may_meet(&all));
        assert!(!over("eth0").may_meet(&over("eth1")));
        let of = |user| Flow { user: Some(user), ..Flow::default() };
        assert!(of(1).may_meet(&of(1)) && of(1).may_meet(&all) && !of(1).may_meet(&of(2)));
        let group = |path: &str| Flow { cgroup: Some(path.into()), ..Flow::default() };
        assert!(group("a").may_meet(&group("b")), "one may lie within the other by then");
        let way = |direction| Flow { direction, ..Flow::default() };
        assert!(!way(Direction::Egress).may_meet(&way(Direction::Ingress)));
        assert!(way(Direction::Egress).may_meet(&all));
    }

    proptest! {
        /// An end that belongs to both shows that they overlap; where none does among all there are, they do not.
        #[test]
        fn peers_overlap_where_an_end_belongs_to_both(
            one in (0_u32..32, 26_u8..=32, proptest::option::of(1_u16..3)),
            other in (0_u32..32, 26_u8..=32, proptest::option::of(1_u16..3)),
        ) {
            let address = |low: u32| IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + low * 5));
            let peer = |(low, prefix, port)| Peer { address: address(low), prefix: Some(prefix), port };
            let (one, other) = (peer(one), peer(other));
            let ends = (0..256_u32).flat_map(|low| (1..3_u16).map(move |port| (0x0a00_0000 + low, port)));
            let shared = ends
                .map(|(bits, port)| SocketAddr::from((Ipv4Addr::from_bits(bits), port)))
                .any(|end| one.includes(end) && other.includes(end));
            prop_assert_eq!(one.overlaps(&other), shared);
            prop_assert_eq!(other.overlaps(&one), shared);
        }
    }
}
