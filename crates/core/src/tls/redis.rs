//! TLS to Redis is the scheme `rediss://`, and checks everything; the parameters are those that Redis clients share:
//! `ssl_ca_certs`, `ssl_cert_reqs=none`, `ssl_check_hostname=false`, `ssl_certfile` and `ssl_keyfile`.

use super::{Given, Roots, TlsError, TlsMode, TlsSettings, Words};

const WORDS: Words = Words {
    mode: "ssl_cert_reqs",
    roots: "ssl_ca_certs",
    certificate: "ssl_certfile",
    key: "ssl_keyfile",
    best: "ssl_cert_reqs=required",
};

/// What the parameters of a DSN ask for; those that are not about TLS are given back. `insecure` is what some clients
/// write behind a `#`, and the same as `ssl_cert_reqs=none`.
///
/// # Errors
/// A parameter that is unreadable, or would change nothing.
pub fn read(
    secured: bool,
    insecure: bool,
    parameters: Vec<(String, String)>,
) -> Result<(TlsSettings, Vec<(String, String)>), TlsError> {
    let (mut given, mut others, mut name) = (Given::default(), Vec::new(), None);
    let unknown = |key: &str, value: &str, words: &str| {
        TlsError(format!("the DSN's {key} {value:?} is not known: write {words}"))
    };
    if insecure {
        given.mode = Some(TlsMode::Require);
    }
    for (key, value) in parameters {
        if !secured && key.starts_with("ssl_") {
            return Err(TlsError(format!("the DSN's {key} is about TLS, which rediss:// asks for")));
        }
        match (key.as_str(), value.as_str()) {
            ("ssl_cert_reqs", "none") => given.mode = Some(TlsMode::Require),
            ("ssl_cert_reqs", "required") if !insecure => given.mode = Some(TlsMode::VerifyFull),
            ("ssl_cert_reqs", _) => return Err(unknown(&key, &value, "required or none")),
            ("ssl_check_hostname", "true") => name = Some(true),
            ("ssl_check_hostname", "false") => name = Some(false),
            ("ssl_check_hostname", _) => return Err(unknown(&key, &value, "true or false")),
            ("ssl_ca_certs", path) => given.roots = Some(Roots::File(WORDS.path(&key, path)?)),
            ("ssl_certfile", path) => given.certificate = Some(WORDS.path(&key, path)?),
            ("ssl_keyfile", path) => given.key = Some(WORDS.path(&key, path)?),
            _ => others.push((key, value)),
        }
    }
    let mode = match (secured, given.mode, name) {
        (false, None, _) => TlsMode::Disable,
        (false, Some(_), _) => {
            return Err(TlsError("the DSN's #insecure is about TLS, which rediss:// asks for".to_owned()));
        }
        (true, Some(TlsMode::Require), Some(true)) => {
            return Err(TlsError("the DSN's ssl_check_hostname needs ssl_cert_reqs=required".to_owned()));
        }
        (true, Some(TlsMode::Require), _) => TlsMode::Require,
        (true, _, Some(false)) => TlsMode::VerifyCa,
        (true, ..) => TlsMode::VerifyFull,
    };
    Ok((WORDS.settle(mode, given)?, others))
}

/// The parameters that ask for this, behind `rediss://`.
#[must_use]
pub fn options(settings: &TlsSettings) -> Vec<(&'static str, String)> {
    let mut pairs = WORDS.files(settings);
    match settings.mode {
        TlsMode::Require | TlsMode::Prefer => pairs.push((WORDS.mode, "none".to_owned())),
        TlsMode::VerifyCa => pairs.push(("ssl_check_hostname", "false".to_owned())),
        TlsMode::Disable | TlsMode::VerifyFull => {}
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        text.split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    }

    #[test]
    fn parameters_are_read_and_written() {
        use TlsMode::{Disable, Require, VerifyCa, VerifyFull};
        for (secured, insecure, text, mode, written) in [
            (false, false, "", Disable, ""),
            (true, false, "", VerifyFull, ""),
            (true, false, "ssl_cert_reqs=required", VerifyFull, ""),
            (true, true, "", Require, "ssl_cert_reqs=none"),
            (true, false, "ssl_cert_reqs=none", Require, "ssl_cert_reqs=none"),
            (true, false, "ssl_ca_certs=/ca.pem", VerifyFull, "ssl_ca_certs=/ca.pem"),
            (true, false, "ssl_check_hostname=false", VerifyCa, "ssl_check_hostname=false"),
            (true, false, "ssl_certfile=c&ssl_keyfile=k", VerifyFull, "ssl_certfile=c&ssl_keyfile=k"),
        ] {
            let (settings, others) = read(secured, insecure, pairs(text)).expect(text);
            assert_eq!((settings.mode, others.len()), (mode, 0), "{text}");
            let again: Vec<_> =
                options(&settings).iter().map(|(key, value)| format!("{key}={value}")).collect();
            assert_eq!(again.join("&"), written);
            assert_eq!(read(secured, false, pairs(written)).expect("ours").0, settings, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_or_would_change_nothing_is_refused() {
        for (secured, insecure, text, word) in [
            (false, false, "ssl_ca_certs=ca.pem", "rediss://"),
            (false, true, "", "rediss://"),
            (true, false, "ssl_cert_reqs=optional", "required or none"),
            (true, true, "ssl_cert_reqs=required", "none"),
            (true, true, "ssl_ca_certs=ca.pem", "ssl_cert_reqs=required"),
            (true, false, "ssl_cert_reqs=none&ssl_check_hostname=true", "ssl_cert_reqs=required"),
            (true, false, "ssl_check_hostname=no", "true or false"),
            (true, false, "ssl_keyfile=k", "ssl_certfile"),
        ] {
            let why = read(secured, insecure, pairs(text)).expect_err(text).to_string();
            assert!(why.contains(word), "{text}: {why}");
        }
    }
}
