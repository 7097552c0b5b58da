//! The words of `MySQL`'s own programs, as its URLs have them: `ssl-mode`, `ssl-ca`, `ssl-cert` and `ssl-key`.
//!
//! As there, `ssl-ca` alone is `VERIFY_CA`. Without `ssl-ca` the authorities are the machine's.

use super::{Read, TlsMode, TlsSettings, Words};
use crate::dsn::{DsnError, Parameter};

const WORDS: Words = Words {
    mode: "ssl-mode",
    modes: &[
        ("DISABLED", TlsMode::Disable),
        ("PREFERRED", TlsMode::Prefer),
        ("REQUIRED", TlsMode::Require),
        ("VERIFY_CA", TlsMode::VerifyCa),
        ("VERIFY_IDENTITY", TlsMode::VerifyFull),
    ],
    any_case: true,
    roots: "ssl-ca",
    machine: None,
    certificate: "ssl-cert",
    key: "ssl-key",
    best: "ssl-mode=VERIFY_IDENTITY",
};

/// All of them.
pub const OPTIONS: [&str; 4] = [WORDS.mode, WORDS.roots, WORDS.certificate, WORDS.key];

/// What the parameters of a DSN ask for; those that are not about TLS are given back.
///
/// # Errors
/// A parameter that is unreadable or would change nothing.
pub fn read(parameters: Vec<Parameter<'_>>) -> Result<Read<'_>, DsnError> {
    let (given, others) = WORDS.split(parameters)?;
    let implied = if given.roots.is_some() { TlsMode::VerifyCa } else { TlsMode::default() };
    let settings = WORDS.settle(given.mode.unwrap_or(implied), given).map_err(DsnError::whole)?;
    Ok((settings, others))
}

/// The parameters that ask for this; its own programs have options of the same names.
#[must_use]
pub fn options(settings: &TlsSettings) -> Vec<(&'static str, String)> {
    WORDS.written_mode(settings.mode).into_iter().chain(WORDS.files(settings)).collect()
}
