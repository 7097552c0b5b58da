//! Times of the week in which faults are allowed.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, FixedOffset, NaiveTime, Timelike, Weekday};

use crate::Timestamp;

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Mon),
    ("tue", Weekday::Tue),
    ("wed", Weekday::Wed),
    ("thu", Weekday::Thu),
    ("fri", Weekday::Fri),
    ("sat", Weekday::Sat),
    ("sun", Weekday::Sun),
];

/// `mon-fri 09:00-17:00 UTC`; a zone may also be an offset such as `+01:00`. An end before the beginning is on the next
/// day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    first: Weekday,
    last: Weekday,
    from: NaiveTime,
    to: NaiveTime,
    zone: FixedOffset,
}

/// Text that is no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time of the week; write `mon-fri 09:00-17:00 UTC`, or `sat 22:00-02:00 +01:00`")]
pub struct BadWindow(String);

impl Window {
    /// Whether a moment is in it.
    #[must_use]
    pub fn contains(&self, now: Timestamp) -> bool {
        let local = now.with_timezone(&self.zone);
        let (day, time) = (local.weekday(), local.time());
        if self.from <= self.to {
            return self.includes(day) && (self.from..self.to).contains(&time);
        }
        (self.includes(day) && time >= self.from) || (self.includes(day.pred()) && time < self.to)
    }

    fn includes(&self, day: Weekday) -> bool {
        let since = |day: Weekday| day.days_since(self.first);
        since(day) <= since(self.last)
    }
}

impl FromStr for Window {
    type Err = BadWindow;
    fn from_str(text: &str) -> Result<Self, BadWindow> {
        let bad = || BadWindow(text.to_owned());
        let day = |word: &str| {
            let found = DAYS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
            found.map(|(_, day)| *day).ok_or_else(bad)
        };
        let time = |word: &str| NaiveTime::parse_from_str(word, "%H:%M").map_err(|_| bad());
        let words: Vec<_> = text.split_whitespace().collect();
        let (days, times, zone) = match words.as_slice() {
            [days, times] => (*days, *times, "UTC"),
            [days, times, zone] => (*days, *times, *zone),
            _ => return Err(bad()),
        };
        let (first, last) = days.split_once('-').unwrap_or((days, days));
        let (from, to) = times.split_once('-').ok_or_else(bad)?;
        let zone = if zone.eq_ignore_ascii_case("utc") { "+00:00" } else { zone };
        let window = Self {
            first: day(first)?,
            last: day(last)?,
            from: time(from)?,
            to: time(to)?,
            zone: zone.parse().map_err(|_| bad())?,
        };
        if window.from == window.to { Err(bad()) } else { Ok(window) }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: NaiveTime| format!("{:02}:{:02}", time.hour(), time.minute());
        let name = |day: Weekday| DAYS[day.num_days_from_monday() as usize].0;
        f.write_str(name(self.first))?;
        if self.first != self.last {
            write!(f, "-{}", name(self.last))?;
        }
        let zone = if self.zone.local_minus_utc() == 0 { "UTC".to_owned() } else { self.zone.to_string() };
        write!(f, " {}-{} {zone}", time(self.from), time(self.to))
    }
}
