//! One line of the log: a CloudEvents 1.0 envelope in JSON with our extensions.
//!
//! Owns the layout. A line is, in this order and without spaces:
//!
//! ```text
//! {"specversion":"1.0","id":…,"source":…,"type":…,"time":…[,"subject":…][,"datacontenttype":"application/json"],
//!  "recordedat":…,"writer":…,"seq":…[,"prev":…],"hlc":…,"by":…[,"digest":…]
//!  ,"hash":"HASH"[,"salt":"SALT","data":DATA | ,"redacted":"WHY"SPACES]}
//! ```
//!
//! - `hash` is the SHA-256 of the bytes before `,"hash"`: the head. `prev` is the `hash` of the line before it in the same
//!   chain; a merge names several, its own first, parted by spaces (CloudEvents has no lists). So a link can be checked
//!   with `sha256sum`.
//! - `digest` is the SHA-256 of SALT and DATA as they are written. The payload hangs off the chain by it and can be taken
//!   away later: without the salt a short secret cannot be guessed from its digest.
//! - `seq` counts the records of one writer from 1. The first line of a segment is a header with the `seq` before it.
//! - `hlc` is milliseconds and a counter, both hexadecimal and of fixed width, so that text order is time order.
//!
//! Leaves files, chains and durability to [`crate::log`], reading the payload's meaning to `deadstick_core`.

mod decode;
mod encode;

pub(crate) use decode::{Head, Header, Line, Parts, Tail};
pub(crate) use encode::{Encoder, Stamp, kind, subject};

/// What our types begin with.
pub(crate) const TYPE_PREFIX: &str = "deadstick.";

/// The kind of the first line of every segment.
pub(crate) const HEADER_KIND: &str = "log.segment";

/// The kind of the record that says that a payload was taken away, by whom and why.
pub(crate) const REDACTION_KIND: &str = "log.redacted";

/// The format that this version writes, as MAJOR.MINOR. A newer minor is read and never written to; a newer major is
/// not read.
pub(crate) const FORMAT: (u32, u32) = (1, 0);

/// Why a line cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It is not laid out as this format says.
    #[error("it is not a line of a log: {0}")]
    Layout(String),
    /// Something before `hash` was changed.
    #[error("its head does not match its hash: it was changed")]
    Hash,
    /// Salt or payload were changed.
    #[error("its payload does not match its digest: it was changed")]
    Payload,
    /// It does not follow the line before it.
    #[error("it does not follow the line before it: a line is missing, moved or inserted")]
    Chain,
    /// The counter jumps.
    #[error("its seq is {found}, expected {expected}")]
    Seq {
        /// What it should be.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// Its clock does not move on.
    #[error("its clock does not move on from the record before it")]
    Clock,
    /// It was written by somebody else.
    #[error("its writer is `{0}`, not the one this file is named after")]
    Writer(String),
    /// A segment does not begin with its header, or has one in the middle.
    #[error("a segment has exactly one header, and that is its first line")]
    Header,
    /// It names a predecessor in another chain that is not there.
    #[error("it names a predecessor in another chain that is not there: {0}")]
    Predecessor(String),
    /// The file ends in the middle of it.
    #[error("it is unfinished: {bytes} bytes without an end of line, never acknowledged")]
    Torn {
        /// How many bytes.
        bytes: usize,
    },
    /// A segment file of the series is not there.
    #[error("segment {0} of this writer is missing")]
    Segment(u32),
}
