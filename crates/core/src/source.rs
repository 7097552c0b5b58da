//! Files people write, where things stand in them, and what is wrong with them.
//!
//! Owns [`Source`], [`Place`] and [`Located`], and in modules of their own [`Diagnostic`], which is shown with the offending
//! line and a caret, and [`did_you_mean`]. Leaves parsing to [`crate::yaml`] and reading files to the caller.

mod diagnostic;
mod nearest;

use std::fmt;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use diagnostic::{Diagnostic, Severity};
pub use nearest::{did_you_mean, nearest};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_refused_by_line() {
        let refused = |bytes: &[u8]| Source::from_bytes("f", bytes).expect_err("it is no text").message;
        assert_eq!(refused(b"a\nb\xff"), "not UTF-8: byte 0xff on line 2");
        assert_eq!(refused(b" \n"), "the file is empty");
        assert!(refused(&vec![b'a'; LONGEST_SOURCE + 1]).contains("more than the"));
    }
}
