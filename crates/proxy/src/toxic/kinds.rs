//! The table of kinds: their names, attributes and defaults. JSON in and out follow from it.
//!
//! Attribute names are the API's; every attribute is optional and starts from the given default.

use serde_json::Value;

use super::Stream;
use super::words::{Death, Failure, TlsFault};
use crate::json::{self, Malformed, Scalar};

/// One kind in words: those of the documentation of its type, for people who look for a toxic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// The name the API and playbooks use.
    pub name: &'static str,
    /// What it does.
    pub does: &'static str,
    /// Its attributes: name and meaning.
    pub attributes: &'static [(&'static str, &'static str)],
}

/// Makes types, JSON and words of the table.
macro_rules! kinds {
    ($(
        $(#[doc = $kind_doc:literal])*
        $kind:ident $name:literal {
            $( $(#[doc = $field_doc:literal])* $field:ident: $type:ty = $default:expr ),* $(,)?
        }
    )*) => {
        $(
            $(#[doc = $kind_doc])*
            #[derive(Debug, Clone, PartialEq)]
            pub struct $kind { $( $(#[doc = $field_doc])* pub $field: $type, )* }

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
        pub enum Kind { $( $(#[doc = $kind_doc])* $kind($kind), )* }

        impl Kind {
            /// Every kind's name.
            pub const NAMES: &[&str] = &[$($name),*];

            /// Every kind in words.
            pub const DESCRIBED: &[Described] = &[$( Described {
                name: $name,
                does: concat!($($kind_doc),*),
                attributes: &[$( (stringify!($field), concat!($($field_doc),*)) ),*],
            } ),*];

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

            /// The names of its attributes.
            pub fn attributes(&self) -> &'static [&'static str] {
                match self { $( Self::$kind(_) => &[$( stringify!($field) ),*], )* }
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
                merged.check()?;
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
    /// Kills web sockets. Its stream does not matter.
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

impl Kind {
    /// Whether a toxic of this kind acts on both directions of a connection, whichever stream it was given.
    pub(crate) fn spans_streams(&self) -> bool {
        matches!(self, Self::HalfOpen(_) | Self::Connect(_) | Self::Http(_) | Self::Tls(_))
    }

    /// Whether a toxic of this kind that was given one stream acts on the other or the same one.
    pub(crate) fn acts_on(&self, stream: Stream, given: Stream) -> bool {
        match self {
            // It is the server's side of a socket that dies.
            Self::Websocket(_) => stream == Stream::Downstream,
            kind => stream == given || kind.spans_streams(),
        }
    }
}
