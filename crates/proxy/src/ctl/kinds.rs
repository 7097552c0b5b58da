//! What there is to be said about kinds of toxics: the table that is printed, and attributes as a kind takes them.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::CtlError;
use crate::toxic::Kind;

/// Whole numbers up to here are exact as floating point numbers.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Every kind with what it does, its attributes, what they mean and what they are if nobody says.
pub(super) fn table() -> String {
    let mut table = String::from("Types of toxics; each attribute with its default:\n");
    for kind in Kind::DESCRIBED {
        line(&mut table, &format!("  {:<16}{}", kind.name, kind.does.trim()));
        let defaults = attributes_of(kind.name).unwrap_or_default();
        for (name, meaning) in kind.attributes {
            let default = defaults
                .get(*name)
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            let default = default.unwrap_or_default();
            line(&mut table, &format!("    {:<20}{}", format!("{name}={default}"), meaning.trim()));
        }
    }
    line(&mut table, "An upstream `udp://HOST:PORT` makes a proxy for UDP: chunks are its datagrams.");
    table
}

fn line(table: &mut String, text: &str) {
    // Writing to a string does not fail.
    if writeln!(table, "{text}").is_err() {}
}

/// The attributes of that kind with their defaults, if this program knows the kind.
pub(super) fn attributes_of(kind: &str) -> Option<Map<String, Value>> {
    let mut text = String::new();
    Kind::named(kind)?.write(&mut text);
    serde_json::from_str(&text).ok()
}

/// `key=value` pairs as JSON. `known` are the attributes that `of` has, with values of their types; without it, anything goes.
/// Servers take no notice of attributes they do not know, which would leave a toxic that does something else than was asked
/// for, so those are refused here.
pub(super) fn attributes(
    given: &[String],
    known: Option<&Map<String, Value>>,
    of: &str,
) -> Result<Map<String, Value>, CtlError> {
    let mut attributes = Map::new();
    for pair in pairs(given, known) {
        let (key, text) = pair
            .split_once('=')
            .ok_or_else(|| CtlError::Usage(format!("an attribute is KEY=VALUE, not {pair}")))?;
        let sample = match known {
            None => None,
            Some(known) => Some(find(known, key).ok_or_else(|| {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                CtlError::Usage(format!("{of} has no attribute {key}; it has: {names}"))
            })?),
        };
        let value = if sample.is_some_and(Value::is_string) { Value::from(text) } else { number(text) };
        attributes.insert(key.to_owned(), value);
    }
    Ok(attributes)
}

fn find<'a>(known: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    known.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
}

/// The pairs of all arguments: `-a latency=5,jitter=1` is two, while a comma within a value is part of it.
fn pairs(given: &[String], known: Option<&Map<String, Value>>) -> Vec<String> {
    let mut pairs: Vec<String> = Vec::new();
    for argument in given {
        for (index, part) in argument.split(',').enumerate() {
            let begins = part
                .split_once('=')
                .is_some_and(|(key, _)| known.is_none_or(|known| find(known, key).is_some()));
            match pairs.last_mut() {
                Some(last) if index > 0 && !begins => {
                    last.push(',');
                    last.push_str(part);
                }
                _ => pairs.push(part.to_owned()),
            }
        }
    }
    pairs
}

/// A number as a number, whole ones as integers however they are written; all else as text.
fn number(text: &str) -> Value {
    if let Ok(whole) = text.parse::<i64>() {
        return Value::from(whole);
    }
    match text.parse::<f64>() {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough to be exact")]
        Ok(number) if number.fract() == 0.0 && number.abs() < EXACT => Value::from(number as i64),
        // JSON has no others.
        Ok(number) if number.is_finite() => Value::from(number),
        _ => Value::from(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(kind: &str, given: &[&str]) -> Result<Value, String> {
        let given: Vec<String> = given.iter().map(|&text| text.to_owned()).collect();
        let known = attributes_of(kind);
        attributes(&given, known.as_ref(), kind).map(Value::Object).map_err(|error| error.to_string())
    }

    #[test]
    fn attributes_have_the_types_of_their_kind() {
        let slow = json!({"latency": 100, "jitter": 200});
        assert_eq!(read("latency", &["latency=100.0", "jitter=2e2"]), Ok(slow.clone()));
        assert_eq!(read("latency", &["latency=100,jitter=200"]), Ok(slow));
        assert_eq!(read("latency", &["latency=1.5"]), Ok(json!({"latency": 1.5})));
        assert_eq!(read("latency", &["latency=nan"]), Ok(json!({"latency": "nan"})));
        assert_eq!(read("latency", &["latency=1e300"]), Ok(json!({"latency": 1e300})));
        assert_eq!(read("packet_loss", &["loss_rate=0.5"]), Ok(json!({"loss_rate": 0.5})));
        let header = json!({"header": "Allow: GET, HEAD", "path": "/1", "method": "5"});
        assert_eq!(read("http", &["header=Allow: GET, HEAD,path=/1", "method=5"]), Ok(header));
        assert_eq!(read("no such kind", &["a=1,b=x"]), Ok(json!({"a": 1, "b": "x"})));
        assert_eq!(read("latency", &["five"]), Err("an attribute is KEY=VALUE, not five".to_owned()));
        let strange = "noop has no attribute delay; it has: none";
        assert_eq!(read("noop", &["delay=5"]), Err(strange.to_owned()));
    }

    #[test]
    fn the_table_has_every_kind_with_its_attributes() {
        let table = table();
        for kind in Kind::DESCRIBED {
            assert!(!kind.does.is_empty() && table.contains(&format!("\n  {:<16}", kind.name)), "{table}");
            let names: Vec<&str> = kind.attributes.iter().map(|(name, _)| *name).collect();
            assert_eq!(Kind::named(kind.name).map(|kind| kind.attributes().to_vec()), Some(names));
        }
        assert!(table.contains("\n    death=close         `refuse`"), "{table}");
    }
}
