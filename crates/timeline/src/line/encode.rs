//! Writing a line.

use std::borrow::Cow;

use chrono::{Datelike, Timelike};
use deadstick_core::Timestamp;
use deadstick_core::event::{Body, Event, Hlc};
use deadstick_core::text::visible_json;
use serde::Serialize;

use super::TYPE_PREFIX;
use crate::hash::{Hash, write_hex};

/// Where a line stands.
pub(crate) struct Stamp<'a> {
    pub(crate) writer: &'a str,
    pub(crate) source: &'a str,
    pub(crate) seq: u64,
    pub(crate) hlc: Hlc,
    /// Own predecessor first; none before the first line.
    pub(crate) prev: &'a [Hash],
    pub(crate) id: uuid::Uuid,
    pub(crate) salt: [u8; 16],
}

/// Writes lines; keeps its scratch space.
#[derive(Default)]
pub(crate) struct Encoder {
    /// The body as `{"type":…,"data":…}`.
    body: Vec<u8>,
}

impl Encoder {
    /// Appends the line with its end of line, and returns its hash.
    pub(crate) fn line(
        &mut self,
        out: &mut Vec<u8>,
        stamp: &Stamp<'_>,
        event: &Event,
    ) -> Result<Hash, serde_json::Error> {
        self.body.clear();
        write_json(&mut self.body, &event.body)?;
        let (kind, data) = split_body(&self.body);

        let start = out.len();
        out.extend_from_slice(br#"{"specversion":"1.0","id":""#);
        out.extend_from_slice(
            stamp.id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()).as_bytes(),
        );
        out.extend_from_slice(br#"","source":"#);
        write_json(out, stamp.source)?;
        out.extend_from_slice(br#","type":""#);
        out.extend_from_slice(TYPE_PREFIX.as_bytes());
        out.extend_from_slice(kind);
        out.extend_from_slice(br#"","time":""#);
        write_time(out, event.occurred);
        out.push(b'"');
        if let Some(subject) = subject(&event.body).filter(|s| !s.is_empty()) {
            out.extend_from_slice(br#","subject":"#);
            write_json(out, &*subject)?;
        }
        if data.is_some() {
            out.extend_from_slice(br#","datacontenttype":"application/json""#);
        }
        out.extend_from_slice(br#","recordedat":""#);
        write_time(out, event.recorded);
        out.extend_from_slice(br#"","writer":"#);
        serde_json::to_writer(&mut *out, stamp.writer)?;
        out.extend_from_slice(br#","seq":"#);
        serde_json::to_writer(&mut *out, &stamp.seq)?;
        if !stamp.prev.is_empty() {
            out.extend_from_slice(br#","prev":""#);
            for (i, prev) in stamp.prev.iter().enumerate() {
                if i > 0 {
                    out.push(b' ');
                }
                prev.write(out);
            }
            out.push(b'"');
        }
        out.extend_from_slice(br#","hlc":""#);
        write_hex(&stamp.hlc.ms.to_be_bytes(), out);
        out.push(b'-');
        write_hex(&stamp.hlc.count.to_be_bytes(), out);
        out.extend_from_slice(br#"","by":"#);
        write_json(out, event.by.as_str())?;
        let mut salt = Vec::new();
        if let Some(data) = data {
            write_hex(&stamp.salt, &mut salt);
            out.extend_from_slice(br#","digest":""#);
            Hash::of(&[&salt, data]).write(out);
            out.push(b'"');
        }
        let hash = Hash::of(&[&out[start..]]);
        out.extend_from_slice(br#","hash":""#);
        hash.write(out);
        out.push(b'"');
        if let Some(data) = data {
            out.extend_from_slice(br#","salt":""#);
            out.extend_from_slice(&salt);
            out.extend_from_slice(br#"","data":"#);
            out.extend_from_slice(data);
        }
        out.extend_from_slice(b"}\n");
        Ok(hash)
    }
}

/// Appends JSON that moves no terminal: logs are read with whatever is at hand.
fn write_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), serde_json::Error> {
    let from = out.len();
    serde_json::to_writer(&mut *out, value)?;
    // What is below the printable characters has been escaped already.
    if out[from..].iter().any(|byte| *byte >= 0x7f)
        && let Ok(text) = std::str::from_utf8(&out[from..])
    {
        let text = visible_json(text);
        out.truncate(from);
        out.extend_from_slice(text.as_bytes());
    }
    Ok(())
}

/// Takes `{"type":"KIND"}` or `{"type":"KIND","data":DATA}` apart, which is how a body serialises.
fn split_body(body: &[u8]) -> (&[u8], Option<&[u8]>) {
    const OPEN: usize = br#"{"type":""#.len();
    let mut end = OPEN;
    while body[end] != b'"' {
        end += if body[end] == b'\\' { 2 } else { 1 };
    }
    let data = body[end + 1..].strip_prefix(br#","data":"#).map(|rest| &rest[..rest.len() - 1]);
    (&body[OPEN..end], data)
}

/// Appends RFC 3339 in UTC with microseconds.
pub(crate) fn write_time(out: &mut Vec<u8>, time: Timestamp) {
    let mut number = |value: u32, width: usize, after: u8| {
        let at = out.len();
        out.resize(at + width, b'0');
        let mut value = value;
        for place in out[at..].iter_mut().rev() {
            *place = b'0' + (value % 10) as u8;
            value /= 10;
        }
        out.push(after);
    };
    number(u32::try_from(time.year()).unwrap_or(0), 4, b'-');
    number(time.month(), 2, b'-');
    number(time.day(), 2, b'T');
    number(time.hour(), 2, b':');
    number(time.minute(), 2, b':');
    // A leap second shows as :59 with more than a million microseconds in chrono; both run together here.
    number(time.second(), 2, b'.');
    number((time.nanosecond() / 1000).min(999_999), 6, b'Z');
}

/// A body's kind: its type without our prefix. Taken from the body's own form, the one list of kinds there is.
pub(crate) fn kind(body: &Body) -> Result<String, serde_json::Error> {
    let form = serde_json::to_vec(body)?;
    serde_json::from_slice(&[b"\"", split_body(&form).0, b"\""].concat())
}

/// What an event is about, for filters: the name of the alert, checklist, item, slice, probe or fault.
pub(crate) fn subject(body: &Body) -> Option<Cow<'_, str>> {
    Some(match body {
        Body::AlertRaised { alert, .. } | Body::AlertCleared { alert } => alert.as_str().into(),
        Body::DrillStarted { playbook, .. } => playbook.as_str().into(),
        Body::HoleOpened { slice, .. } | Body::HoleClosed { slice, .. } => slice.as_str().into(),
        Body::FaultApplying { id, .. }
        | Body::FaultApplied { id }
        | Body::FaultProved { id, .. }
        | Body::FaultNotProved { id, .. }
        | Body::FaultUndone { id, .. }
        | Body::FaultResidue { id, .. } => id.into(),
        Body::SteadyStateLost { probe, .. } | Body::SteadyStateRegained { probe, .. } => {
            probe.as_str().into()
        }
        Body::ProbeChanged { probe, .. } => probe.into(),
        // Acts on the response as a whole, and kinds of other versions, are about nothing by name.
        body => match (body.checklist(), body.item()) {
            (Some(checklist), _) => checklist.as_str().into(),
            (None, item) => item?.to_string().into(),
        },
    })
}
