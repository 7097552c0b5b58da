//! TLS to database servers, as DSNs ask for it: how much is checked, against whom, and who we say that we are.
//!
//! Owns the settings and reading them from the words of each kind of server: [`postgres`], [`mysql`], [`redis`]. Pure:
//! leaves the parts of a DSN to [`crate::dsn`], files and handshakes to the crate `tls`. An option that would change nothing is refused: it was meant to.

pub mod mysql;
pub mod postgres;
pub mod redis;

use std::path::PathBuf;

use crate::dsn::{DsnError, Parameter};

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
    /// Whether it names files, which may be for certain users only.
    #[must_use]
    pub fn has_files(&self) -> bool {
        matches!(self.roots, Roots::File(_)) || self.identity.is_some()
    }

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
pub enum TlsError {
    /// An option has a value that is not one of its words.
    #[error("{option} is {}: write {}", read.as_ref().map_or("not known".to_owned(), |read| format!("{read:?}, which is not known")), allowed.join(", "))]
    Value {
        /// Which.
        option: &'static str,
        /// What it was given, where nothing of it can be a part of a password.
        read: Option<String>,
        /// What it can be.
        allowed: Vec<&'static str>,
    },
    /// An option for a file has none.
    #[error("{option} names no file")]
    NoFile {
        /// Which.
        option: &'static str,
    },
    /// Authorities are named, and no certificate is checked.
    #[error("{roots} is named, and {mode} checks no certificate: write {best}")]
    Unchecked {
        /// What names them.
        roots: &'static str,
        /// What decides how much is checked.
        mode: &'static str,
        /// How to ask for all that can be checked.
        best: &'static str,
    },
    /// A certificate of our own is named, and there is no TLS.
    #[error("{certificate} is named, and {mode} is no TLS")]
    Unused {
        /// What names it.
        certificate: &'static str,
        /// What says that there is none.
        mode: &'static str,
    },
    /// A certificate of our own without its key, or a key without its certificate.
    #[error("{certificate} and {key} go together: write both, or neither")]
    Half {
        /// What names the certificate.
        certificate: &'static str,
        /// What names the key.
        key: &'static str,
    },
    /// An option about TLS in a DSN whose scheme has none.
    #[error("{option} is about TLS: write {scheme}")]
    Plain {
        /// Which.
        option: &'static str,
        /// The scheme that has it.
        scheme: &'static str,
    },
    /// An option that another one makes void.
    #[error("{option} changes nothing without {needs}")]
    Void {
        /// Which.
        option: &'static str,
        /// What it needs.
        needs: &'static str,
    },
}

/// What a kind of server calls things.
struct Words {
    mode: &'static str,
    modes: &'static [(&'static str, TlsMode)],
    /// Whether its modes may be written in any case.
    any_case: bool,
    roots: &'static str,
    /// What `roots` may be instead of a file, for the machine's own.
    machine: Option<&'static str>,
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
    /// Those parameters that are about TLS, and the others.
    fn split<'a>(&self, parameters: Vec<Parameter<'a>>) -> Result<(Given, Vec<Parameter<'a>>), DsnError> {
        let (mut given, mut others) = (Given::default(), Vec::new());
        for parameter in parameters {
            if !self.take(&mut given, &parameter)? {
                others.push(parameter);
            }
        }
        Ok((given, others))
    }

    /// Takes a parameter that is about TLS; whether it was.
    fn take(&self, given: &mut Given, parameter: &Parameter<'_>) -> Result<bool, DsnError> {
        let path = |option| match parameter.value.as_str() {
            "" => Err(parameter.wrong(TlsError::NoFile { option })),
            path => Ok(PathBuf::from(path)),
        };
        match parameter.key.as_str() {
            key if key == self.mode => given.mode = Some(self.read_mode(parameter)?),
            key if key == self.roots && self.machine == Some(&parameter.value) => {
                given.roots = Some(Roots::System);
            }
            key if key == self.roots => given.roots = Some(Roots::File(path(self.roots)?)),
            key if key == self.certificate => given.certificate = Some(path(self.certificate)?),
            key if key == self.key => given.key = Some(path(self.key)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn read_mode(&self, parameter: &Parameter<'_>) -> Result<TlsMode, DsnError> {
        let value = &parameter.value;
        let is = |word: &str| word == value || (self.any_case && word.eq_ignore_ascii_case(value));
        let known = self.modes.iter().find(|(word, _)| is(word)).map(|(_, mode)| *mode);
        let words = || self.modes.iter().map(|(word, _)| *word).collect();
        known.ok_or_else(|| unknown(self.mode, parameter, words()))
    }

    /// Puts together what was written; `mode` is what it comes to.
    fn settle(&self, mode: TlsMode, given: Given) -> Result<TlsSettings, TlsError> {
        let &Words { roots, certificate, key, best, mode: option, .. } = self;
        if given.roots.is_some() && mode < TlsMode::VerifyCa {
            return Err(TlsError::Unchecked { roots, mode: option, best });
        }
        let identity = match (given.certificate, given.key) {
            (None, None) => None,
            (Some(_), Some(_)) if mode == TlsMode::Disable => {
                return Err(TlsError::Unused { certificate, mode: option });
            }
            (Some(certificate), Some(key)) => Some(ClientIdentity { certificate, key }),
            _ => return Err(TlsError::Half { certificate, key }),
        };
        Ok(TlsSettings { mode, roots: given.roots.unwrap_or_default(), identity })
    }

    /// The mode's option and its word, unless it is what goes without saying.
    fn written_mode(&self, mode: TlsMode) -> Option<(&'static str, String)> {
        let (word, _) = self.modes.iter().find(|(_, known)| *known == mode)?;
        (mode != TlsMode::default()).then(|| (self.mode, (*word).to_owned()))
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

fn unknown(option: &'static str, parameter: &Parameter<'_>, allowed: Vec<&'static str>) -> DsnError {
    let read = parameter.is_open.then(|| parameter.value.clone());
    parameter.wrong(TlsError::Value { option, read, allowed })
}

/// Whatever is not about TLS, and what the rest asks for.
type Read<'a> = (TlsSettings, Vec<Parameter<'a>>);

#[cfg(test)]
mod tests;
