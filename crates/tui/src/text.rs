//! Text cut to the cells it may take.
//!
//! Owns measuring, cutting and wrapping; everything shown goes through here, so control sequences of foreign text end
//! here too (design law 12). Leaves style to the view.

use deadstick_core::text::printable;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How many cells a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// A text in at most so many cells; what is cut off is announced by dots where there is room for them.
pub(crate) fn fit(text: &str, cells: usize) -> String {
    let text = printable(text);
    if text.width() <= cells {
        return text;
    }
    let dots = if cells >= 8 { "..." } else { "" };
    let mut cut = head(&text, cells - dots.len()).to_owned();
    cut.push_str(dots);
    cut
}

/// A text in exactly so many cells, filled up with spaces.
pub(crate) fn column(text: &str, cells: usize) -> String {
    let mut text = fit(text, cells);
    let missing = cells.saturating_sub(text.width());
    text.extend(std::iter::repeat_n(' ', missing));
    text
}

/// A text over several lines of at most so many cells, broken between words where it can be. Never empty.
pub(crate) fn wrap(text: &str, cells: usize) -> Vec<String> {
    let cells = cells.max(1);
    let text = printable(text);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word = word;
        while !word.is_empty() {
            let Some(line) = lines.last_mut() else { break };
            let gap = usize::from(!line.is_empty());
            if line.width() + gap + word.width() <= cells {
                if gap == 1 {
                    line.push(' ');
                }
                line.push_str(word);
                break;
            }
            if line.is_empty() {
                let part = head(word, cells);
                // A character wider than the whole line cannot be shown; without this it would be tried for ever.
                let part = if part.is_empty() { &word[..first_char(word)] } else { part };
                line.push_str(part);
                word = &word[part.len()..];
            }
            if !word.is_empty() {
                lines.push(String::new());
            }
        }
    }
    lines
}

/// The longest beginning that takes at most so many cells.
fn head(text: &str, cells: usize) -> &str {
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        taken += c.width().unwrap_or(0);
        if taken > cells {
            return &text[..at];
        }
    }
    text
}

fn first_char(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// `1 item`, `2 items`.
pub(crate) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A span of seconds as people read it on a clock: `12s`, `3m20s`, `2h05m`.
pub(crate) fn span(seconds: i64) -> String {
    let s = seconds.unsigned_abs();
    let text = match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        _ => format!("{}h{:02}m", s / 3600, s / 60 % 60),
    };
    if seconds < 0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_are_measured_not_counted() {
        assert_eq!(fit("数据库锁住了", 9), "数据库...");
        assert_eq!(fit("数据", 3), "数");
        assert_eq!(column("数据", 3), "数 ");
        assert_eq!(fit("abc", 0), "");
    }

    #[test]
    fn escape_sequences_end_here() {
        assert_eq!(fit("a\u{1b}[2Jb", 20), "a[2Jb");
        assert_eq!(wrap("a\nb\u{7}", 20), ["a b"]);
    }

    #[test]
    fn wrapping_breaks_between_words_and_inside_long_ones() {
        assert_eq!(wrap("find the session", 9), ["find the", "session"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("数据", 1), ["数", "据"]);
    }

    #[test]
    fn spans_read_like_clocks() {
        assert_eq!([span(7), span(200), span(7500), span(-61)], ["7s", "3m20s", "2h05m", "-1m01s"]);
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_wider_than_it_may_be(text in ".{0,80}", cells in 0_usize..40) {
            proptest::prop_assert!(width(&fit(&text, cells)) <= cells);
            proptest::prop_assert_eq!(width(&column(&text, cells)), cells);
            for line in wrap(&text, cells.max(2)) {
                proptest::prop_assert!(width(&line) <= cells.max(2));
            }
        }
    }
}
