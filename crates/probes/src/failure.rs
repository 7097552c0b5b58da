//! What a failed exchange says: a no from the other side, or silence.
//!
//! Owns the reading of error chains that network clients share; leaves protocol errors to the protocol's module.

use std::error::Error;
use std::io;

use crate::verdict::Verdict;

/// An error and everything behind it, outermost first.
pub(crate) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |e| (*e).source())
}

/// The innermost message: the outer ones only say what was being tried.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

/// What an input/output error says, if it says anything definite about the other side.
pub(crate) fn of_io(error: &io::Error) -> Option<Verdict> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            Some(Verdict::unsatisfied("nothing listens there (connection refused)").with_value("refused"))
        }
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => Some(closed_early()),
        io::ErrorKind::TimedOut => Some(Verdict::unknown("the connection timed out")),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Some(Verdict::unknown(format!("no route there ({error})")))
        }
        _ => None,
    }
}

/// The same for the first such error of a chain.
pub(crate) fn of_chain(error: &(dyn Error + 'static)) -> Option<Verdict> {
    chain(error).filter_map(|e| e.downcast_ref::<io::Error>()).find_map(of_io)
}

/// The other side hung up instead of answering.
pub(crate) fn closed_early() -> Verdict {
    Verdict::unsatisfied("the connection was closed before the answer was complete").with_value("closed")
}
