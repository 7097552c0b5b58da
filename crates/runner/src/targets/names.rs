//! Host names among parameters, turned into addresses once.
//!
//! Owns the asking, of the machine's own resolver. A fault keeps the addresses: a name that moves later takes nothing
//! along.

use std::collections::BTreeSet;
use std::net::{IpAddr, ToSocketAddrs};

use deadstick_core::fault::catalogue::{self, Value};
use deadstick_core::fault::{FaultKind, Peer};

use super::TargetError;

/// Parameters with addresses for host names, and what was found, in words.
pub type Named = (Vec<(&'static str, String)>, Vec<String>);

/// Replaces host names in the parameters that take ends of connections. Blocks as long as the resolver takes.
///
/// # Errors
/// A name has no address.
pub fn resolve(kind: FaultKind, parameters: Vec<(&'static str, String)>) -> Result<Named, TargetError> {
    let mut notes = Vec::new();
    let mut named = Vec::new();
    for (name, text) in parameters {
        let parameter = catalogue::of(kind).all_parameters().find(|one| one.name == name);
        let text = match parameter.map(|one| one.value) {
            Some(Value::Peers) => peers(&text, &mut notes)?,
            _ => text,
        };
        named.push((name, text));
    }
    Ok((named, notes))
}

fn peers(text: &str, notes: &mut Vec<String>) -> Result<String, TargetError> {
    let mut all = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match split(part) {
            Some((host, port)) => {
                let addresses = ask(host)?;
                let words: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
                notes.push(format!("{host} is {} now", words.join(", ")));
                all.extend(
                    addresses.into_iter().map(|address| Peer { port, ..Peer::host(address) }.to_string()),
                );
            }
            // An address, or neither: the reader of parameters says so.
            None => all.push(part.to_owned()),
        }
    }
    Ok(all.join(","))
}

/// A host name and perhaps a port; none for what cannot be one.
fn split(part: &str) -> Option<(&str, Option<u16>)> {
    if part.parse::<Peer>().is_ok() {
        return None;
    }
    let (host, port) = match part.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port > 0)?)),
        None => (part, None),
    };
    let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        && host.bytes().any(|b| b.is_ascii_alphabetic())
        && !host.starts_with(['-', '.']);
    is_name.then_some((host, port))
}

fn ask(host: &str) -> Result<BTreeSet<IpAddr>, TargetError> {
    let hint = "write its address, or see `getent hosts`";
    let answers = (host, 0)
        .to_socket_addrs()
        .map_err(|error| TargetError::unknown(format!("{host} has no address: {error}"), hint))?;
    let addresses: BTreeSet<IpAddr> = answers.map(|answer| answer.ip()).collect();
    if addresses.is_empty() {
        return Err(TargetError::unknown(format!("{host} has no address"), hint));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_addresses_and_from_neither() {
        for (text, expected) in [
            ("db.internal", Some(("db.internal", None))),
            ("db:5432", Some(("db", Some(5432)))),
            ("10.0.0.2", None),
            ("10.0.0.0/24:80", None),
            ("2001:db8::1", None),
            ("db:0", None),
            ("db:x", None),
            ("300.1.1.1", None),
            ("-x", None),
            ("db/24", None),
        ] {
            assert_eq!(split(text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_becomes_its_addresses_once() {
        let to = vec![("to", "localhost:5432,10.0.0.2".to_owned()), ("delay", "5ms".to_owned())];
        let (named, notes) = resolve(FaultKind::Latency, to).expect("localhost is known");
        assert!(named[0].1.contains("127.0.0.1:5432") && named[0].1.ends_with(",10.0.0.2"), "{named:?}");
        assert_eq!((named[1].1.as_str(), notes.len()), ("5ms", 1));
        let unknown = resolve(FaultKind::Latency, vec![("to", "no-such-host.invalid".to_owned())]);
        assert!(matches!(unknown, Err(TargetError::Unknown { .. })), "{unknown:?}");
    }
}
