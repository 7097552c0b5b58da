//! Back-dating: a word that says when something really happened.
//!
//! Owns the grammar: `-3m` or `-1h30m` ago, `14:03` or `14:03:20` in UTC the last time it was so late, `now`. Leaves
//! where such a word may stand to the prompts and the plain mode.

use chrono::{NaiveTime, TimeDelta};
use deadstick_core::Timestamp;
use deadstick_core::units::HumanDuration;

/// A word read as a moment that is not after `now`; none when it is no such word.
pub(crate) fn moment(word: &str, now: Timestamp) -> Option<Timestamp> {
    if word == "now" {
        return Some(now);
    }
    if let Some(ago) = word.strip_prefix('-') {
        let ago = ago.parse::<HumanDuration>().ok()?;
        return now.checked_sub_signed(TimeDelta::from_std(ago.0).ok()?);
    }
    let time = NaiveTime::parse_from_str(word, "%H:%M:%S")
        .or_else(|_| NaiveTime::parse_from_str(word, "%H:%M"))
        .ok()?;
    let today = now.date_naive().and_time(time).and_utc();
    if today <= now { Some(today) } else { today.checked_sub_signed(TimeDelta::days(1)) }
}

/// A text split into the moment its first word names, if it names one, and the rest. `now` is taken off and leaves no
/// moment: it only protects a first word that would otherwise be read as one.
pub(crate) fn leading(text: &str, now: Timestamp) -> (Option<Timestamp>, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    match moment(word, now) {
        Some(_) if word == "now" => (None, rest.trim_start()),
        Some(at) => (Some(at), rest.trim_start()),
        None => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time in RFC 3339")
    }

    #[test]
    fn moments_lie_in_the_past() {
        let now = at("2026-11-21T14:03:20Z");
        for (word, expected) in [
            ("-3m", "2026-11-21T14:00:20Z"),
            ("-90s", "2026-11-21T14:01:50Z"),
            ("-1h30m", "2026-11-21T12:33:20Z"),
            ("14:03", "2026-11-21T14:03:00Z"),
            ("14:03:21", "2026-11-20T14:03:21Z"),
            ("23:59", "2026-11-20T23:59:00Z"),
        ] {
            assert_eq!(moment(word, now), Some(at(expected)), "{word}");
        }
        for word in ["3m", "-", "-3", "24:00", "14", "4711", "-9999999999999y", ""] {
            assert_eq!(moment(word, now), None, "{word}");
        }
    }

    #[test]
    fn only_a_first_word_is_a_moment() {
        let now = at("2026-11-21T14:03:20Z");
        assert_eq!(leading("-3m 4711", now), (Some(at("2026-11-21T14:00:20Z")), "4711"));
        assert_eq!(leading("pid -3m", now), (None, "pid -3m"));
        assert_eq!(leading("now -3m", now), (None, "-3m"));
    }
}
