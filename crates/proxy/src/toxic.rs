//! What a toxic is: a kind with its attributes, a stream, and the share of connections it hits.
//!
//! The kinds and their attributes are one table ([`kinds!`] below): name, fields, defaults, JSON in and out all follow
//! from it. What a kind *does* is in [`crate::stage`].

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::json::{self, Malformed, Scalar};

/// Attributes that are one of a few words.
macro_rules! words {
    ($type:ident $wanted:literal { $($variant:ident $word:literal),* $(,)? }) => {
        impl Scalar for $type {
            fn read(value: &Value, field: &str) -> Result<Self, Malformed> {
                match value.as_str() {
                    $( Some($word) => Ok(Self::$variant), )*
                    _ => Err(json::mismatch(value, field, $wanted)),
                }
            }

            fn write(&self, out: &mut String) {
                out.push_str(match self { $( Self::$variant => concat!("\"", $word, "\""), )* });
            }
        }
    };
}

impl Kind {
    /// Whether a toxic of this kind acts on both directions of a connection, whichever stream it was given.
    pub(crate) fn spans_streams(&self) -> bool {
        matches!(self, Self::HalfOpen(_) | Self::Connect(_) | Self::Http(_) | Self::Tls(_))
    }
}

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

/// How connecting fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Not at all.
    None,
    /// The client sees a FIN.
    Close,
    /// The client sees an RST.
    Reset,
    /// The client sees nothing.
    Hang,
}

/// How a WebSocket dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// Refused at the handshake, with status 403.
    Refuse,
    /// Closed cleanly, with a close frame between two of the server's frames.
    Close,
    /// Cut without a close frame, even within a frame.
    Cut,
    /// Open, but nothing comes from the server any more.
    Silence,
}

words! {
    Death "refuse, close, cut or silence" {
        Refuse "refuse", Close "close", Cut "cut", Silence "silence",
    }
}

/// How a TLS handshake fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFault {
    /// The certificate has expired.
    Expired,
    /// Its authority is unknown.
    Untrusted,
    /// There is never an answer.
    Stalled,
}

words! {
    TlsFault "expired, untrusted or stalled" {
        Expired "expired", Untrusted "untrusted", Stalled "stalled",
    }
}

words! {
    Failure "none, close, reset or hang" {
        None "none", Close "close", Reset "reset", Hang "hang",
    }
}

/// The table of kinds. Attribute names are the API's; every attribute is optional and starts from the given default.
macro_rules! kinds {
    ($(
        $(#[$kind_doc:meta])*
        $kind:ident $name:literal { $( $(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr ),* $(,)? }
    )*) => {
        $(
            $(#[$kind_doc])*
            #[derive(Debug, Clone, PartialEq)]
            pub struct $kind { $( $(#[$field_doc])* pub $field: $type, )* }

            impl Default for $kind {
                fn default() -> Self {
                    Self { $( $field: $default, )* }
                }
            }

            impl From<$kind> for Kind {
                fn from(attributes: $kind) -> Self {
                    Self::$kind(attributes)
                }
            }
        )*

        /// What a toxic does, with its attributes.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Kind { $( $(#[$kind_doc])* $kind($kind), )* }

        impl Kind {
            /// Every kind's name.
            pub const NAMES: &[&str] = &[$($name),*];

            /// The kind of that name with default attributes.
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $( $name => Some(Self::$kind($kind::default())), )*
                    _ => None,
                }
            }

            /// The name the API and playbooks use.
            pub fn name(&self) -> &'static str {
                match self { $( Self::$kind(_) => $name, )* }
            }

            /// This kind with the attributes that `value` names replaced, or nothing changed.
            pub(crate) fn merged(&self, value: Value) -> Result<Self, Malformed> {
                let object = json::object(value, "attributes")?;
                let mut merged = self.clone();
                match &mut merged {
                    $( Self::$kind(_attributes) => {
                        $( if let Some(value) = json::field(&object, stringify!($field))? {
                            _attributes.$field = value;
                        } )*
                    } )*
                }
                Ok(merged)
            }

            /// Appends all attributes as a JSON object.
            pub(crate) fn write(&self, out: &mut String) {
                let mut separator = '{';
                match self {
                    $( Self::$kind(_attributes) => { $(
                        out.push(separator);
                        separator = ',';
                        json::string(out, stringify!($field));
                        out.push(':');
                        _attributes.$field.write(out);
                    )* } )*
                }
                if separator == '{' {
                    out.push(separator);
                }
                out.push('}');
            }
        }
    };
}

kinds! {
    /// Delays each chunk; order is kept, throughput is not cut.
    Latency "latency" {
        /// Milliseconds.
        latency: i64 = 0,
        /// Milliseconds either way, uniform over [-jitter, jitter).
        jitter: i64 = 0,
    }
    /// Limits each connection to a rate.
    Bandwidth "bandwidth" {
        /// Kilobytes (1000 bytes) a second; 0 or less lets nothing pass and loses nothing.
        rate: i64 = 0,
    }
    /// Holds the end of the stream back.
    SlowClose "slow_close" {
        /// Milliseconds.
        delay: i64 = 0,
    }
    /// Drops all data, and closes after a time without any. Taking it away closes the connections it hit.
    Timeout "timeout" {
        /// Milliseconds without data; 0 or less: silent for ever.
        timeout: i64 = 0,
    }
    /// Resets the connection (RST to both sides) some time after the first data or the end of the stream.
    ResetPeer "reset_peer" {
        /// Milliseconds.
        timeout: i64 = 0,
    }
    /// Cuts the stream into small pieces.
    Slicer "slicer" {
        /// Bytes a piece has on average; less than 1 counts as 1.
        average_size: i64 = 0,
        /// Bytes a piece may be larger or smaller; below 0 counts as 0.
        size_variation: i64 = 0,
        /// Microseconds after each piece.
        delay: i64 = 0,
    }
    /// Passes so many bytes and closes.
    LimitData "limit_data" {
        /// Bytes; 0 or less closes on the first byte.
        bytes: i64 = 0,
    }
    /// Does nothing.
    Noop "noop" {}
    /// Drops whole chunks out of the stream, which is not what loss of packets does to TCP: what arrives has gaps.
    PacketLoss "packet_loss" {
        /// Share of chunks dropped, 0 to 1.
        loss_rate: f64 = 0.0,
        /// Added to the share right after a dropped chunk.
        correlation: f64 = 0.0,
    }
    /// Stops the bytes both ways while nothing closes, as when the path between the two goes silent. Loses nothing.
    HalfOpen "half_open" {}
        /// Sends chunks twice. For UDP: datagrams. A TCP stream is corrupted by it.
    Duplicate "duplicate" {
        /// Share of chunks, 0 to 1.
        share: f64 = 0.0,
    }
    /// Lets others overtake a chunk. For UDP: datagrams. A TCP stream is corrupted by it.
    Reorder "reorder" {
        /// Share of chunks, 0 to 1.
        share: f64 = 0.0,
        /// Milliseconds that such a chunk is held.
        delay: i64 = 0,
    }
    /// Changes single bytes.
    Corrupt "corrupt" {
        /// Share of bytes that change, 0 to 1.
        rate: f64 = 0.0,
    }
    /// Limits all connections of the proxy together to a rate.
    ProxyBandwidth "proxy_bandwidth" {
        /// Kilobytes (1000 bytes) a second; 0 or less lets nothing pass and loses nothing.
        rate: i64 = 0,
    }
        /// Changes the replies to matching HTTP/1 requests. Its stream does not matter.
    Http "http" {
        /// The method a request must have; empty: any.
        method: String = String::new(),
        /// What a request's path must begin with.
        path: String = String::new(),
        /// The status of the reply; 0: as it was. The body stays.
        status: i64 = 0,
        /// A header line to add, `Name: value`; empty: none.
        header: String = String::new(),
        /// Milliseconds that the reply is held.
        delay: i64 = 0,
    }
    /// Kills web sockets.
    Websocket "websocket" {
        /// `refuse`, `close`, `cut` or `silence`.
        death: Death = Death::Close,
        /// Milliseconds after the handshake at the earliest.
        after: i64 = 0,
        /// Milliseconds over which the time of death is spread at random.
        spread: i64 = 0,
        /// The code in the close frame.
        code: i64 = 1001,
    }
        /// Lets TLS handshakes of new connections fail; the upstream is never reached. Its stream does not matter.
    Tls "tls" {
        /// `expired`, `untrusted` or `stalled`.
        fault: TlsFault = TlsFault::Untrusted,
    }
    /// Makes connecting to the upstream slow or fail. Its stream does not matter.
    Connect "connect" {
        /// Milliseconds before the upstream is dialled, or before the failure shows.
        delay: i64 = 0,
        /// `none`; `close` and `reset` end the client's connection so; `hang` leaves it open and never dials.
        failure: Failure = Failure::None,
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
