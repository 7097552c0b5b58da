//! TLS to Redis is the scheme `rediss://`, and checks everything; the parameters are those that Redis clients share:
//! `ssl_ca_certs`, `ssl_cert_reqs=none`, `ssl_check_hostname=false`, `ssl_certfile` and `ssl_keyfile`.

use super::{Given, Read, TlsError, TlsMode, TlsSettings, Words, unknown};
use crate::dsn::{DsnError, Parameter};

const WORDS: Words = Words {
    mode: "ssl_cert_reqs",
    modes: &[("required", TlsMode::VerifyFull), ("none", TlsMode::Require)],
    any_case: false,
    roots: "ssl_ca_certs",
    machine: None,
    certificate: "ssl_certfile",
    key: "ssl_keyfile",
    best: "ssl_cert_reqs=required",
};

/// Whether the name must be right.
const NAME: &str = "ssl_check_hostname";
/// The scheme that has TLS.
const SCHEME: &str = "rediss://";

/// All of them.
pub const OPTIONS: [&str; 5] = [WORDS.mode, WORDS.roots, WORDS.certificate, WORDS.key, NAME];

/// What the parameters of a DSN ask for; those that are not about TLS are given back. `insecure` is what some clients
/// write behind a `#`, and the same as `ssl_cert_reqs=none`.
///
/// # Errors
/// A parameter that is unreadable, or would change nothing.
pub fn read(secured: bool, insecure: bool, parameters: Vec<Parameter<'_>>) -> Result<Read<'_>, DsnError> {
    let (mut given, mut others, mut name) = (Given::default(), Vec::new(), None);
    if insecure {
        if !secured {
            return Err(DsnError::whole(TlsError::Plain { option: "#insecure", scheme: SCHEME }));
        }
        given.mode = Some(TlsMode::Require);
    }
    for parameter in parameters {
        match (OPTIONS.iter().find(|known| **known == parameter.key), parameter.value.as_str()) {
            (Some(&option), _) if !secured => {
                return Err(parameter.wrong(TlsError::Plain { option, scheme: SCHEME }));
            }
            (Some(&NAME), value) => match value {
                "true" => name = Some(true),
                "false" => name = Some(false),
                _ => return Err(unknown(NAME, &parameter, vec!["true", "false"])),
            },
            (Some(&option), value) if insecure && option == WORDS.mode && value != "none" => {
                return Err(unknown(option, &parameter, vec!["none"]));
            }
            _ if WORDS.take(&mut given, &parameter)? => {}
            _ => others.push(parameter),
        }
    }
    let mode = match (given.mode, name) {
        _ if !secured => TlsMode::Disable,
        (Some(TlsMode::Require), Some(true)) => {
            return Err(DsnError::whole(TlsError::Void { option: NAME, needs: WORDS.best }));
        }
        (Some(TlsMode::Require), _) => TlsMode::Require,
        (_, Some(false)) => TlsMode::VerifyCa,
        _ => TlsMode::VerifyFull,
    };
    Ok((WORDS.settle(mode, given).map_err(DsnError::whole)?, others))
}

/// The parameters that ask for this, behind `rediss://`.
#[must_use]
pub fn options(settings: &TlsSettings) -> Vec<(&'static str, String)> {
    let mut pairs = WORDS.files(settings);
    match settings.mode {
        TlsMode::Require | TlsMode::Prefer => pairs.push((WORDS.mode, "none".to_owned())),
        TlsMode::VerifyCa => pairs.push((NAME, "false".to_owned())),
        TlsMode::Disable | TlsMode::VerifyFull => {}
    }
    pairs
}
