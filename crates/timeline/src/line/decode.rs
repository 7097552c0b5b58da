//! Reading a line: taking it apart, checking it, and finding out what it says.

use std::borrow::Cow;

use chrono::{NaiveDate, NaiveTime};
use deadstick_core::Timestamp;
use deadstick_core::event::{Actor, Body, Event, Hlc, Record};
use serde::{Deserialize, Serialize};

use super::{Broken, HEADER_KIND, TYPE_PREFIX};
use crate::hash::Hash;

const HASH: &str = r#","hash":""#;
const SALT: &str = r#","salt":""#;
const SALT_TEXT: usize = 32;
const DATA: &str = r#"","data":"#;
const REDACTED: &str = r#","redacted":"#;

/// A line taken apart; nothing is checked yet but the layout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    /// What the hash is over.
    pub(crate) head: &'a str,
    /// The hash it claims.
    pub(crate) hash: Hash,
    /// What follows the hash.
    pub(crate) tail: Tail<'a>,
}

/// What follows the hash.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tail<'a> {
    /// No payload.
    Nothing,
    /// The payload with its salt.
    Payload { salt: &'a str, data: &'a str },
    /// The payload was taken away; why, as a JSON string.
    Redacted { why: &'a str },
}

impl<'a> Parts<'a> {
    /// Takes a line (without its end of line) apart.
    pub(crate) fn of(line: &'a str) -> Result<Self, Broken> {
        let layout = |what: &str| Broken::Layout(what.to_owned());
        // A quote inside a JSON string is always escaped, so the first match is the real one.
        let at = line.find(HASH).ok_or_else(|| layout("no hash"))?;
        let (head, rest) = (&line[..at], &line[at + HASH.len()..]);
        let hash =
            rest.get(..Hash::TEXT).and_then(Hash::parse).ok_or_else(|| layout("the hash is not a hash"))?;
        let tail = rest[Hash::TEXT..]
            .strip_prefix('"')
            .and_then(|r| r.strip_suffix('}'))
            .ok_or_else(|| layout("no end after the hash"))?;
        let tail = if tail.is_empty() {
            Tail::Nothing
        } else if let Some(rest) = tail.strip_prefix(SALT) {
            let salt = rest.get(..SALT_TEXT).ok_or_else(|| layout("the salt is too short"))?;
            let data =
                rest[SALT_TEXT..].strip_prefix(DATA).ok_or_else(|| layout("no payload after the salt"))?;
            Tail::Payload { salt, data }
        } else if let Some(why) = tail.strip_prefix(REDACTED) {
            Tail::Redacted { why: why.trim_end_matches(' ') }
        } else {
            return Err(layout("neither payload nor end after the hash"));
        };
        Ok(Self { head, hash, tail })
    }

    /// Where in the line the hash has ended, its closing quote included.
    pub(crate) const fn hash_end(&self) -> usize {
        self.head.len() + HASH.len() + Hash::TEXT + 1
    }

    /// Checks head against hash and payload against digest.
    pub(crate) fn check(&self) -> Result<Head, Broken> {
        if Hash::of(&[self.head.as_bytes()]) != self.hash {
            return Err(Broken::Hash);
        }
        let head = Head::parse(self.head)?;
        let matches = match self.tail {
            Tail::Nothing => head.digest.is_none(),
            Tail::Payload { salt, data } => {
                head.digest == Some(Hash::of(&[salt.as_bytes(), data.as_bytes()]))
            }
            Tail::Redacted { why } => {
                head.digest.is_some() && serde_json::from_str::<Cow<'_, str>>(why).is_ok()
            }
        };
        if matches { Ok(head) } else { Err(Broken::Payload) }
    }
}

/// The envelope without the payload.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) id: String,
    /// Our type without its prefix; a foreign type as it is.
    pub(crate) kind: String,
    pub(crate) occurred: Timestamp,
    pub(crate) recorded: Timestamp,
    pub(crate) writer: String,
    pub(crate) seq: u64,
    /// Own predecessor first; none before the first line of a chain.
    pub(crate) prev: Vec<Hash>,
    pub(crate) hlc: Hlc,
    pub(crate) by: Actor,
    pub(crate) digest: Option<Hash>,
}

/// The keys as they are written; others (of newer versions) are let be.
#[derive(Deserialize)]
struct Keys<'a> {
    id: String,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    recordedat: Cow<'a, str>,
    writer: String,
    seq: u64,
    #[serde(borrow, default)]
    prev: Cow<'a, str>,
    #[serde(borrow)]
    hlc: Cow<'a, str>,
    by: Actor,
    #[serde(borrow, default)]
    digest: Option<Cow<'a, str>>,
}

impl Head {
    /// Reads the bytes before the hash, which lack the closing brace.
    pub(crate) fn parse(text: &str) -> Result<Self, Broken> {
        let closed = [text, "}"].concat();
        let keys: Keys<'_> = serde_json::from_str(&closed).map_err(|e| Broken::Layout(e.to_string()))?;
        let not = |what: &str, text: &str| Broken::Layout(format!("{text:?} is not a {what}"));
        let hash = |text: &str| Hash::parse(text).ok_or_else(|| not("hash", text));
        Ok(Self {
            kind: keys.kind.strip_prefix(TYPE_PREFIX).unwrap_or(&keys.kind).to_owned(),
            occurred: time(&keys.time).ok_or_else(|| not("time", &keys.time))?,
            recorded: time(&keys.recordedat).ok_or_else(|| not("time", &keys.recordedat))?,
            prev: keys.prev.split_ascii_whitespace().map(hash).collect::<Result<_, _>>()?,
            hlc: hlc(&keys.hlc).ok_or_else(|| not("clock", &keys.hlc))?,
            digest: keys.digest.as_deref().map(hash).transpose()?,
            id: keys.id,
            writer: keys.writer,
            seq: keys.seq,
            by: keys.by,
        })
    }
}

/// What a line says.
#[expect(clippy::large_enum_variant, reason = "records are the rule, and live here for a moment only")]
#[derive(Debug)]
pub(crate) enum Line {
    /// The first line of a segment.
    Header(Header),
    /// A record.
    Record(Record),
}

/// The payload of a segment's first line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    /// MAJOR.MINOR of the format.
    pub(crate) format: String,
    /// Which program wrote it.
    pub(crate) program: String,
}

impl Header {
    /// The format as numbers.
    pub(crate) fn version(&self) -> Option<(u32, u32)> {
        let (major, minor) = self.format.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    }
}

impl Line {
    /// Reads a line whose layout is right, without checking its hashes.
    pub(crate) fn read(parts: &Parts<'_>) -> Result<Self, Broken> {
        let head = Head::parse(parts.head)?;
        if head.kind == HEADER_KIND {
            let Tail::Payload { data, .. } = parts.tail else { return Err(Broken::Header) };
            return serde_json::from_str(data).map(Self::Header).map_err(|e| Broken::Layout(e.to_string()));
        }
        let body = match parts.tail {
            Tail::Nothing => body(&head.kind, None)?,
            Tail::Payload { data, .. } => body(&head.kind, Some(data))?,
            Tail::Redacted { why } => {
                let why: String = serde_json::from_str(why).map_err(|e| Broken::Layout(e.to_string()))?;
                Body::Other { kind: head.kind, data: serde_json::json!({ "redacted": why }) }
            }
        };
        let event = Event { occurred: head.occurred, recorded: head.recorded, by: head.by, body };
        Ok(Self::Record(Record { id: head.id, writer: head.writer, seq: head.seq, hlc: head.hlc, event }))
    }
}

/// The body as the core's types tag it.
fn body(kind: &str, data: Option<&str>) -> Result<Body, Broken> {
    let mut text = Vec::with_capacity(kind.len() + data.map_or(0, str::len) + 32);
    text.extend_from_slice(br#"{"type":"#);
    serde_json::to_writer(&mut text, kind).map_err(|e| Broken::Layout(e.to_string()))?;
    if let Some(data) = data {
        text.extend_from_slice(br#","data":"#);
        text.extend_from_slice(data.as_bytes());
    }
    text.push(b'}');
    serde_json::from_slice(&text).map_err(|e| Broken::Layout(e.to_string()))
}

/// `2026-11-21T14:03:07.123456Z`, fast; anything else RFC 3339 allows, slowly.
fn time(text: &str) -> Option<Timestamp> {
    fast_time(text.as_bytes())
        .or_else(|| chrono::DateTime::parse_from_rfc3339(text).ok().map(|t| t.with_timezone(&chrono::Utc)))
}

fn fast_time(text: &[u8]) -> Option<Timestamp> {
    let number = |from: usize, to: usize| {
        text[from..to].iter().try_fold(0_u32, |n, d| d.is_ascii_digit().then(|| n * 10 + u32::from(d - b'0')))
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (26, b'Z')];
    if text.len() != 27 || marks.iter().any(|&(at, mark)| text[at] != mark) {
        return None;
    }
    let year = i32::try_from(number(0, 4)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(5, 7)?, number(8, 10)?)?;
    let time =
        NaiveTime::from_hms_micro_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 26)?)?;
    Some(date.and_time(time).and_utc())
}

fn hlc(text: &str) -> Option<Hlc> {
    let (ms, count) = text.split_once('-').filter(|(ms, count)| ms.len() == 16 && count.len() == 8)?;
    Some(Hlc { ms: u64::from_str_radix(ms, 16).ok()?, count: u32::from_str_radix(count, 16).ok()? })
}
