//! Toxics in playbooks: a disturbance of the link between the playbook's streams and the lab's front.
//!
//! Owns the step and its checks. Which toxics there are comes in through [`super::World`]: core knows no proxy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::source::{Diagnostic, Located, Place, did_you_mean};

use super::Toxics;
use super::step_file::StepFile;

/// The links that toxics can be put on: `users` is what the playbook's streams reach the lab's front by.
pub const LINKS: [&str; 1] = ["users"];

/// A direction of a link, seen from the users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToxicStream {
    /// From the users to the front.
    Upstream,
    /// From the front to the users.
    #[default]
    Downstream,
}

/// A toxic that is put on a link until the drill reverts.
#[derive(Clone, Debug, PartialEq)]
pub struct ToxicStep {
    /// Its kind, one of those the world has.
    pub kind: String,
    /// On which of [`LINKS`].
    pub link: String,
    /// Which direction it disturbs.
    pub stream: ToxicStream,
    /// The share of connections it hits: above 0, at most 1.
    pub toxicity: f64,
    /// Its attributes, by the API's names.
    pub attributes: Map<String, Value>,
}

impl ToxicStep {
    /// As Toxiproxy's API takes it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "type": self.kind, "stream": self.stream, "toxicity": self.toxicity, "attributes": self.attributes,
        })
    }
}

impl std::fmt::Display for ToxicStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, link, stream, toxicity, attributes } = self;
        let stream = match stream {
            ToxicStream::Upstream => "upstream",
            ToxicStream::Downstream => "downstream",
        };
        write!(f, "{kind} on {link}, {stream}")?;
        if *toxicity < 1.0 {
            write!(f, ", for a share of {toxicity}")?;
        }
        let words: Vec<String> = attributes.iter().map(|(key, value)| format!("{key} {value}")).collect();
        if words.is_empty() { Ok(()) } else { write!(f, " ({})", words.join(", ")) }
    }
}

/// A toxic step; problems are added to the list, and `None` says that it cannot be.
pub(super) fn compile(
    step: &mut StepFile,
    place: &Place,
    known: &Toxics<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Option<ToxicStep> {
    let kind = step.toxic.take()?;
    let mut problem = |message: String, place: &Place, hint: String| {
        problems.push(Diagnostic::new(message, place.clone()).hint(hint));
    };
    match step.on.take() {
        Some(link) if LINKS.contains(&link.value.as_str()) => {}
        Some(link) => {
            problem(format!("there is no link `{link}`"), &link.place, did_you_mean(&link.value, LINKS));
        }
        None => problem(format!("`{kind}` is put on no link"), place, "add `on: users`".to_owned()),
    }
    let toxicity = step.toxicity.take();
    let share = toxicity.as_ref().map_or(1.0, |toxicity| toxicity.value);
    if let Some(toxicity) = toxicity
        && !(share > 0.0 && share <= 1.0)
    {
        let hint = "write the share of connections, above 0 and at most 1".to_owned();
        problem(format!("a toxicity of {share} hits nobody, or more than all"), &toxicity.place, hint);
    }
    let stream = step.stream.take().map(|stream| stream.value).unwrap_or_default();
    let given = step.attributes.take().unwrap_or_default();
    let Some(found) = known.kinds.iter().find(|found| found.name == kind.value) else {
        let names = known.kinds.iter().map(|found| found.name);
        problem(format!("there is no toxic `{kind}`"), &kind.place, did_you_mean(&kind.value, names));
        return None;
    };
    let mut toxic = ToxicStep {
        kind: kind.value,
        link: LINKS[0].to_owned(),
        stream,
        toxicity: share,
        attributes: Map::new(),
    };
    let mut attributes = Map::new();
    for (Located { value: name, place }, value) in given {
        if !found.attributes.contains(&name.as_str()) {
            let hint = match found.attributes {
                [] => "it has none".to_owned(),
                names => did_you_mean(&name, names.iter().copied()),
            };
            problem(format!("`{}` has no attribute `{name}`", found.name), &place, hint);
            continue;
        }
        // Alone, so that what is wrong is said of the value that is.
        toxic.attributes = Map::from_iter([(name.clone(), value.value.clone())]);
        if let Err(why) = (known.check)(&toxic) {
            problem(
                format!("`{}` is not a value of `{name}`", value.value),
                &value.place,
                format!("{} says: {why}", found.name),
            );
        }
        attributes.insert(name, value.value);
    }
    Some(ToxicStep { attributes, ..toxic })
}
