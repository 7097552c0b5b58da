//! Reading a fault from words: pairs of a parameter and its value, as files and the command line give them.
//!
//! Owns the turn from text to [`Fault`] along the [`catalogue`]. Leaves places in files and the form of
//! options to whoever has them.

use std::net::IpAddr;

use serde_json::{Map, Value as Json};

use super::catalogue::{self, Need, Parameter, Value};
use super::{Fault, FaultKind, Impairment, Peer};
use crate::source::did_you_mean;
use crate::units::{Cpus, HumanDuration, Percent, Rate, Size};

/// What is wrong with a parameter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// The kind has no such parameter.
    #[error("`{kind}` has no parameter `{name}`; {hint}")]
    Unknown {
        /// Which kind.
        kind: FaultKind,
        /// What was written.
        name: String,
        /// What may have been meant.
        hint: String,
    },
    /// It must be given and is not.
    #[error("`{kind}` needs `{name}`: {about}")]
    Missing {
        /// Which kind.
        kind: FaultKind,
        /// Which parameter.
        name: &'static str,
        /// What it means.
        about: &'static str,
    },
    /// It is given twice.
    #[error("`{name}` is given twice")]
    Twice {
        /// Which parameter.
        name: &'static str,
    },
    /// The value cannot be read.
    #[error("{name}: {why}")]
    Bad {
        /// Which parameter.
        name: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Each value can be read, but they make no sense together.
    #[error("{what}; {hint}")]
    Nonsense {
        /// What.
        what: String,
        /// What to do instead.
        hint: &'static str,
    },
}

/// Parameters that are not typed but found: from the target, on the command line.
const FOUND: [&str; 2] = ["cgroup", "user"];

impl Fault {
    /// Reads a fault from pairs of parameter and value; a flag has the value `true`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn read<'a>(
        kind: FaultKind,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ParameterError> {
        let entry = catalogue::of(kind);
        let mut fields = Map::new();
        fields.insert("fault".to_owned(), kind.word().into());
        for (name, text) in pairs {
            let Some(parameter) = entry.all_parameters().find(|parameter| parameter.name == name) else {
                let known = entry.all_parameters().map(|parameter| parameter.name);
                return Err(ParameterError::Unknown {
                    kind,
                    name: name.to_owned(),
                    hint: did_you_mean(name, known),
                });
            };
            let value = json(parameter, text)?;
            if fields.insert(name.to_owned(), value).is_some() {
                return Err(ParameterError::Twice { name: parameter.name });
            }
        }
        let missing =
            |parameter: &&Parameter| parameter.need == Need::Required && !fields.contains_key(parameter.name);
        if let Some(Parameter { name, about, .. }) = entry.all_parameters().find(missing) {
            return Err(ParameterError::Missing { kind, name, about });
        }
        let fault: Self = serde_json::from_value(Json::Object(fields))
            .map_err(|error| ParameterError::Bad { name: kind.word(), why: error.to_string() })?;
        match fault.impaired().and_then(|impaired| impaired.impairment.nonsense()) {
            Some((what, hint)) => Err(ParameterError::Nonsense { what, hint }),
            None => Ok(fault),
        }
    }

    /// The pairs that [`Fault::read`] makes the same fault of; what holds by default is left out where it can be told.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        let Ok(Json::Object(fields)) = serde_json::to_value(self) else { return Vec::new() };
        let text = |value: Json| match value {
            Json::Null => None,
            Json::String(text) => Some(text),
            Json::Array(values) if values.is_empty() => None,
            Json::Array(values) => Some(values.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(",")),
            Json::Bool(false) => None,
            Json::Object(_) => serde_json::from_value::<Impairment>(value).ok().map(|read| read.to_string()),
            other => Some(other.to_string()),
        };
        fields
            .into_iter()
            .filter(|(key, _)| key != "fault" && !FOUND.contains(&key.as_str()))
            .filter_map(|(key, value)| Some((key, text(value)?)))
            .collect()
    }
}

/// A value as its field takes it.
fn json(parameter: &Parameter, text: &str) -> Result<Json, ParameterError> {
    let name = parameter.name;
    let bad = |why: String| ParameterError::Bad { name, why };
    macro_rules! read {
        ($type:ty) => {
            text.parse::<$type>().map_err(|error| bad(error.to_string()))?
        };
    }
    let list = || text.split(',').map(str::trim).filter(|part| !part.is_empty());
    Ok(match parameter.value {
        Value::Duration => read!(HumanDuration).to_string().into(),
        Value::Percent => read!(Percent).to_string().into(),
        Value::Size => read!(Size).to_string().into(),
        Value::Rate => read!(Rate).to_string().into(),
        Value::Cpus => read!(Cpus).to_string().into(),
        Value::Count(most) => {
            let count = text.trim().parse::<u64>().ok().filter(|count| *count <= most);
            count.ok_or_else(|| bad(format!("{text:?} is no whole number between 0 and {most}")))?.into()
        }
        Value::Integer => {
            text.trim().parse::<i64>().map_err(|_| bad(format!("{text:?} is no whole number")))?.into()
        }
        Value::Word(words) => {
            let word = words.iter().find(|word| word.eq_ignore_ascii_case(text.trim()));
            (*word.ok_or_else(|| bad(format!("{text:?} is none of {}", words.join(", "))))?).into()
        }
        Value::Text if text.trim().is_empty() => return Err(bad("it is empty".to_owned())),
        Value::Text => text.into(),
        Value::Texts => list().map(Json::from).collect(),
        Value::Address => address(text).map_err(bad)?,
        Value::Addresses => list().map(|part| address(part).map_err(bad)).collect::<Result<_, _>>()?,
        Value::Peers => list()
            .map(|part| {
                part.parse::<Peer>()
                    .map(|peer| Json::from(peer.to_string()))
                    .map_err(|error| bad(error.to_string()))
            })
            .collect::<Result<_, _>>()?,
        Value::Impairment => {
            serde_json::to_value(read!(Impairment)).map_err(|error| bad(error.to_string()))?
        }
        Value::Flag => match text.trim() {
            "true" => true.into(),
            "false" => false.into(),
            _ => return Err(bad(format!("{text:?} is neither true nor false"))),
        },
    })
}

fn address(text: &str) -> Result<Json, String> {
    let read = text.trim().parse::<IpAddr>();
    read.map(|address| address.to_string().into()).map_err(|_| format!("{text:?} is no IP address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is behind `--` in an example, without what belongs to the target and the lease.
    fn pairs_of(example: &str) -> Vec<(&str, &str)> {
        let options =
            example.split(" --").skip(1).map(|option| option.split_once(' ').unwrap_or((option, "true")));
        options.filter(|(name, _)| !["for", "pid", "netns", "dsn", "path"].contains(name)).collect()
    }

    #[test]
    fn every_example_reads_and_survives_its_record() {
        for entry in catalogue::all() {
            let pairs = pairs_of(entry.example);
            let fault =
                Fault::read(entry.kind, pairs).unwrap_or_else(|error| panic!("{}: {error}", entry.example));
            assert_eq!(fault.kind(), entry.kind);
            let record = serde_json::to_string(&fault).expect("writes");
            assert_eq!(serde_json::from_str::<Fault>(&record).expect("reads"), fault, "{record}");
            let pairs = fault.pairs();
            let again =
                Fault::read(entry.kind, pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())));
            assert_eq!(again, Ok(fault), "{pairs:?}");
        }
    }

    #[test]
    fn every_field_is_a_parameter_and_the_other_way_round() {
        for entry in catalogue::all() {
            let fault = Fault::read(entry.kind, pairs_of(entry.example)).expect("reads");
            let Ok(Json::Object(fields)) = serde_json::to_value(&fault) else { panic!("an object") };
            for field in fields.keys().filter(|field| *field != "fault") {
                assert!(entry.all_parameters().any(|one| one.name == field), "{}: {field}", entry.kind);
            }
            for parameter in entry.all_parameters() {
                let bad = Fault::read(entry.kind, [(parameter.name, "\u{7f}")]);
                let textual = matches!(parameter.value, Value::Text | Value::Texts);
                assert!(
                    textual || matches!(bad, Err(ParameterError::Bad { .. })),
                    "{}: {bad:?}",
                    parameter.name
                );
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let read = |kind: &str, pairs: &[(&str, &str)]| {
            Fault::read(kind.parse().expect("a kind"), pairs.iter().copied()).expect_err("wrong").to_string()
        };
        assert!(read("latency", &[]).contains("needs `delay`"));
        assert!(read("latency", &[("delai", "5ms")]).contains("`delay`"));
        assert!(read("latency", &[("delay", "5")]).contains("duration"));
        assert!(read("latency", &[("delay", "5ms"), ("jitter", "6ms")]).contains("jitter"));
        assert!(read("kill", &[("signal", "FOO")]).contains("TERM"));
        assert!(read("port-take", &[("port", "99999")]).contains("65535"));
        assert!("lag".parse::<FaultKind>().is_err());
    }
}
