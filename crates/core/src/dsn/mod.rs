//! DSNs of database servers: their parts, and what is wrong with one, told by its position and never by its text.
//!
//! Owns [`Url`], [`Parameter`] and [`DsnError`], and the words and values of PostgreSQL in [`postgres`]. What parameters
//! about TLS mean is in [`crate::tls`]; how a DSN is shown without its password is in [`crate::text`]. Leaves the
//! connection, and what a kind of server makes of the parts, to the crates that connect.

pub mod postgres;
mod url;
mod words;

use crate::text::percent_decoded;
use crate::tls::TlsError;

pub use url::{Host, Url};
pub(crate) use words::words;

/// A DSN that cannot be read. Its message repeats nothing that may be a part of a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}{}", at.map_or(String::new(), |at| format!(" (character {at} of the DSN)")))]
pub struct DsnError {
    /// What is wrong.
    pub problem: DsnProblem,
    /// Where: characters from 1, in the DSN as it was written. None where it is the whole of it, or several parts.
    pub at: Option<usize>,
}

/// What is wrong with a DSN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DsnProblem {
    /// It names no kind of server.
    #[error("the DSN does not begin with a scheme: write {}", listed(.0, "://"))]
    NoScheme(&'static [&'static str]),
    /// It names a kind of server that is not known.
    #[error("the DSN's scheme is not known: write {}", listed(.0, "://"))]
    Scheme(&'static [&'static str]),
    /// A `#` where there is none.
    #[error("the DSN has a # that means nothing here: write %23 for the character itself")]
    Mark,
    /// An IPv6 address that does not end.
    #[error("the DSN's IPv6 address has no closing bracket")]
    Bracket,
    /// Something between an IPv6 address and its port.
    #[error("the DSN has something between its address and its port: write [::1]:5432")]
    BehindAddress,
    /// What is no port stands where one must.
    #[error(
        "the DSN has no port behind the host's colon: write a number up to 65535, and %3A for a colon in a password"
    )]
    Port,
    /// There is no host.
    #[error("the DSN names no host")]
    NoHost,
    /// A percent sign that stands for nothing.
    #[error("the DSN has a percent sign that stands for no character: write %25 for the sign itself")]
    Percent,
    /// A parameter that the kind of server does not have.
    #[error("the DSN has a parameter that is not known{}", near.map_or(String::new(), |near| format!(": did you mean {near}?")))]
    Parameter {
        /// The one that was meant, where it is so near that one slip explains it.
        near: Option<&'static str>,
    },
    /// A parameter with a value that it cannot have.
    #[error("the DSN's {parameter} has a value that it cannot have: write {allowed}")]
    Value {
        /// Which.
        parameter: &'static str,
        /// What it can be.
        allowed: &'static str,
    },
    /// A word without an equals sign and a value behind it.
    #[error("the DSN has a word without a value: write word=value, and quotes around a value with blanks")]
    NoValue,
    /// A quote that does not end.
    #[error("the DSN has a quoted value without a closing quote")]
    Quote,
    /// What it says about TLS.
    #[error("the DSN asks for TLS that cannot be: {0}")]
    Tls(#[from] TlsError),
    /// It names a file, and this process does not know where it is itself.
    #[error("the DSN names a file, and nobody knows in which folder: {why}; write its whole path")]
    Folder {
        /// Why not.
        why: String,
    },
    /// The server's client library has rules of its own.
    #[error("the DSN cannot be used: {why}")]
    Client {
        /// Its words.
        why: String,
    },
}

fn listed(words: &[&str], behind: &str) -> String {
    words.iter().map(|word| format!("{word}{behind}…")).collect::<Vec<_>>().join(", ")
}

impl DsnError {
    /// About the whole of a DSN.
    #[must_use]
    pub fn whole(problem: impl Into<DsnProblem>) -> Self {
        Self { problem: problem.into(), at: None }
    }

    /// About the part that begins at a byte of the DSN.
    pub(crate) fn at_byte(dsn: &str, byte: usize, problem: impl Into<DsnProblem>) -> Self {
        Self { problem: problem.into(), at: Some(position(dsn, byte)) }
    }

    fn at(at: usize, problem: impl Into<DsnProblem>) -> Self {
        Self { problem: problem.into(), at: Some(at) }
    }
}

/// Which character a byte is, from 1.
fn position(dsn: &str, byte: usize) -> usize {
    1 + dsn.get(..byte).map_or(0, |before| before.chars().count())
}

/// A parameter of a DSN, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Its name, decoded.
    pub key: String,
    /// Its value, decoded.
    pub value: String,
    /// Both as they were written.
    pub(crate) raw: &'a str,
    /// Whether the value can be shown: nothing of it can be a part of a password.
    pub(crate) is_open: bool,
    key_at: usize,
    value_at: usize,
}

impl Parameter<'_> {
    /// That its name is not one of those that there are.
    #[must_use]
    pub fn unknown(&self, known: &[&'static str]) -> DsnError {
        let near = crate::source::nearest(&self.key, known.iter().copied());
        let near = near.and_then(|near| known.iter().copied().find(|one| *one == near));
        DsnError::at(self.key_at, DsnProblem::Parameter { near })
    }

    /// That its value cannot be.
    #[must_use]
    pub fn wrong(&self, problem: impl Into<DsnProblem>) -> DsnError {
        DsnError::at(self.value_at, problem)
    }
}

/// A part of a DSN with its percent signs as what they stand for; `byte` is where it begins.
fn decoded(dsn: &str, byte: usize, part: &str) -> Result<String, DsnError> {
    percent_decoded(part).ok_or_else(|| {
        let is_escape = |at: usize| {
            let digits = part.as_bytes().get(at + 1..at + 3);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        let signs = || part.match_indices('%').map(|(at, _)| at);
        // Where all of them are well formed, together they are no text.
        let at = signs().find(|at| !is_escape(*at)).or_else(|| signs().next()).unwrap_or(0);
        DsnError::at_byte(dsn, byte + at, DsnProblem::Percent)
    })
}
