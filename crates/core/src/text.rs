//! Foreign text made fit to show and to keep (design law 12).
//!
//! Owns the stripping of control sequences and the redaction of secrets. Leaves quoting for a particular format
//! (CSV, HTML, Markdown) to whoever writes that format.

/// Text without anything a terminal would act on: control characters (escape sequences start with one) and the
/// Unicode marks that turn reading direction. Line breaks and tabs become spaces.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' | '\t' | '\r' => Some(' '),
            c if c.is_control() => None,
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
            c => Some(c),
        })
        .collect()
}

/// A database URL or key-value connection string with its password replaced by `***`.
#[must_use]
pub fn redact_dsn(dsn: &str) -> String {
    if let Some((scheme, rest)) = dsn.split_once("://") {
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let authority = match authority.rsplit_once('@') {
            Some((user, host)) => match user.split_once(':') {
                Some((user, _)) => format!("{user}:***@{host}"),
                None => authority.to_owned(),
            },
            None => authority.to_owned(),
        };
        let path = redact_pairs(path, &['?', '&']);
        return format!("{scheme}://{authority}{path}");
    }
    redact_pairs(dsn, &[' '])
}

/// Replaces the value behind every `password=` (up to the next separator) by `***`.
fn redact_pairs(text: &str, separators: &[char]) -> String {
    text.split_inclusive(separators)
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) if key.eq_ignore_ascii_case("password") => {
                let tail = value.chars().last().filter(|c| separators.contains(c));
                format!("{key}=***{}", tail.map(String::from).unwrap_or_default())
            }
            _ => pair.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_acts_on_survives() {
        assert_eq!(printable("a\u{1b}[31mred\u{7}\u{9b}2J\u{202e}b\nc"), "a[31mred2Jb c");
    }

    #[test]
    fn passwords_are_redacted() {
        assert_eq!(
            redact_dsn("postgres://u:s3cret@h:5/db?password=x&a=b"),
            "postgres://u:***@h:5/db?password=***&a=b"
        );
        assert_eq!(redact_dsn("host=h password=s3cret user=u"), "host=h password=*** user=u");
        assert_eq!(redact_dsn("postgres://u@h/db"), "postgres://u@h/db");
    }
}
