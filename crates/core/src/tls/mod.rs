//! TLS to database servers, as DSNs ask for it: how much is checked, against whom, and who we say that we are.
//!
//! Owns the settings and reading them from the words of each kind of server: [`postgres`], [`mysql`], [`redis`]. Pure:
//! leaves files and handshakes to the crate `tls`. An option that would change nothing is refused: it was meant to.

pub mod mysql;
pub mod postgres;
pub mod redis;

use std::path::PathBuf;

/// How much TLS there is, from none to all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// Never.
    Disable,
    /// Where the server speaks it, and nothing is checked.
    #[default]
    Prefer,
    /// Always, and nothing is checked: whoever sits in between may be the server.
    Require,
    /// Always, and the server's certificate is signed by an authority that is trusted.
    VerifyCa,
    /// The same, and it is for the name by which the server was called.
    VerifyFull,
}

/// Whose signatures are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// Those whom the machine trusts.
    #[default]
    System,
    /// Those in a file of PEM certificates.
    File(PathBuf),
}

/// The files by which we show who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// Its key, without a passphrase.
    pub key: PathBuf,
}

/// What a DSN asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// How much.
    pub mode: TlsMode,
    /// Against whom, where the mode checks anything.
    pub roots: Roots,
    /// Who we are, where the server wants to know.
    pub identity: Option<ClientIdentity>,
}

impl TlsSettings {
    /// The same with every path made another, such as an absolute one.
    ///
    /// # Errors
    /// Whatever the one that makes them says.
    pub fn with_paths<E>(self, mut make: impl FnMut(PathBuf) -> Result<PathBuf, E>) -> Result<Self, E> {
        let roots = match self.roots {
            Roots::System => Roots::System,
            Roots::File(path) => Roots::File(make(path)?),
        };
        let identity = match self.identity {
            None => None,
            Some(ClientIdentity { certificate, key }) => {
                Some(ClientIdentity { certificate: make(certificate)?, key: make(key)? })
            }
        };
        Ok(Self { mode: self.mode, roots, identity })
    }
}

/// What a DSN asks for and cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

/// What a kind of server calls things.
struct Words {
    mode: &'static str,
    roots: &'static str,
    certificate: &'static str,
    key: &'static str,
    /// How its DSN asks for all that can be checked.
    best: &'static str,
}

/// What was written, option by option.
#[derive(Default)]
struct Given {
    mode: Option<TlsMode>,
    roots: Option<Roots>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Words {
    /// A path, which must be one.
    fn path(&self, key: &str, value: &str) -> Result<PathBuf, TlsError> {
        if value.is_empty() {
            return Err(TlsError(format!("the DSN's {key} names no file")));
        }
        Ok(value.into())
    }

    /// Puts together what was written; `mode` is what it comes to.
    fn settle(&self, mode: TlsMode, given: Given) -> Result<TlsSettings, TlsError> {
        let Words { roots, certificate, key, best, .. } = self;
        if given.roots.is_some() && mode < TlsMode::VerifyCa {
            return Err(TlsError(format!(
                "the DSN names {roots}, and its {} checks no certificate: write {best}",
                self.mode
            )));
        }
        let identity = match (given.certificate, given.key) {
            (None, None) => None,
            (Some(_), Some(_)) if mode == TlsMode::Disable => {
                return Err(TlsError(format!(
                    "the DSN names {certificate}, and its {} is no TLS",
                    self.mode
                )));
            }
            (Some(certificate), Some(key)) => Some(ClientIdentity { certificate, key }),
            _ => return Err(TlsError(format!("the DSN needs both {certificate} and {key}, or neither"))),
        };
        Ok(TlsSettings { mode, roots: given.roots.unwrap_or_default(), identity })
    }

    /// The options of files, as they are written.
    fn files(&self, settings: &TlsSettings) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        if let Roots::File(path) = &settings.roots {
            pairs.push((self.roots, path.display().to_string()));
        }
        if let Some(ClientIdentity { certificate, key }) = &settings.identity {
            pairs.push((self.certificate, certificate.display().to_string()));
            pairs.push((self.key, key.display().to_string()));
        }
        pairs
    }
}
