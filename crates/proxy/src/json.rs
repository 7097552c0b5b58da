//! Reading and writing JSON the way existing clients of the API expect: lenient about shape, strict about integers.
//!
//! - Only the first value of a body counts; unknown keys are ignored; keys match without regard to case, an exact match first;
//!   `null` for a scalar leaves the default.
//! - An integer written as `100.0` or `"100"` is refused.
//! - `<`, `>` and `&` are written escaped; numbers without a fraction are written without a point.

use serde_json::{Map, Value};

/// A body that is not what the call takes. The text says what was found and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// No JSON value at all.
    #[error("EOF")]
    Empty,
    /// The value breaks off.
    #[error("unexpected EOF")]
    BrokenOff,
    /// Not JSON.
    #[error("{0}")]
    Syntax(String),
    /// JSON of another type than the one wanted.
    #[error("json: cannot unmarshal {found} into {} of type {wanted}", place(field))]
    Type {
        /// What stands there.
        found: &'static str,
        /// The key; empty for the whole body.
        field: String,
        /// What should.
        wanted: &'static str,
    },
    /// A value that the field does not take, though the type may be right.
    #[error("field {field} is {wanted}, not {found}")]
    Value {
        /// What stands there, as JSON.
        found: String,
        /// The key.
        field: String,
        /// What it takes.
        wanted: &'static str,
    },
}

fn place(field: &str) -> String {
    if field.is_empty() { "a value".to_owned() } else { format!("field {field}") }
}

/// An object of a request, with Go's rules for finding a key.
pub(crate) type Object = Map<String, Value>;

/// The first JSON value of `body`. Bytes that are not UTF-8 become replacement characters.
pub(crate) fn first_value(body: &[u8]) -> Result<Value, Malformed> {
    let text = String::from_utf8_lossy(body);
    let mut values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    match values.next() {
        None => Err(Malformed::Empty),
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) if error.is_eof() => Err(Malformed::BrokenOff),
        Some(Err(error)) => Err(Malformed::Syntax(error.to_string())),
    }
}

/// `value` as an object; `null` is an empty one.
pub(crate) fn object(value: Value, field: &str) -> Result<Object, Malformed> {
    match value {
        Value::Object(object) => Ok(object),
        Value::Null => Ok(Object::new()),
        other => Err(mismatch(&other, field, "object")),
    }
}

/// What stands under `key`, unless nothing or `null` does.
pub(crate) fn get<'a>(object: &'a Object, key: &str) -> Option<&'a Value> {
    object
        .get(key)
        .or_else(|| object.iter().find(|(found, _)| found.eq_ignore_ascii_case(key)).map(|(_, value)| value))
        .filter(|value| !value.is_null())
}

/// A type that a field of a request or an attribute of a toxic can have.
pub(crate) trait Scalar: Sized {
    /// The value, or what is wrong with it.
    fn read(value: &Value, field: &str) -> Result<Self, Malformed>;
    /// Appends the value as JSON.
    fn write(&self, out: &mut String);
}

/// The field `key`, if it is there.
pub(crate) fn field<T: Scalar>(object: &Object, key: &str) -> Result<Option<T>, Malformed> {
    get(object, key).map(|value| T::read(value, key)).transpose()
}

impl Scalar for i64 {
    fn read(value: &Value, field: &str) -> Result<Self, Malformed> {
        value.as_i64().ok_or_else(|| mismatch(value, field, "int64"))
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.to_string());
    }
}

impl Scalar for bool {
    fn read(value: &Value, field: &str) -> Result<Self, Malformed> {
        value.as_bool().ok_or_else(|| mismatch(value, field, "bool"))
    }

    fn write(&self, out: &mut String) {
        out.push_str(if *self { "true" } else { "false" });
    }
}

impl Scalar for f64 {
    fn read(value: &Value, field: &str) -> Result<Self, Malformed> {
        value.as_f64().ok_or_else(|| mismatch(value, field, "float64"))
    }

    fn write(&self, out: &mut String) {
        float(out, *self, &self.to_string(), &format!("{self:e}"));
    }
}

impl Scalar for f32 {
    fn read(value: &Value, field: &str) -> Result<Self, Malformed> {
        let wide = f64::read(value, field).map_err(|_| mismatch(value, field, "float32"))?;
        #[expect(clippy::cast_possible_truncation, reason = "the nearest 32-bit float is what is meant")]
        let narrow = wide as Self;
        if narrow.is_finite() { Ok(narrow) } else { Err(mismatch(value, field, "float32")) }
    }

    fn write(&self, out: &mut String) {
        float(out, f64::from(*self), &self.to_string(), &format!("{self:e}"));
    }
}

impl Scalar for String {
    fn read(value: &Value, field: &str) -> Result<Self, Malformed> {
        value.as_str().map(str::to_owned).ok_or_else(|| mismatch(value, field, "string"))
    }

    fn write(&self, out: &mut String) {
        string(out, self);
    }
}

/// Appends `text` as a JSON string that is safe inside HTML too.
pub(crate) fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// Appends a finite number in its shortest form; very small and very large ones with an exponent, as in JavaScript.
fn float(out: &mut String, value: f64, plain: &str, exponent: &str) {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let (digits, power) = exponent.split_once('e').unwrap_or((exponent, "0"));
        let sign = if power.starts_with('-') { "" } else { "+" };
        out.push_str(&format!("{digits}e{sign}{power}"));
    } else {
        out.push_str(plain);
    }
}

/// The error for a `value` that should have been a `wanted`.
pub(crate) fn mismatch(value: &Value, field: &str, wanted: &'static str) -> Malformed {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    Malformed::Type { found, field: field.to_owned(), wanted }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &impl Scalar) -> String {
        let mut out = String::new();
        value.write(&mut out);
        out
    }

    #[test]
    fn the_first_value_counts_and_nothing_after_it() {
        assert_eq!(first_value(b"{} trailing"), Ok(Value::Object(Map::new())));
        assert_eq!(first_value(b"  "), Err(Malformed::Empty));
        assert_eq!(first_value(b"{\"a\":"), Err(Malformed::BrokenOff));
        assert!(matches!(first_value(b"?"), Err(Malformed::Syntax(_))));
        let deep = "[".repeat(100_000);
        assert!(first_value(deep.as_bytes()).is_err());
    }

    #[test]
    fn integers_are_strict_and_keys_are_not() {
        let object = object(
            first_value(br#"{"A":1,"b":1.0,"c":"1","d":null,"e":9223372036854775808}"#).expect("it is JSON"),
            "",
        )
        .expect("it is an object");
        assert_eq!(field::<i64>(&object, "a"), Ok(Some(1)));
        assert!(field::<i64>(&object, "b").is_err());
        assert!(field::<i64>(&object, "c").is_err());
        assert_eq!(field::<i64>(&object, "d"), Ok(None));
        assert!(field::<i64>(&object, "e").is_err());
    }

    #[test]
    fn numbers_and_text_are_written_as_clients_have_always_read_them() {
        assert_eq!(written(&1.0_f32), "1");
        assert_eq!(written(&0.1_f32), "0.1");
        assert_eq!(written(&-1.0_f32), "-1");
        assert_eq!(written(&0.000_000_1_f64), "1e-7");
        assert_eq!(written(&1e21_f64), "1e+21");
        assert_eq!(written(&"<a&b>\u{1}\"".to_owned()), r#""\u003ca\u0026b\u003e\u0001\"""#);
    }
}
