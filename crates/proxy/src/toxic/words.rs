//! Attributes of toxics that are one of a few words.

use serde_json::Value;

use crate::json::{Malformed, Scalar};

/// Reading and writing such an attribute.
macro_rules! words {
    ($type:ident $wanted:literal { $($variant:ident $word:literal),* $(,)? }) => {
        impl Scalar for $type {
            fn read(value: &Value, field: &str) -> Result<Self, Malformed> {
                match value.as_str() {
                    $( Some($word) => Ok(Self::$variant), )*
                    _ => Err(Malformed::Value {
                        found: value.to_string(),
                        field: field.to_owned(),
                        wanted: concat!("one of ", $wanted),
                    }),
                }
            }

            fn write(&self, out: &mut String) {
                out.push_str(match self { $( Self::$variant => concat!("\"", $word, "\""), )* });
            }
        }
    };
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
