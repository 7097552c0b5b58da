//! Foreign text made fit to show and to keep (design law 12).
//!
//! Owns the stripping of control sequences, the redaction of secrets, and percent signs in URLs. Leaves quoting for a
//! particular format (CSV, HTML, Markdown) to whoever writes that format.

/// Text without anything a terminal would act on: control characters (escape sequences start with one) and the
/// Unicode marks that turn reading direction. Line breaks and tabs become spaces.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' | '\t' | '\r' => Some(' '),
            c if acts(c) => None,
            c => Some(c),
        })
        .collect()
}

/// Text of several lines in which everything that a terminal would act on can be seen and does nothing: `\u{1b}` stands for
/// an escape character. Line breaks and tabs stay.
#[must_use]
pub fn visible(text: &str) -> String {
    // Nearly all text is like that, and a timeline may be long.
    if text.bytes().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~')) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) && !matches!(c, '\n' | '\t') {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// JSON in which the same is so, and which means the same: what acts stands only in strings, where it may be escaped.
#[must_use]
pub fn visible_json(json: &str) -> String {
    if json.bytes().all(|byte| byte < 0x7f) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // None of them is beyond the first 65,536.
        if acts(c) && !c.is_ascii_whitespace() {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether it is a control character, or a mark that turns the direction in which text is read.
fn acts(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A database URL or key-value connection string with its password replaced by `***`.
#[must_use]
pub fn redact_dsn(dsn: &str) -> String {
    let Some((scheme, rest)) = dsn.split_once("://") else { return redact_words(dsn) };
    let (address, parameters) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
    // By the last `@`: a password that should have been percent-encoded may hold the signs that end it elsewhere.
    let address = match address.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:***@{host}"),
            None => address.to_owned(),
        },
        None => address.to_owned(),
    };
    let parameters = parameters.split_inclusive(['?', '&']).map(|pair| match pair.split_once('=') {
        Some((key, value)) if is_password(key) => {
            format!("{key}=***{}", if value.ends_with(['?', '&']) { "&" } else { "" })
        }
        _ => pair.to_owned(),
    });
    format!("{scheme}://{address}{}", parameters.collect::<String>())
}

/// A text in which the passwords of URLs and connection strings are hidden, a `*` for each byte, so that places stay.
#[must_use]
pub fn masked(text: &str) -> String {
    let ends = |rest: &str, marks: &[char]| {
        rest.find(|c: char| c.is_whitespace() || marks.contains(&c)).unwrap_or(rest.len())
    };
    let mut hidden: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, mark) in text.match_indices("://") {
        let begin = at + mark.len();
        let rest = &text[begin..];
        let authority = &rest[..ends(rest, &['"'])];
        let user = authority.rfind('@').map_or("", |end| &authority[..end]);
        hidden.extend(user.find(':').map(|colon| begin + colon + 1..begin + user.len()));
    }
    for (at, word) in text.match_indices("password=") {
        let begin = at + word.len();
        let rest = &text[begin..];
        let length = if rest.starts_with('\'') { end_of_value(rest) } else { ends(rest, &['&', '"', '\'']) };
        hidden.push(begin..begin + length);
    }
    let is_hidden = |at: usize| hidden.iter().any(|range| range.contains(&at));
    text.char_indices().fold(String::with_capacity(text.len()), |mut out, (at, c)| {
        if is_hidden(at) {
            out.extend(std::iter::repeat_n('*', c.len_utf8()));
        } else {
            out.push(c);
        }
        out
    })
}

fn is_password(key: &str) -> bool {
    ["password", "sslpassword", "passwd", "pwd"].iter().any(|word| key.eq_ignore_ascii_case(word))
}

/// `key = value` in words; a value may be quoted, with blanks inside and quotes behind a backslash.
fn redact_words(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('=') {
        let key = before.trim_end().rsplit(char::is_whitespace).next().unwrap_or_default();
        let value = after.trim_start();
        let end = end_of_value(value);
        let blanks = &after[..after.len() - value.len()];
        let shown = if is_password(key) { "***" } else { &value[..end] };
        out.extend([before, "=", blanks, shown]);
        rest = &value[end..];
    }
    out + rest
}

/// Where a value in words ends: `key = value`, where a value may be quoted.
pub(crate) fn end_of_value(value: &str) -> usize {
    let quoted = value.starts_with('\'');
    let mut escaped = false;
    for (at, c) in value.char_indices().skip(usize::from(quoted)) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' if quoted => return at + 1,
            c if !quoted && c.is_whitespace() => return at,
            _ => {}
        }
    }
    value.len()
}

/// A part of a URL with its percent signs as the bytes that they stand for; none where one stands for no character.
#[must_use]
pub fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(rest.next()?)? << 4 | digit(rest.next()?)?);
    }
    String::from_utf8(bytes).ok()
}

/// A text as a part of a URL, with a percent sign for whatever has a meaning there.
#[must_use]
pub fn percent_encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_acts_on_survives() {
        assert_eq!(printable("a\u{1b}[31mred\u{7}\u{9b}2J\u{202e}b\nc"), "a[31mred2Jb c");
    }

    #[test]
    fn what_a_terminal_would_act_on_can_be_seen() {
        assert_eq!(visible("a\u{1b}[2J\r\u{9b}m\u{202e}\n\tb"), "a\\u{1b}[2J\\u{d}\\u{9b}m\\u{202e}\n\tb");
        let value = serde_json::json!({ "a\u{9b}": "\u{1b}\u{7f}\u{2066}\n\"" });
        let json = serde_json::to_string_pretty(&value).expect("JSON");
        let shown = visible_json(&json);
        assert!(!shown.chars().any(|c| acts(c) && c != '\n'), "{shown:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).expect("JSON"), value);
    }

    #[test]
    fn passwords_are_redacted() {
        for (dsn, shown) in [
            ("postgres://u:s3cret@h:5/db?password=x&a=b", "postgres://u:***@h:5/db?password=***&a=b"),
            ("postgres://u@h/db", "postgres://u@h/db"),
            ("postgres://h:5432/db", "postgres://h:5432/db"),
            ("mysql://u:s3cret@h:3306/db", "mysql://u:***@h:3306/db"),
            ("mysql://u:s3/cr@et@h/db", "mysql://u:***@h/db"),
            ("redis://:s3cret@h:6379/0", "redis://:***@h:6379/0"),
            ("redis://u:s3cret@[::1]:6379", "redis://u:***@[::1]:6379"),
            ("host=h password=s3cret user=u", "host=h password=*** user=u"),
            ("host=h Password = 's3 \\' cret' user=u", "host=h Password = *** user=u"),
            ("password=s3\\ cret", "password=***"),
            ("user=u", "user=u"),
            ("no dsn at all", "no dsn at all"),
        ] {
            assert_eq!(redact_dsn(dsn), shown);
        }
    }

    #[test]
    fn passwords_are_hidden_where_they_stand() {
        for (text, shown) in [
            (
                "  sql: { connect: \"postgres://u:s3cr\u{e4}t@h/d\" }",
                "  sql: { connect: \"postgres://u:*******@h/d\" }",
            ),
            ("a: http://h:80/x?y@z # :", "a: http://h:******@z # :"),
            ("host=h password='s3 cret' user=u", "host=h password=********* user=u"),
            ("postgres://h?password=s3cret&user=u", "postgres://h?password=******&user=u"),
            ("a: http://h:80/x # mail@h", "a: http://h:80/x # mail@h"),
        ] {
            assert_eq!(masked(text), shown);
            assert_eq!(masked(text).len(), text.len());
        }
    }

    #[test]
    fn percent_signs_stand_for_bytes() {
        assert_eq!(percent_encoded("a b/é~"), "a%20b%2F%C3%A9~");
        assert_eq!(percent_decoded("a%20b%2f%C3%A9~").as_deref(), Some("a b/é~"));
        for bad in ["%", "%2", "%zz", "%+1", "%ff"] {
            assert_eq!(percent_decoded(bad), None, "{bad}");
        }
    }
}
