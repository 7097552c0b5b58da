//! Other ends of connections: addresses, networks and ports.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// One end of connections: `ADDRESS[/LENGTH][:PORT]`, with brackets around an IPv6 address that has a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Its address, or the first of a network's.
    pub address: IpAddr,
    /// How many leading bits count; all of them otherwise.
    pub prefix: Option<u8>,
    /// One port; all of them otherwise.
    pub port: Option<u16>,
}

impl Peer {
    /// Every port of one address.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        Self { address, prefix: None, port: None }
    }

    /// How many leading bits of the address count.
    #[must_use]
    pub fn prefix_length(&self) -> u8 {
        let all = if self.address.is_ipv4() { 32 } else { 128 };
        self.prefix.unwrap_or(all).min(all)
    }

    /// Whether an address belongs to it.
    #[must_use]
    pub fn covers(&self, address: IpAddr) -> bool {
        let length = u32::from(self.prefix_length());
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }

    /// Whether an end of a connection belongs to it.
    #[must_use]
    pub fn includes(&self, end: SocketAddr) -> bool {
        self.covers(end.ip()) && self.port.is_none_or(|port| port == end.port())
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self { address: address.ip(), prefix: None, port: Some(address.port()) }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.prefix.map_or(String::new(), |prefix| format!("/{prefix}"));
        match (self.address, self.port) {
            (address, None) => write!(f, "{address}{prefix}"),
            (IpAddr::V4(address), Some(port)) => write!(f, "{address}{prefix}:{port}"),
            (IpAddr::V6(address), Some(port)) => write!(f, "[{address}{prefix}]:{port}"),
        }
    }
}

/// Text that names no peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address; write 10.0.0.2, 10.0.0.0/24, 10.0.0.2:5432 or [2001:db8::2]:5432")]
pub struct BadPeer(pub String);

impl FromStr for Peer {
    type Err = BadPeer;
    fn from_str(text: &str) -> Result<Self, BadPeer> {
        let bad = || BadPeer(text.to_owned());
        let plain = text.trim();
        let (ends, port) = if let Some(inner) = plain.strip_prefix('[') {
            let (inner, rest) = inner.split_once(']').ok_or_else(bad)?;
            (inner, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or_else(bad)?) })
        } else if plain.matches(':').count() == 1 {
            plain.split_once(':').map(|(ends, port)| (ends, Some(port))).ok_or_else(bad)?
        } else {
            (plain, None)
        };
        let (address, prefix) = match ends.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| bad())?)),
            None => (ends, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let port = port.map(|port| port.parse::<u16>().map_err(|_| bad())).transpose()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        if prefix.is_some_and(|prefix| prefix > longest) || port == Some(0) {
            return Err(bad());
        }
        Ok(Self { address, prefix, port })
    }
}

crate::units::text_form!(
    Peer,
    "Peer",
    "An address, perhaps with a prefix length and a port, such as 10.0.0.0/24 or 10.0.0.2:5432.",
    r"^\[?[0-9a-fA-F.:]+(/\d+)?\]?(:\d+)?$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_read_and_print() {
        for text in [
            "10.0.0.2",
            "10.0.0.0/24",
            "10.0.0.2:5432",
            "10.0.0.0/8:80",
            "2001:db8::2",
            "2001:db8::/32",
            "[2001:db8::2]:80",
            "[2001:db8::/32]:443",
        ] {
            assert_eq!(text.parse::<Peer>().map(|peer| peer.to_string()), Ok(text.to_owned()));
        }
        for bad in [
            "",
            "x",
            "10.0.0.2:",
            "10.0.0.2:0",
            "10.0.0.2/33",
            "10.0.0.2:70000",
            "[::1",
            "[::1]80",
            ":80",
            "1.2.3",
        ] {
            assert!(bad.parse::<Peer>().is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_cover_their_addresses() {
        let covers = |network: &str, address: &str| {
            network.parse::<Peer>().expect("a peer").covers(address.parse().expect("an address"))
        };
        assert!(covers("10.1.0.0/16", "10.1.255.3") && !covers("10.1.0.0/16", "10.2.0.0"));
        assert!(covers("0.0.0.0/0", "8.8.8.8") && !covers("0.0.0.0/0", "::1"));
        assert!(covers("::/0", "::1") && covers("10.0.0.1", "10.0.0.1") && !covers("10.0.0.1", "10.0.0.2"));
    }
}
