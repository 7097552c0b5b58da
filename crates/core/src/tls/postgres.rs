//! libpq's words: `sslmode`, `sslrootcert`, `sslcert` and `sslkey`.
//!
//! As libpq has it, `require` with `sslrootcert` is `verify-ca`, and `sslrootcert=system` alone is `verify-full`. Unlike it,
//! no file is looked for in the home folder: without `sslrootcert` the authorities are the machine's.

use super::{Read, Roots, TlsMode, TlsSettings, Words};
use crate::dsn::{DsnError, Parameter};

const WORDS: Words = Words {
    mode: "sslmode",
    modes: &[
        ("disable", TlsMode::Disable),
        ("prefer", TlsMode::Prefer),
        ("require", TlsMode::Require),
        ("verify-ca", TlsMode::VerifyCa),
        ("verify-full", TlsMode::VerifyFull),
    ],
    any_case: false,
    roots: "sslrootcert",
    machine: Some("system"),
    certificate: "sslcert",
    key: "sslkey",
    best: "sslmode=verify-full",
};

/// All of them.
pub const OPTIONS: [&str; 4] = [WORDS.mode, WORDS.roots, WORDS.certificate, WORDS.key];

/// What the parameters of a DSN ask for; those that are not about TLS are given back.
///
/// # Errors
/// A parameter that is unreadable or would change nothing.
pub fn read(parameters: Vec<Parameter<'_>>) -> Result<Read<'_>, DsnError> {
    let (given, others) = WORDS.split(parameters)?;
    let mode = match (given.mode, &given.roots) {
        (None, Some(Roots::System)) => TlsMode::VerifyFull,
        (Some(TlsMode::Require), Some(Roots::File(_))) => TlsMode::VerifyCa,
        (mode, _) => mode.unwrap_or_default(),
    };
    Ok((WORDS.settle(mode, given).map_err(DsnError::whole)?, others))
}

/// The options that ask for this, in libpq's words.
#[must_use]
pub fn options(settings: &TlsSettings) -> Vec<(&'static str, String)> {
    let mut pairs: Vec<_> = WORDS.written_mode(settings.mode).into_iter().collect();
    // Left out, libpq would look for a file in the home folder. It takes this word for the strictest mode only.
    if settings.mode == TlsMode::VerifyFull && settings.roots == Roots::System {
        pairs.extend(WORDS.machine.map(|word| (WORDS.roots, word.to_owned())));
    }
    pairs.extend(WORDS.files(settings));
    pairs
}
