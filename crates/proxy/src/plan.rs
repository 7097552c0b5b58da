//! Reading proxies and toxics out of JSON: request bodies and the configuration file.

use serde_json::Value;

use crate::api::error::ApiError;
use crate::json::{self, Malformed, Object};
use crate::registry::Plan;
use crate::toxic::{Kind, Stream, Toxic};

/// One proxy. Name and upstream may still be empty.
fn proxy(object: &Object) -> Result<Plan, Malformed> {
    Ok(Plan {
        name: json::field(object, "name")?.unwrap_or_default(),
        listen: json::field(object, "listen")?.unwrap_or_default(),
        upstream: json::field(object, "upstream")?.unwrap_or_default(),
        enabled: json::field(object, "enabled")?.unwrap_or(true),
        toxics: Vec::new(),
    })
}

/// The body of a request to create a proxy.
pub(crate) fn create(body: &[u8]) -> Result<Plan, ApiError> {
    let plan = proxy(&json::object(json::first_value(body)?, "")?)?;
    complete(&plan, None)?;
    Ok(plan)
}

fn complete(plan: &Plan, number: Option<usize>) -> Result<(), ApiError> {
    for (field, value) in [("name", &plan.name), ("upstream", &plan.upstream)] {
        if value.is_empty() {
            return Err(ApiError::Missing { field, number });
        }
    }
    Ok(())
}

fn array(body: &[u8]) -> Result<Vec<Value>, Malformed> {
    match json::first_value(body)? {
        Value::Array(values) => Ok(values),
        Value::Null => Ok(Vec::new()),
        other => Err(json::mismatch(&other, "", "array")),
    }
}

/// The body of a populate request. All of it is read before any of it is done; toxics in it are ignored, as they always were.
pub(crate) fn populate(body: &[u8]) -> Result<Vec<Plan>, ApiError> {
    let mut plans = Vec::new();
    for value in array(body)? {
        plans.push(proxy(&json::object(value, "")?)?);
    }
    for (index, plan) in plans.iter().enumerate() {
        complete(plan, Some(index + 1))?;
    }
    Ok(plans)
}

/// The configuration file: the populate format, with the toxics of each proxy beside its other keys.
pub(crate) fn config(text: &str) -> Result<Vec<Plan>, ApiError> {
    let mut plans = Vec::new();
    for (index, value) in array(text.as_bytes())?.into_iter().enumerate() {
        let object = json::object(value, "")?;
        let mut plan = proxy(&object)?;
        complete(&plan, Some(index + 1))?;
        match json::get(&object, "toxics") {
            None => {}
            Some(Value::Array(toxics)) => {
                for value in toxics {
                    let wanted = wanted(&json::object(value.clone(), "toxics")?)?;
                    if plan.toxics.iter().any(|toxic| toxic.name == wanted.name) {
                        return Err(ApiError::ToxicExists);
                    }
                    plan.toxics.push(wanted.build()?);
                }
            }
            Some(other) => return Err(json::mismatch(other, "toxics", "array").into()),
        }
        plans.push(plan);
    }
    Ok(plans)
}

/// A toxic that is asked for, checked but for its attributes, whose turn comes after its name is known to be free.
pub(crate) struct Wanted {
    pub(crate) name: String,
    spelling: String,
    stream: Stream,
    toxicity: f32,
    kind: Kind,
    attributes: Value,
}

impl Wanted {
    pub(crate) fn build(self) -> Result<Toxic, ApiError> {
        Ok(Toxic {
            name: self.name,
            stream: self.stream,
            toxicity: self.toxicity,
            kind: self.kind.merged(self.attributes)?,
            spelling: self.spelling,
        })
    }
}

/// The body of a request to create a toxic.
pub(crate) fn toxic(body: &[u8]) -> Result<Wanted, ApiError> {
    wanted(&json::object(json::first_value(body)?, "")?)
}

fn wanted(object: &Object) -> Result<Wanted, ApiError> {
    let name: Option<String> = json::field(object, "name")?;
    let kind: Option<String> = json::field(object, "type")?;
    let spelling = json::field(object, "stream")?.unwrap_or_else(|| "downstream".to_owned());
    let toxicity = json::field(object, "toxicity")?.unwrap_or(1.0);
    let stream: Stream = spelling.parse().map_err(ApiError::Stream)?;
    let kind = kind.and_then(|kind| Kind::named(&kind)).ok_or(ApiError::InvalidToxicType)?;
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("{}_{spelling}", kind.name()));
    let attributes = json::get(object, "attributes").cloned();
    Ok(Wanted { name, spelling, stream, toxicity, kind, attributes: attributes.unwrap_or(Value::Null) })
}

/// A description that is no toxic. Says what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.of_a_file())]
pub struct BadToxic(ApiError);

impl Toxic {
    /// Reads a toxic as the API takes it: `type`, and optionally `name`, `stream`, `toxicity` and `attributes`. For files that
    /// name toxics, such as playbooks.
    ///
    /// # Errors
    ///
    /// The kind or the stream is unknown, or a value has the wrong type.
    pub fn from_json(value: &Value) -> Result<Self, BadToxic> {
        let object = json::object(value.clone(), "toxic").map_err(|error| BadToxic(error.into()))?;
        wanted(&object).and_then(Wanted::build).map_err(BadToxic)
    }
}

/// The body of a request to change a toxic: what it makes of the one there is.
pub(crate) fn changed(toxic: &Toxic, object: &Object) -> Result<Toxic, ApiError> {
    let mut changed = toxic.clone();
    if let Some(toxicity) = json::field(object, "toxicity")? {
        changed.toxicity = toxicity;
    }
    if let Some(attributes) = json::get(object, "attributes") {
        changed.kind = toxic.kind.merged(attributes.clone())?;
    }
    Ok(changed)
}
