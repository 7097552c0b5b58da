//! What a table of ours says about itself, for other deadsticks in the same network: which class it sends packets to, what
//! they suffer there, and which packets it chooses.
//!
//! It stands in the table's user data, so it is there exactly as long as packets are chosen, and needs no file and no
//! process to answer. Owns the bytes; pure. Whoever reads them trusts nothing: what makes no sense is not there.

use std::net::IpAddr;
use std::time::Duration;

use deadstick_core::fault::link::Distribution;
use deadstick_core::fault::{Direction, Flow, Impairment, Peer};
use deadstick_core::units::{HumanDuration, Percent, Rate};

use crate::undo::TABLE_PREFIX;

/// The kernel keeps this much for each table.
const ROOM: usize = 256;
/// Other programs read user data as pieces, each with a kind and a length, and pass over kinds they do not know.
const KIND: u8 = 0xd5;
const VERSION: u8 = 1;
const DISTRIBUTIONS: [Distribution; 4] =
    [Distribution::Uniform, Distribution::Normal, Distribution::Pareto, Distribution::ParetoNormal];

/// A table that sends packets to a class.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    /// The table's name; not among the bytes.
    pub(crate) table: String,
    /// What is written into the number of a packet's class.
    pub(crate) code: u16,
    /// The class that keeps the rate, where there is one.
    pub(crate) limit: Option<u16>,
    /// What the classes carry.
    pub(crate) mark: u32,
    /// What packets suffer.
    pub(crate) impairment: Impairment,
    /// Which packets: these, or fewer. No control group is kept.
    pub(crate) flow: Flow,
}

impl Member {
    /// The fault, by what all its tables' names begin with.
    pub(crate) fn fault(&self) -> &str {
        let id = self.table.strip_prefix(TABLE_PREFIX).unwrap_or(&self.table);
        // The rest says which of its tables.
        id.get(..UUID).unwrap_or(id)
    }

    /// The bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Impairment { delay, jitter, distribution, loss, burst, duplicate, corrupt, reorder, rate } =
            &self.impairment;
        let kind = DISTRIBUTIONS.iter().position(|one| one == distribution).unwrap_or(0);
        let direction = u8::from(self.flow.direction == Direction::Ingress);
        let mut bytes = vec![KIND, 0, VERSION, direction, u8::try_from(kind).unwrap_or(0)];
        bytes.extend(self.code.to_be_bytes());
        bytes.extend(self.limit.unwrap_or(0).to_be_bytes());
        bytes.extend(self.mark.to_be_bytes());
        for length in [delay, jitter] {
            bytes.extend(u64::try_from(length.0.as_nanos()).unwrap_or(u64::MAX).to_be_bytes());
        }
        for share in [loss, duplicate, corrupt, reorder] {
            bytes.extend(share.ratio().to_be_bytes());
        }
        bytes.extend(burst.unwrap_or(0).to_be_bytes());
        bytes.extend(rate.map_or(0, |rate| rate.0).to_be_bytes());
        bytes.push(u8::from(self.flow.user.is_some()));
        bytes.extend(self.flow.user.unwrap_or(0).to_be_bytes());
        let iface = self.flow.iface.as_deref().unwrap_or("").as_bytes();
        bytes.push(u8::try_from(iface.len()).unwrap_or(0));
        bytes.extend(&iface[..usize::from(u8::try_from(iface.len()).unwrap_or(0))]);
        // More peers than there is room for are said to be any: what is not known to be apart may meet.
        for peers in [&self.flow.to, &self.flow.from] {
            let some: Vec<u8> = peers.iter().flat_map(peer_bytes).collect();
            // One byte is for the number of the other end's.
            if bytes.len() + 1 + some.len() < ROOM && peers.len() < 256 {
                bytes.push(u8::try_from(peers.len()).unwrap_or(0));
                bytes.extend(some);
            } else {
                bytes.push(0);
            }
        }
        bytes[1] = u8::try_from(bytes.len() - 2).unwrap_or(0);
        bytes
    }

    /// Reads the bytes of a table; none where they are no member's.
    pub(crate) fn decode(table: &str, bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        let [KIND, length] = rest.take()? else { return None };
        let mut rest = Reader(rest.some(usize::from(length))?);
        let [VERSION, direction, kind] = rest.take::<3>()? else { return None };
        let code = u16::from_be_bytes(rest.take()?);
        let limit = u16::from_be_bytes(rest.take()?);
        let mark = u32::from_be_bytes(rest.take()?);
        let mut length = || Some(HumanDuration(Duration::from_nanos(u64::from_be_bytes(rest.take()?))));
        let (delay, jitter) = (length()?, length()?);
        let mut share = || {
            let ratio = f64::from_be_bytes(rest.take()?);
            (0.0..=1.0).contains(&ratio).then(|| Percent::from_ratio(ratio))
        };
        let (loss, duplicate, corrupt, reorder) = (share()?, share()?, share()?, share()?);
        let burst = u32::from_be_bytes(rest.take()?);
        let rate = u64::from_be_bytes(rest.take()?);
        let [has_user] = rest.take()?;
        let user = u32::from_be_bytes(rest.take()?);
        let [iface] = rest.take()?;
        let iface = std::str::from_utf8(rest.some(usize::from(iface))?).ok()?.to_owned();
        let (to, from) = (rest.peers()?, rest.peers()?);
        let impairment = Impairment {
            delay,
            jitter,
            distribution: *DISTRIBUTIONS.get(usize::from(kind))?,
            loss,
            burst: (burst > 0).then_some(burst),
            duplicate,
            corrupt,
            reorder,
            rate: (rate > 0).then_some(Rate(rate)),
        };
        let flow = Flow {
            to,
            from,
            direction: if direction == 1 { Direction::Ingress } else { Direction::Egress },
            iface: (!iface.is_empty()).then_some(iface),
            cgroup: None,
            user: (has_user == 1).then_some(user),
        };
        let makes_sense = code != 0 && impairment.nonsense().is_none() && (limit > 0) == (rate > 0);
        let limit = (limit > 0).then_some(limit);
        makes_sense.then(|| Self { table: table.to_owned(), code, limit, mark, impairment, flow })
    }
}

/// Characters of a fault's id.
const UUID: usize = 36;

/// Family, prefix length, port (none is 0), address.
fn peer_bytes(peer: &Peer) -> Vec<u8> {
    let mut bytes = vec![if peer.address.is_ipv4() { 4 } else { 6 }, peer.prefix_length()];
    bytes.extend(peer.port.unwrap_or(0).to_be_bytes());
    match peer.address {
        IpAddr::V4(address) => bytes.extend(address.octets()),
        IpAddr::V6(address) => bytes.extend(address.octets()),
    }
    bytes
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn some(&mut self, length: usize) -> Option<&'a [u8]> {
        let (some, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(some)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.some(N)?.try_into().ok()
    }

    fn peers(&mut self) -> Option<Vec<Peer>> {
        let [count] = self.take()?;
        (0..count).map(|_| self.peer()).collect()
    }

    fn peer(&mut self) -> Option<Peer> {
        let [family, prefix] = self.take()?;
        let port = u16::from_be_bytes(self.take()?);
        let address = match family {
            4 => IpAddr::from(self.take::<4>()?),
            6 => IpAddr::from(self.take::<16>()?),
            _ => return None,
        };
        let whole = if family == 4 { 32 } else { 128 };
        let prefix = (prefix < whole).then_some(prefix);
        Some(Peer { address, prefix, port: (port > 0).then_some(port) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn member(impairment: &str, to: &[&str], from: &[&str]) -> Member {
        let peers = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a peer")).collect();
        let impairment: Impairment = impairment.parse().expect("an impairment");
        let flow = Flow { to: peers(to), from: peers(from), direction: Direction::Egress, ..Flow::default() };
        let limit = impairment.rate.map(|_| 9);
        let table = format!("{TABLE_PREFIX}0190a5c0-0000-7000-8000-000000000001-in");
        Member { table, code: 7, limit, mark: 0x5234_5678, impairment, flow }
    }

    fn again(member: &Member) -> Option<Member> {
        let bytes = member.encode();
        assert!(bytes.len() <= ROOM, "{}", bytes.len());
        Member::decode(&member.table, &bytes)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let all = "delay=50ms,jitter=5ms,distribution=paretonormal,loss=33.3333%,burst=4,duplicate=2%,corrupt=0.1%,reorder=25%,rate=1MiB/s";
        for one in [
            member("delay=1us", &[], &[]),
            member(all, &["10.0.0.0/8:5432", "2001:db8::2"], &["[::1]:80", "10.0.0.1"]),
        ] {
            let told = Flow { iface: Some("enp0s31f6.4000".to_owned()), user: Some(0), ..one.flow.clone() };
            let told = Member { flow: told, ..one.clone() };
            assert_eq!(again(&one).as_ref(), Some(&one));
            assert_eq!(again(&told).as_ref(), Some(&told));
            let group = Flow { cgroup: Some("a".into()), direction: Direction::Ingress, ..told.flow.clone() };
            let read = again(&Member { flow: group, ..told }).expect("it reads");
            assert_eq!((read.flow.cgroup, read.flow.direction), (None, Direction::Ingress));
        }
        assert_eq!(member("loss=1%", &[], &[]).fault(), "0190a5c0-0000-7000-8000-000000000001");
    }

    #[test]
    fn more_peers_than_there_is_room_for_are_any() {
        let many: Vec<String> = (0..200).map(|last| format!("10.0.0.{last}:80")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let read = again(&member("loss=1%", &many, &["10.0.0.1"])).expect("it reads");
        assert_eq!((read.flow.to.len(), read.flow.from.len()), (0, 1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256), text in ".*") {
            if let Some(member) = Member::decode(&text, &bytes) {
                prop_assert!(member.impairment.nonsense().is_none() && member.fault().len() <= text.len());
            }
        }
    }
}
