//! What is wrong with a file, and how that is shown.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Place, Source};

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
        let (file, text) = (crate::text::printable(&self.file), without_c1(&crate::text::masked(&self.text)));
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
}
