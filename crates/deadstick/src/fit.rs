//! A writer through which nothing that came from outside moves a terminal (design law 12).
//!
//! Owns the way there line by line; what is written out, and how, is core's to say. For what is too long to be one text:
//! exports and logs.

use std::io::{self, Write};

use deadstick_core::text::{visible, visible_json};

/// Writes whole lines, and what is left when it is flushed.
pub(crate) struct Fit<W: Write> {
    inner: W,
    way: fn(&str) -> String,
    line: Vec<u8>,
}

impl<W: Write> Fit<W> {
    /// For text.
    pub(crate) fn text(inner: W) -> Self {
        Self { inner, way: visible, line: Vec::new() }
    }

    /// For JSON, which stays what it means.
    pub(crate) fn json(inner: W) -> Self {
        Self { inner, way: visible_json, line: Vec::new() }
    }

    fn pass_on(&mut self, end: usize) -> io::Result<()> {
        let text = (self.way)(&String::from_utf8_lossy(&self.line[..end]));
        self.line.drain(..end);
        self.inner.write_all(text.as_bytes())
    }
}

impl<W: Write> Write for Fit<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if let Some(last) = self.line.iter().rposition(|byte| *byte == b'\n') {
            self.pass_on(last + 1)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on(self.line.len())?;
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_come_in_pieces_stay_whole() {
        let (mut text, mut json) = (Vec::new(), Vec::new());
        for (mut fit, pieces) in [
            (Fit::text(&mut text), [&b"a\xc3"[..], b"\xa4\x1b[2J\r\nb\xc2", b"\x9b"]),
            (Fit::json(&mut json), [b"\"\xc3", b"\xa4\xe2\x80\xae\"\n\"\xc2", b"\x9b\""]),
        ] {
            for piece in pieces {
                fit.write_all(piece).expect("it takes all");
            }
            fit.flush().expect("it takes all");
        }
        assert_eq!(String::from_utf8_lossy(&text), "a\u{e4}\\u{1b}[2J\\u{d}\nb\\u{9b}");
        assert_eq!(String::from_utf8_lossy(&json), "\"\u{e4}\\u202e\"\n\"\\u009b\"");
    }
}
