//! Why there is no TLS, in words that say what to do.

use std::io;
use std::path::PathBuf;

use deadstick_core::text::printable;
use rustls::{CertificateError, Error};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsFailure {
    /// A file of the DSN.
    #[error("cannot read {}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The machine's authorities were asked for, and it has none.
    #[error(
        "this machine trusts no authority: install the package ca-certificates, or name a file of certificates"
    )]
    NoRoots,
    /// The client's certificate and key cannot be used.
    #[error("the client's certificate and key cannot be used: {0}")]
    Identity(Error),
    /// No certificate can be for such a name.
    #[error("no certificate can be for the name {0:?}")]
    Name(String),
    /// One side does not accept the other.
    #[error("{0}")]
    Refused(String),
    /// The handshake broke off.
    #[error("the TLS handshake broke off: {0}")]
    Broken(#[from] io::Error),
}

impl TlsFailure {
    /// Whether it came of the handshake: then a server may still be spoken to without TLS, where that is wanted.
    #[must_use]
    pub const fn is_of_handshake(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Broken(_))
    }

    /// What became of a handshake with a host.
    pub(crate) fn of_handshake(error: io::Error, host: &str) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(inner) => Self::Refused(printable(&words(inner, host))),
            None => Self::Broken(error),
        }
    }
}

fn words(error: &Error, host: &str) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the server's certificate is signed by no authority that is trusted here; name the file with its authority's \
             certificate"
                .to_owned()
        }
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. })
            if !presented.is_empty() =>
        {
            format!("the server's certificate is not for {host} but for {}", presented.join(", "))
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            format!("the server's certificate is not for {host}: it has no such alternative name")
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the server's certificate has expired".to_owned()
        }
        Error::InvalidCertificate(why) => format!("the server's certificate cannot be accepted: {why}"),
        Error::AlertReceived(alert) => format!("the server refuses the TLS handshake ({alert:?})"),
        Error::InvalidMessage(_) => "what answers there does not speak TLS".to_owned(),
        other => format!("no TLS with {host}: {other}"),
    }
}
