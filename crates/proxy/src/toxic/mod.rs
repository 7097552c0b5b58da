//! What a toxic is: a kind with its attributes, a stream, and the share of connections it hits.
//!
//! The kinds are a table, `kinds`; what they refuse is in `checks`; a proxy has a `list` of toxics. What a kind *does* is in
//! [`crate::stage`].

mod checks;
mod kinds;
mod list;
mod words;

use std::fmt;
use std::str::FromStr;

use crate::json::{self, Scalar};

pub use self::kinds::*;
pub use self::list::ToxicError;
pub(crate) use self::list::ToxicList;
pub use self::words::{Death, Failure, TlsFault};

/// A direction of a connection, seen from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    Downstream,
}

impl Stream {
    /// Both, in the order in which they are listed.
    pub const ALL: [Self; 2] = [Self::Upstream, Self::Downstream];

    /// The word the API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Stream {
    type Err = NotAStream;

    /// Case does not matter.
    fn from_str(text: &str) -> Result<Self, NotAStream> {
        Self::ALL.into_iter().find(|stream| stream.as_str().eq_ignore_ascii_case(text)).ok_or(NotAStream)
    }
}

/// Neither upstream nor downstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stream was invalid, can be either upstream or downstream")]
pub struct NotAStream;

/// One disturbance of a proxy's connections.
#[derive(Debug, Clone, PartialEq)]
pub struct Toxic {
    /// Unique within the proxy, over both streams.
    pub name: String,
    /// The direction it disturbs.
    pub stream: Stream,
    /// The share of connections it hits: 0 none, 1 all.
    pub toxicity: f32,
    /// What it does.
    pub kind: Kind,
    /// The stream as its creator spelled it, which replies repeat.
    pub(crate) spelling: String,
}

impl Toxic {
    /// A toxic that hits every connection and carries the default name, `<kind>_<stream>`.
    pub fn new(kind: impl Into<Kind>, stream: Stream) -> Self {
        let kind = kind.into();
        Self {
            name: format!("{}_{stream}", kind.name()),
            stream,
            toxicity: 1.0,
            kind,
            spelling: stream.to_string(),
        }
    }

    /// The same toxic under another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The same toxic for a share of the connections.
    #[must_use]
    pub fn toxicity(mut self, share: f32) -> Self {
        self.toxicity = share;
        self
    }

    /// Appends the toxic as the API shows it.
    pub(crate) fn write(&self, out: &mut String) {
        out.push_str("{\"attributes\":");
        self.kind.write(out);
        out.push_str(",\"name\":");
        json::string(out, &self.name);
        out.push_str(",\"type\":");
        json::string(out, self.kind.name());
        out.push_str(",\"stream\":");
        json::string(out, &self.spelling);
        out.push_str(",\"toxicity\":");
        self.toxicity.write(out);
        out.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toxic_is_written_in_the_order_of_the_contract() {
        let mut out = String::new();
        let latency = Latency { latency: 100, jitter: 5 };
        Toxic::new(latency, Stream::Upstream).toxicity(0.5).write(&mut out);
        assert_eq!(
            out,
            r#"{"attributes":{"latency":100,"jitter":5},"name":"latency_upstream","type":"latency","stream":"upstream","toxicity":0.5}"#
        );
        out.clear();
        Kind::from(Noop {}).write(&mut out);
        assert_eq!(out, "{}");
    }

    #[test]
    fn a_failed_merge_changes_nothing_and_a_good_one_keeps_what_it_does_not_name() {
        let kind = Kind::from(Latency { latency: 1, jitter: 2 });
        assert!(kind.merged(serde_json::json!({"latency": 9, "jitter": "x"})).is_err());
        let merged = kind
            .merged(serde_json::json!({"LATENCY": 9, "jitter": null, "other": 1}))
            .expect("a good update");
        assert_eq!(merged, Kind::from(Latency { latency: 9, jitter: 2 }));
    }

    #[test]
    fn every_name_leads_to_its_kind() {
        for name in Kind::NAMES {
            assert_eq!(Kind::named(name).map(|kind| kind.name()), Some(*name));
        }
        assert_eq!(Kind::named("Latency"), None);
    }
}
