//! Files people write, where things stand in them, and what is wrong with them.
//!
//! Owns [`Source`], [`Place`], [`Located`] and [`Diagnostic`], and turns diagnostics into text with the offending
//! line and a caret. Leaves parsing to [`crate::yaml`] and reading files to the caller.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest file that is read at all: a playbook of a megabyte is a mistake.
pub const LONGEST_SOURCE: usize = 1 << 20;

/// A named text: the file name is for people, the text is what positions refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// How a person would name it: a path, or `shipped:NAME`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// A source from bytes: refuses what is too large, empty or not UTF-8, naming the offending byte's line.
    ///
    /// # Errors
    /// A [`Diagnostic`] that says which of these it was.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, Box<Diagnostic>> {
        let whole = |message: String, hint: &str| Err(Self::unusable(name, message, hint));
        if bytes.len() > LONGEST_SOURCE {
            return Err(Self::too_large(name, bytes.len() as u64));
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let line = 1 + bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count();
                return whole(
                    format!("not UTF-8: byte {:#04x} on line {line}", bytes[error.valid_up_to()]),
                    "save the file as UTF-8",
                );
            }
        };
        if text.trim().is_empty() {
            return whole(
                "the file is empty".to_owned(),
                "see `deadstick playbook` and `deadstick checklist` for examples",
            );
        }
        Ok(Self { name: name.to_owned(), text: text.to_owned() })
    }

    /// What is said of a file that is too large to be read at all.
    #[must_use]
    pub fn too_large(name: &str, bytes: u64) -> Box<Diagnostic> {
        let message = format!("the file has {bytes} bytes, more than the {LONGEST_SOURCE} allowed");
        Self::unusable(name, message, "split it, or check that this is the file you meant")
    }

    /// A problem of the file as a whole.
    fn unusable(name: &str, message: String, hint: &str) -> Box<Diagnostic> {
        let nothing = Self { name: name.to_owned(), text: String::new() };
        Box::new(Diagnostic::new(message, Place::default()).hint(hint).in_source(&nothing))
    }
}

/// A range of a source. The default is "the file as a whole".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// Column in characters, from 1; 0 when the whole file is meant.
    pub column: usize,
    /// The bytes, when they are known.
    pub bytes: Option<Range<usize>>,
}

/// A value and where it was written.
#[derive(Clone, Debug, Default)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands; the default place for values that were not read from a file.
    pub place: Place,
}

impl<T> From<T> for Located<T> {
    fn from(value: T) -> Self {
        Self { value, place: Place::default() }
    }
}

/// Equality is of the value: the same playbook written on other lines is the same playbook.
impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Located<T> {}

/// As equality: of the value.
impl<T: std::hash::Hash> std::hash::Hash for Located<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl<T: fmt::Display> fmt::Display for Located<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: Serialize> Serialize for Located<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<T>::deserialize(deserializer)?;
        Ok(Self { value: spanned.value, place: crate::yaml::place_of(&spanned.referenced) })
    }
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// How much a diagnostic weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Probably a mistake; the file is usable.
    Warning,
    /// The file cannot be used.
    Error,
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How much it weighs.
    pub severity: Severity,
    /// The rule that found it, for lint rules (such as `L01`).
    pub rule: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The file, once known.
    pub file: String,
    /// Line, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// Column in characters, from 1; 0 when the whole file is meant.
    pub column: usize,
    #[serde(skip)]
    bytes: Option<Range<usize>>,
    #[serde(skip)]
    text: String,
}

impl Diagnostic {
    /// An error at a place.
    #[must_use]
    pub fn new(message: impl Into<String>, place: Place) -> Self {
        Self {
            severity: Severity::Error,
            rule: None,
            message: message.into(),
            hint: None,
            file: String::new(),
            line: place.line,
            column: place.column,
            bytes: place.bytes,
            text: String::new(),
        }
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// From a lint rule of a given weight.
    #[must_use]
    pub fn rule(mut self, rule: &str, severity: Severity) -> Self {
        self.rule = Some(rule.to_owned());
        self.severity = severity;
        self
    }

    /// Tied to its source, so that it can show the offending line.
    #[must_use]
    pub fn in_source(mut self, source: &Source) -> Self {
        self.file.clone_from(&source.name);
        self.text.clone_from(&source.text);
        self
    }

    /// The diagnostic as people read it: message, file, line, the offending text with a caret, and the hint.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let level = match self.severity {
            Severity::Info => Level::INFO,
            Severity::Warning => Level::WARNING,
            Severity::Error => Level::ERROR,
        };
        let message = crate::text::printable(&self.message);
        let title = match &self.rule {
            Some(rule) => format!("[{rule}] {message}"),
            None => message,
        };
        let mut group = level
            .primary_title(title)
            .elements(std::iter::empty::<Snippet<'_, annotate_snippets::Annotation<'_>>>());
        let bytes = self.caret();
        let (file, text) = (crate::text::printable(&self.file), without_c1(&self.text));
        if let Some(bytes) = bytes {
            let snippet = Snippet::source(text.as_str())
                .path(file.as_str())
                .annotation(AnnotationKind::Primary.span(bytes));
            group = group.element(snippet);
        } else {
            group = group.element(annotate_snippets::Origin::path(file.as_str()));
        }
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(crate::text::printable(hint)));
        }
        renderer.render(&[group]).clone()
    }

    /// The bytes to point at: the known ones, else the whole line.
    fn caret(&self) -> Option<Range<usize>> {
        if self.line == 0 || self.text.is_empty() {
            return None;
        }
        if let Some(bytes) = &self.bytes
            && self.text.is_char_boundary(bytes.start)
            && self.text.is_char_boundary(bytes.end)
            && bytes.start <= bytes.end
            && bytes.end <= self.text.len()
        {
            // A whole block would bury the point: show its first line.
            let first_line = self.text[bytes.clone()].find('\n').map_or(bytes.end, |n| bytes.start + n);
            return Some(bytes.start..first_line.max(bytes.start));
        }
        let start: usize = self.text.split_inclusive('\n').take(self.line - 1).map(str::len).sum();
        let line = self.text.get(start..)?.lines().next().unwrap_or("");
        let indent = line.len() - line.trim_start().len();
        Some(start + indent..start + line.trim_end().len().max(indent))
    }
}

/// The text without the control characters that the renderer lets through: some terminals obey them. Each becomes a
/// character of as many bytes, so that positions stay.
fn without_c1(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\u{80}'..='\u{9f}') { '\u{b7}' } else { c }).collect()
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostic {}

/// The nearest of some words, when it is near enough to be a slip of the finger.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(word.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A hint for an unknown word: "did you mean", or the words that would do.
#[must_use]
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "nothing is known here".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { name: "mine.yaml".to_owned(), text: text.to_owned() }
    }

    fn place(line: usize, bytes: Option<Range<usize>>) -> Place {
        Place { line, column: 1, bytes }
    }

    #[test]
    fn a_problem_shows_file_line_text_caret_and_hint() {
        let problem = Diagnostic::new("no such key", place(2, Some(7..10))).hint("did you mean `lab`?");
        let text = problem.in_source(&source("one: 1\nlba: 2\n")).to_string();
        for expected in ["error: no such key", "mine.yaml:2:1", "lba: 2", "help: did you mean `lab`?"] {
            assert!(text.contains(expected), "{expected:?} in\n{text}");
        }
        let bare = Diagnostic::new("empty", Place::default()).in_source(&source("")).to_string();
        assert!(bare.contains("mine.yaml") && !bare.contains('^'), "{bare}");
    }

    #[test]
    fn without_bytes_the_whole_line_is_pointed_at() {
        let at =
            |line, bytes, text| Diagnostic::new("m", place(line, bytes)).in_source(&source(text)).caret();
        assert_eq!(at(2, None, "a\n  bc \nd"), Some(4..6));
        assert_eq!(at(9, None, "a\n"), Some(2..2), "a line that is not there is the end");
        // A block is shown by its first line; what cuts a letter in two, or is not there, is not believed.
        assert_eq!(at(1, Some(0..5), "ab\ncd\n"), Some(0..2));
        assert_eq!(at(1, Some(1..2), "\u{e4}b"), Some(0..3));
        assert_eq!(at(1, Some(0..99), "ab"), Some(0..2));
    }

    #[test]
    fn foreign_text_moves_no_terminal() {
        let hostile = "a: \"\u{1b}[2Jboo\u{9b}31m\" # \u{7}\r";
        let problem = Diagnostic::new("bad \u{1b}[2J", place(1, Some(3..6))).hint("say \u{1b}]0;x\u{7}");
        let mut shown = problem.in_source(&source(hostile));
        shown.file = "\u{1b}[1mfile.yaml".to_owned();
        let text = shown.to_string();
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert!(text.contains("boo"), "the offending line is shown all the same: {text}");
    }

    #[test]
    fn near_words_are_slips_and_far_ones_are_not() {
        assert_eq!(nearest("tpc", ["tcp", "routing"]), Some("tcp"));
        assert_eq!(nearest("elephant", ["tcp", "routing"]), None);
        assert_eq!(did_you_mean("elephant", ["tcp", "dns"]), "known here: tcp, dns");
        assert_eq!(did_you_mean("x", []), "nothing is known here");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_by_line() {
        let refused = |bytes: &[u8]| Source::from_bytes("f", bytes).expect_err("it is no text").message;
        assert_eq!(refused(b"a\nb\xff"), "not UTF-8: byte 0xff on line 2");
        assert_eq!(refused(b" \n"), "the file is empty");
        assert!(refused(&vec![b'a'; LONGEST_SOURCE + 1]).contains("more than the"));
    }
}
