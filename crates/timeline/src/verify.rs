//! Whether a log can be believed: every hash, every link, every payload.
//!
//! Owns the check of whole logs and the seal. What was done to a log is named with file and line. A cut at the very end of
//! a chain leaves no trace in the chain itself: another chain that names its head, or a seal kept elsewhere, shows it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use deadstick_core::event::{Hlc, WriterId};

use crate::hash::Hash;
use crate::line::{Broken, FORMAT, HEADER_KIND, Line, Parts, Tail};
use crate::log::{Damage, LogError, at, segment};

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Every chain.
    pub writers: Vec<Chain>,
    /// What is wrong; nothing if the log can be believed.
    pub problems: Vec<Damage>,
}

/// One writer's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Whose.
    pub writer: WriterId,
    /// How many records.
    pub records: u64,
    /// How many of them lost their payload to a redaction.
    pub redacted: u64,
    /// The hash of its last line.
    pub head: Option<Hash>,
}

impl Report {
    /// Nothing is wrong.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// How many records, in all chains.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.writers.iter().map(|w| w.records).sum()
    }

    /// How many payloads were redacted, in all chains.
    #[must_use]
    pub fn redacted(&self) -> u64 {
        self.writers.iter().map(|w| w.redacted).sum()
    }
}

/// A log's state in a few letters, to paste where the log's writers cannot change it.
#[derive(Clone, Debug)]
pub struct Seal {
    /// 60 bits of the SHA-256 over all chains' heads, such as `7K3M-9QXA-04TZ`; no letter can be mistaken for a digit.
    pub code: String,
    /// What was found on the way; a seal says what was there, not that it is sound.
    pub report: Report,
}

/// Checks a whole log.
///
/// # Errors
/// The directory or a file cannot be read, or a segment has a newer major format. Whatever is wrong with the content is in
/// [`Report::problems`].
pub fn verify(dir: &Path) -> Result<Report, LogError> {
    let writers = segment::list(dir).map_err(at(dir, "list"))?;
    if writers.is_empty() {
        return Err(LogError::NotALog(dir.to_owned()));
    }
    let mut report = Report::default();
    // Heads of other chains that were named, by place; and every hash there is.
    let mut named: Vec<(PathBuf, usize, Hash)> = Vec::new();
    let mut hashes = HashSet::new();
    for (writer, numbers) in writers {
        let mut walk = Walk::new(writer);
        for (expected, &number) in (1..).zip(&numbers) {
            let file = segment::path(dir, &walk.chain.writer, number);
            if number != expected && walk.missing.is_none() {
                walk.missing = Some(expected);
                report.problems.push(Damage { file: file.clone(), line: 1, what: Broken::Segment(expected) });
            }
            let bytes = fs::read(&file).map_err(at(&file, "read"))?;
            walk.segment(&file, &bytes, number)?;
        }
        named.extend(walk.named);
        hashes.extend(walk.hashes);
        report.problems.extend(walk.problems);
        report.writers.push(walk.chain);
    }
    for (file, line, hash) in named {
        if !hashes.contains(&hash) {
            report.problems.push(Damage { file, line, what: Broken::Predecessor(hash.to_string()) });
        }
    }
    Ok(report)
}

/// Computes the seal of a log as it is now.
///
/// # Errors
/// As [`verify`].
pub fn seal(dir: &Path) -> Result<Seal, LogError> {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let report = verify(dir)?;
    let mut text = String::new();
    for chain in &report.writers {
        let head = chain.head.map_or_else(String::new, |h| h.to_string());
        text.push_str(&format!("{} {} {head}\n", chain.writer, chain.records));
    }
    let mut bits = Hash::of(&[text.as_bytes()]).short();
    let mut code = String::new();
    for place in 0..12 {
        if place > 0 && place % 4 == 0 {
            code.push('-');
        }
        code.push(char::from(LETTERS[(bits >> 59) as usize]));
        bits <<= 5;
    }
    Ok(Seal { code, report })
}

/// On the way along one chain.
struct Walk {
    chain: Chain,
    /// Of the line before; none before the first.
    last: Option<(u64, Hash, Hlc)>,
    missing: Option<u32>,
    named: Vec<(PathBuf, usize, Hash)>,
    hashes: Vec<Hash>,
    problems: Vec<Damage>,
    /// The last line that stood before this one could not be read, so this one need not follow.
    gap: bool,
}

impl Walk {
    fn new(writer: WriterId) -> Self {
        Self {
            chain: Chain { writer, records: 0, redacted: 0, head: None },
            last: None,
            missing: None,
            named: Vec::new(),
            hashes: Vec::new(),
            problems: Vec::new(),
            gap: false,
        }
    }

    fn segment(&mut self, file: &Path, bytes: &[u8], number: u32) -> Result<(), LogError> {
        let (lines, rest) = segment::lines(bytes);
        let mut count = 0;
        for (index, (_, line)) in lines.enumerate() {
            count = index + 1;
            let problems = self.line(file, line, number, count)?;
            let damage = |what| Damage { file: file.to_owned(), line: count, what };
            self.problems.extend(problems.into_iter().map(damage));
        }
        if !rest.is_empty() || count == 0 {
            let what = Broken::Torn { bytes: rest.len() };
            self.problems.push(Damage { file: file.to_owned(), line: count + 1, what });
        }
        Ok(())
    }

    /// Checks one line; goes on behind a broken one with what that claims, so that one change is one problem.
    fn line(&mut self, file: &Path, line: &[u8], number: u32, count: usize) -> Result<Vec<Broken>, LogError> {
        let parts =
            match std::str::from_utf8(line).map_err(|e| Broken::Layout(e.to_string())).and_then(Parts::of) {
                Ok(parts) => parts,
                Err(what) => {
                    self.gap = true;
                    return Ok(vec![what]);
                }
            };
        self.hashes.push(parts.hash);
        self.chain.head = Some(parts.hash);
        let head = match parts.check() {
            Ok(head) => head,
            Err(what) => {
                self.gap |= what != Broken::Payload;
                if what == Broken::Payload {
                    self.count(&parts);
                }
                if let Ok(head) = crate::line::Head::parse(parts.head) {
                    self.last = Some((head.seq, parts.hash, head.hlc));
                }
                return Ok(vec![what]);
            }
        };
        let mut problems = Vec::new();
        let is_header = head.kind == HEADER_KIND;
        if is_header != (count == 1) {
            problems.push(Broken::Header);
        }
        if head.writer != self.chain.writer {
            problems.push(Broken::Writer(head.writer.clone()));
        }
        if is_header
            && let Ok(Line::Header(header)) = Line::read(&parts)
            && header.version().is_none_or(|(major, _)| major != FORMAT.0)
        {
            return Err(LogError::NewerFormat { file: file.to_owned(), format: header.format });
        }
        // The first line of a chain has no predecessor of its own: all that it names are others'.
        let starts = is_header && number == 1 && count == 1;
        let (own, others) = match head.prev.split_first() {
            Some((own, others)) if !starts => (Some(*own), others),
            _ => (None, &head.prev[..]),
        };
        self.named.extend(others.iter().map(|hash| (file.to_owned(), count, *hash)));
        if !self.gap {
            if own != self.last.map(|(_, hash, _)| hash) {
                problems.push(Broken::Chain);
            } else if let Some((seq, _, hlc)) = self.last {
                let expected = if is_header { seq } else { seq + 1 };
                if head.seq != expected {
                    problems.push(Broken::Seq { expected, found: head.seq });
                } else if head.hlc <= hlc {
                    problems.push(Broken::Clock);
                }
            }
        }
        self.gap = false;
        self.last = Some((head.seq, parts.hash, head.hlc));
        if !is_header {
            self.count(&parts);
        }
        Ok(problems)
    }

    fn count(&mut self, parts: &Parts<'_>) {
        self.chain.records += 1;
        self.chain.redacted += u64::from(matches!(parts.tail, Tail::Redacted { .. }));
    }
}
