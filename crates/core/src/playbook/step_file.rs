//! One step as it is written: the keys of every kind of step, and the parameters of every kind of fault.
//!
//! Owns the shape alone; which keys go together is checked when the step is compiled.

use std::fmt;
use std::sync::LazyLock;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::ToxicStream;
use super::file::TargetNameFile;
use crate::fault::{FaultKind, catalogue};
use crate::source::Located;
use crate::units::HumanDuration;

macro_rules! step_file {
    ($($(#[$about:meta])* $key:literal $field:ident: $type:ty),+ $(,)?) => {
        /// One step.
        #[derive(Debug, Default)]
        pub struct StepFile {
            $($(#[$about])* pub $field: Option<$type>,)+
            /// What belongs to a kind of fault.
            pub parameters: Vec<(Located<String>, Located<Text>)>,
        }

        /// The keys that have a shape of their own, for the schema.
        #[derive(JsonSchema)]
        #[schemars(rename = "StepFile", deny_unknown_fields)]
        #[expect(dead_code, reason = "only its schema is used")]
        struct Shape { $($(#[$about])* #[schemars(rename = $key)] $field: Option<$type>),+ }

        const OWN: &[&str] = &[$($key),+];

        impl StepFile {
            /// Reads one key; whether it has a shape of its own, and whether it was there before.
            fn take<'de, A: serde::de::MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
                match key {
                    $($key => self.$field = Some(map.next_value()?),)+
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}

step_file! {
    /// Settings of the lab and their values.
    "lab" lab: IndexMap<Located<String>, Located<String>>,
    /// A command of the lab: `{ lab: NAME, OPTION: VALUE… }`.
    "run" run: Located<IndexMap<String, Located<String>>>,
    /// Do nothing for this long.
    "wait" wait: Located<HumanDuration>,
    /// A fault of this kind.
    "fault" fault: Located<FaultKind>,
    /// A toxic of this kind, on a link that the drill leads through a proxy of its own.
    "toxic" toxic: Located<String>,
    /// Which link the toxic is for: `users`, between the playbook's streams and the lab's front.
    "on" on: Located<String>,
    /// The toxic's attributes, by the names of Toxiproxy's API.
    "attributes" attributes: IndexMap<Located<String>, Located<serde_json::Value>>,
    /// Which direction the toxic disturbs, seen from the users; downstream by default.
    "stream" stream: Located<ToxicStream>,
    /// The share of connections that the toxic hits; all of them by default.
    "toxicity" toxicity: Located<f64>,
    /// Whom the fault is for.
    "target" target: Located<TargetNameFile>,
    /// How long the fault may live; until the drill must be over by default.
    "for" lease: Located<HumanDuration>,
}

/// A value of a parameter: a text, a number, true or false, or a list of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> serde::de::Visitor<'de> for Any {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value or a list of values")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Text, A::Error> {
                let mut all = Vec::new();
                while let Some(Text(one)) = seq.next_element()? {
                    all.push(one);
                }
                Ok(Text(all.join(",")))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Every key that a step may have.
static KEYS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut keys = OWN.to_vec();
    let parameters = catalogue::all().flat_map(catalogue::Kind::all_parameters);
    keys.extend(parameters.map(|parameter| parameter.name));
    keys.sort_unstable();
    keys.dedup();
    keys
});

impl<'de> Deserialize<'de> for StepFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> serde::de::Visitor<'de> for Keys {
            type Value = StepFile;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a step such as `lab: {…}` or `fault: …`")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<StepFile, A::Error> {
                let mut step = StepFile::default();
                while let Some(key) = map.next_key::<Located<String>>()? {
                    if step.take(&key.value, &mut map)? {
                        continue;
                    }
                    if !KEYS.contains(&key.value.as_str()) {
                        return Err(serde::de::Error::unknown_field(&key.value, &KEYS));
                    }
                    step.parameters.push((key, map.next_value()?));
                }
                Ok(step)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

impl JsonSchema for StepFile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StepFile".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = Shape::json_schema(generator);
        if let Some(serde_json::Value::Object(properties)) = schema.get_mut("properties") {
            for parameter in catalogue::all().flat_map(catalogue::Kind::all_parameters) {
                let kinds = catalogue::all()
                    .filter(|kind| kind.all_parameters().any(|one| one.name == parameter.name));
                let kinds: Vec<_> = kinds.map(|kind| format!("`{}`", kind.kind)).collect();
                let about = format!("{}: {}.", kinds.join(", "), parameter.about);
                properties
                    .entry(parameter.name)
                    .or_insert_with(|| serde_json::json!({ "description": about, "type": ["string", "number", "boolean", "array"] }));
            }
        }
        schema
    }
}
