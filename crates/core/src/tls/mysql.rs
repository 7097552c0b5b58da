//! The words of `MySQL`'s own programs, as its URLs have them: `ssl-mode`, `ssl-ca`, `ssl-cert` and `ssl-key`.
//!
//! As there, `ssl-ca` alone is `VERIFY_CA`. Without `ssl-ca` the authorities are the machine's.

use super::{Given, Roots, TlsError, TlsMode, TlsSettings, Words};

const WORDS: Words = Words {
    mode: "ssl-mode",
    roots: "ssl-ca",
    certificate: "ssl-cert",
    key: "ssl-key",
    best: "ssl-mode=VERIFY_IDENTITY",
};

const MODES: [(&str, TlsMode); 5] = [
    ("DISABLED", TlsMode::Disable),
    ("PREFERRED", TlsMode::Prefer),
    ("REQUIRED", TlsMode::Require),
    ("VERIFY_CA", TlsMode::VerifyCa),
    ("VERIFY_IDENTITY", TlsMode::VerifyFull),
];

/// What the parameters of a DSN ask for; those that are not about TLS are given back.
///
/// # Errors
/// A parameter that is unreadable or would change nothing.
pub fn read(parameters: Vec<(String, String)>) -> Result<(TlsSettings, Vec<(String, String)>), TlsError> {
    let (mut given, mut others) = (Given::default(), Vec::new());
    for (key, value) in parameters {
        match key.as_str() {
            "ssl-mode" => {
                let known = MODES.iter().find(|(word, _)| word.eq_ignore_ascii_case(&value));
                let unknown = || {
                    let words: Vec<_> = MODES.iter().map(|(word, _)| *word).collect();
                    TlsError(format!("the DSN's ssl-mode {value:?} is not known: write {}", words.join(", ")))
                };
                given.mode = Some(known.ok_or_else(unknown)?.1);
            }
            "ssl-ca" => given.roots = Some(Roots::File(WORDS.path(&key, &value)?)),
            "ssl-cert" => given.certificate = Some(WORDS.path(&key, &value)?),
            "ssl-key" => given.key = Some(WORDS.path(&key, &value)?),
            _ => others.push((key, value)),
        }
    }
    let implied = if given.roots.is_some() { TlsMode::VerifyCa } else { TlsMode::default() };
    Ok((WORDS.settle(given.mode.unwrap_or(implied), given)?, others))
}

/// The parameters that ask for this; its own programs have options of the same names.
#[must_use]
pub fn options(settings: &TlsSettings) -> Vec<(&'static str, String)> {
    let word = MODES.iter().find(|(_, mode)| *mode == settings.mode).map_or("", |(word, _)| word);
    let mut pairs = Vec::new();
    if settings.mode != TlsMode::default() {
        pairs.push((WORDS.mode, word.to_owned()));
    }
    pairs.extend(WORDS.files(settings));
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
        use TlsMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
        let file = || Roots::File("/ca.pem".into());
        for (text, mode, roots, written) in [
            ("", Prefer, Roots::System, ""),
            ("ssl-mode=PREFERRED", Prefer, Roots::System, ""),
            ("ssl-mode=disabled", Disable, Roots::System, "ssl-mode=DISABLED"),
            ("ssl-mode=Required", Require, Roots::System, "ssl-mode=REQUIRED"),
            ("ssl-mode=VERIFY_CA", VerifyCa, Roots::System, "ssl-mode=VERIFY_CA"),
            ("ssl-ca=/ca.pem", VerifyCa, file(), "ssl-mode=VERIFY_CA&ssl-ca=/ca.pem"),
            (
                "ssl-ca=/ca.pem&ssl-mode=VERIFY_IDENTITY",
                VerifyFull,
                file(),
                "ssl-mode=VERIFY_IDENTITY&ssl-ca=/ca.pem",
            ),
        ] {
            let (settings, others) = read(pairs(text)).expect(text);
            assert_eq!((settings.mode, &settings.roots, others.len()), (mode, &roots, 0), "{text}");
            let again: Vec<_> =
                options(&settings).iter().map(|(key, value)| format!("{key}={value}")).collect();
            assert_eq!(again.join("&"), written);
        }
        let (settings, others) = read(pairs("ssl-cert=c&ssl-key=k&a=b")).expect("read");
        assert!(settings.identity.is_some() && others == pairs("a=b"));
    }

    #[test]
    fn what_cannot_be_or_would_change_nothing_is_refused() {
        for (text, word) in [
            ("ssl-mode=verify-full", "VERIFY_IDENTITY"),
            ("ssl-mode=REQUIRED&ssl-ca=ca.pem", "ssl-mode=VERIFY_IDENTITY"),
            ("ssl-ca=", "no file"),
            ("ssl-key=k", "ssl-cert"),
            ("ssl-mode=DISABLED&ssl-cert=c&ssl-key=k", "no TLS"),
        ] {
            let why = read(pairs(text)).expect_err(text).to_string();
            assert!(why.contains(word), "{text}: {why}");
        }
    }
}
