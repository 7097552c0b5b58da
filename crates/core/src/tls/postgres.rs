//! libpq's words: `sslmode`, `sslrootcert`, `sslcert` and `sslkey`, in a URL or in words and values.
//!
//! As libpq has it, `require` with `sslrootcert` is `verify-ca`, and `sslrootcert=system` alone is `verify-full`. Unlike it,
//! no file is looked for in the home folder: without `sslrootcert` the authorities are the machine's.

use super::{Given, Roots, TlsError, TlsMode, TlsSettings, Words};
use crate::text::{end_of_value, percent_decoded};

const WORDS: Words = Words {
    mode: "sslmode",
    roots: "sslrootcert",
    certificate: "sslcert",
    key: "sslkey",
    best: "sslmode=verify-full",
};

const MODES: [(&str, TlsMode); 5] = [
    ("disable", TlsMode::Disable),
    ("prefer", TlsMode::Prefer),
    ("require", TlsMode::Require),
    ("verify-ca", TlsMode::VerifyCa),
    ("verify-full", TlsMode::VerifyFull),
];

/// A DSN without its options about TLS, and what they ask for.
///
/// # Errors
/// An option that is unknown, unreadable, or would change nothing. The rest of the DSN is not looked at.
pub fn take(dsn: &str) -> Result<(String, TlsSettings), TlsError> {
    let mut given = Given::default();
    let rest = match dsn.split_once('?') {
        Some((address, parameters)) if dsn.contains("://") => {
            let mut left = Vec::new();
            for pair in parameters.split('&') {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                let value = percent_decoded(value).ok_or_else(|| {
                    TlsError(format!("the DSN's {key} has a percent sign that stands for no character"))
                });
                match is_ours(key) {
                    true => given.take(key, &value?)?,
                    false => left.push(pair),
                }
            }
            let mark = if left.is_empty() { "" } else { "?" };
            format!("{address}{mark}{}", left.join("&"))
        }
        _ if dsn.contains("://") => dsn.to_owned(),
        _ => given.take_words(dsn)?,
    };
    let mode = match (given.mode, &given.roots) {
        (None, Some(Roots::System)) => TlsMode::VerifyFull,
        (Some(TlsMode::Require), Some(Roots::File(_))) => TlsMode::VerifyCa,
        (mode, _) => mode.unwrap_or_default(),
    };
    Ok((rest, WORDS.settle(mode, given)?))
}

/// The options that ask for this, in libpq's words.
#[must_use]
pub fn options(settings: &TlsSettings) -> Vec<(&'static str, String)> {
    let word = MODES.iter().find(|(_, mode)| *mode == settings.mode).map_or("", |(word, _)| word);
    let mut pairs = Vec::new();
    if settings.mode != TlsMode::default() {
        pairs.push((WORDS.mode, word.to_owned()));
    }
    // Left out, libpq would look for a file in the home folder. It takes this word for the strictest mode only.
    if settings.mode == TlsMode::VerifyFull && settings.roots == Roots::System {
        pairs.push((WORDS.roots, "system".to_owned()));
    }
    pairs.extend(WORDS.files(settings));
    pairs
}

fn is_ours(key: &str) -> bool {
    [WORDS.mode, WORDS.roots, WORDS.certificate, WORDS.key].contains(&key)
}

impl Given {
    fn take(&mut self, key: &str, value: &str) -> Result<(), TlsError> {
        match key {
            "sslmode" => {
                let known = MODES.iter().find(|(word, _)| *word == value).map(|(_, mode)| *mode);
                let unknown = || {
                    let words: Vec<_> = MODES.iter().map(|(word, _)| *word).collect();
                    TlsError(format!("the DSN's sslmode {value:?} is not known: write {}", words.join(", ")))
                };
                self.mode = Some(known.ok_or_else(unknown)?);
            }
            "sslrootcert" if value == "system" => self.roots = Some(Roots::System),
            "sslrootcert" => self.roots = Some(Roots::File(WORDS.path(key, value)?)),
            "sslcert" => self.certificate = Some(WORDS.path(key, value)?),
            _ => self.key = Some(WORDS.path(key, value)?),
        }
        Ok(())
    }

    /// Takes ours out of `key = value` in words; says what is left.
    fn take_words(&mut self, text: &str) -> Result<String, TlsError> {
        let (mut left, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('=') {
            let value = after.trim_start();
            let end = end_of_value(value);
            let key = before.trim();
            if is_ours(key) {
                self.take(key, &unquoted(&value[..end]))?;
            } else {
                left.extend([before, "=", &value[..end]]);
            }
            rest = &value[end..];
        }
        Ok(left + rest)
    }
}

/// A value in words without its quotes and backslashes.
fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('\'').map_or(value, |inner| inner.strip_suffix('\'').unwrap_or(inner));
    let (mut out, mut escaped) = (String::new(), false);
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(mode: TlsMode, roots: Roots) -> TlsSettings {
        TlsSettings { mode, roots, identity: None }
    }

    #[test]
    fn what_is_about_tls_is_taken_out() {
        use TlsMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
        let file = || Roots::File("/ca files/ca.pem".into());
        for (dsn, rest, mode, roots) in [
            ("postgres://a:p%40@h/db", "postgres://a:p%40@h/db", Prefer, Roots::System),
            ("postgres://h/db?sslmode=disable", "postgres://h/db", Disable, Roots::System),
            ("postgres://h/db?a=b&sslmode=require&c=d", "postgres://h/db?a=b&c=d", Require, Roots::System),
            ("postgres://h?sslmode=require&sslrootcert=/ca%20files/ca.pem", "postgres://h", VerifyCa, file()),
            (
                "postgres://h?sslmode=verify-full&sslrootcert=system",
                "postgres://h",
                VerifyFull,
                Roots::System,
            ),
            ("postgres://h?sslrootcert=system", "postgres://h", VerifyFull, Roots::System),
            (
                "host=h sslmode = verify-ca sslrootcert='/ca files/ca.pem' user=u",
                "host=h user=u",
                VerifyCa,
                file(),
            ),
            (
                "host=h password='sslmode=require '",
                "host=h password='sslmode=require '",
                Prefer,
                Roots::System,
            ),
            ("sslmode=verify-full", "", VerifyFull, Roots::System),
        ] {
            assert_eq!(take(dsn), Ok((rest.to_owned(), settings(mode, roots))), "{dsn}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for dsn in [
            "postgres://h?sslmode=disable",
            "postgres://h?sslmode=verify-full",
            "postgres://h?sslmode=verify-ca",
            "postgres://h?sslmode=verify-ca&sslrootcert=a/b.pem",
            "postgres://h?sslmode=require&sslcert=c&sslkey=k",
        ] {
            let (_, settings) = take(dsn).expect(dsn);
            let words: Vec<_> =
                options(&settings).iter().map(|(key, value)| format!("{key}='{value}'")).collect();
            assert_eq!(take(&words.join(" ")).expect("ours").1, settings, "{dsn}");
        }
    }

    #[test]
    fn what_cannot_be_or_would_change_nothing_is_refused() {
        for (dsn, word) in [
            ("postgres://u:s3cret@h?sslmode=allow", "verify-full"),
            ("postgres://u:s3cret@h?sslmode=VERIFY-FULL", "not known"),
            ("postgres://u:s3cret@h?sslrootcert=ca.pem", "sslmode=verify-full"),
            ("postgres://u:s3cret@h?sslmode=prefer&sslrootcert=ca.pem", "sslmode=verify-full"),
            ("postgres://u:s3cret@h?sslmode=require&sslrootcert=system", "sslmode=verify-full"),
            ("postgres://u:s3cret@h?sslmode=verify-ca&sslrootcert=", "no file"),
            ("postgres://u:s3cret@h?sslmode=require&sslcert=c", "sslkey"),
            ("postgres://u:s3cret@h?sslmode=disable&sslcert=c&sslkey=k", "no TLS"),
            ("postgres://u:s3cret@h?sslcert=%zz&sslkey=k", "percent"),
        ] {
            let why = take(dsn).expect_err(dsn).to_string();
            assert!(why.contains(word) && !why.contains("s3cret"), "{dsn}: {why}");
        }
    }
}
